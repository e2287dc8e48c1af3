"""Where this installation keeps its bytes."""

from collections.abc import Iterator
from pathlib import Path

from django.conf import settings

from registry.core.store import Store


def artifact_store() -> Store:
    """Return the store of uploads, outputs and other content-addressed bytes."""
    return Store(Path(settings.REGISTRY_DATA_DIR) / "store")


def gallery_folder(gallery_id: int, segment_id: int) -> Path:
    """Return the folder of one segment's files; it may not exist yet."""
    return Path(settings.REGISTRY_DATA_DIR) / "galleries" / str(gallery_id) / str(segment_id)


def segment_folders() -> Iterator[Path]:
    """Yield the folder of every segment that has files."""
    yield from (Path(settings.REGISTRY_DATA_DIR) / "galleries").glob("*/*")
