"""Which galleries hold their vectors here, and what goes only for those."""

from registry.core.errors import ConflictError
from registry.galleries.models import Gallery


def require_vectors_here(gallery: Gallery) -> None:
    """Refuse what needs vectors, where another team's index holds them."""
    if gallery.is_attached:
        raise ConflictError(
            f"{gallery} is attached: its vectors are in an index of its owner, none are here",
            code="gallery_attached",
        )
