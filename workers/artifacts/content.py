"""What an upload is, judged by its bytes; its name says nothing."""

import os
import struct
import zipfile
from pathlib import Path

from workers.errors import PermanentError

ZIP = b"PK\x03\x04"
PARQUET = b"PAR1"

LEADING = (
    (PARQUET, "a Parquet file"),
    (b"\x89HDF\r\n\x1a\n", "an HDF5 file (Keras)"),
    (b"\x93NUMPY", "a NumPy array file (.npy)"),
    (b"\x1f\x8b", "a gzip file"),
    (b"BZh", "a bzip2 file"),
    (b"\xfd7zXZ\x00", "an xz file"),
    (b"\x7fELF", "a program"),
    (b"\x89PNG", "an image"),
    (b"\xff\xd8\xff", "an image"),
    (b"%PDF", "a PDF document"),
)

PICKLE_PROTOCOLS = tuple(bytes([0x80, protocol]) for protocol in range(2, 6))
PICKLE_OPCODES = b"c(}]\x8c\x95."
"""What follows the protocol mark of a pickle; ONNX never begins with byte 0x80."""

INSIDE_ZIP = (
    ("constants.pkl", "a TorchScript archive"),
    ("models/model.json", "a torch.export program (.pt2)"),
    ("serialized_exported_program.json", "a torch.export program (.pt2)"),
    ("archive_format", "a torch.export program (.pt2)"),
    ("data.pkl", "a PyTorch checkpoint (pickle in a zip)"),
    ("config.json", "a Keras archive"),
)


def read_capped(path: Path, max_bytes: int) -> bytes:
    """Return the bytes of ``path``, which are at most ``max_bytes``.

    Raises:
        PermanentError: ``too_large``.
    """
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        if size > max_bytes:
            raise PermanentError(
                "too_large", f"the file has {size} bytes; at most {max_bytes} are taken"
            )
        return file.read(size)


def looks_like(path: Path) -> str:
    """Return in words what the file looks like, or an empty string if nothing is recognised."""
    with path.open("rb") as file:
        head = file.read(512)
    for mark, words in LEADING:
        if head.startswith(mark):
            return words
    if head.startswith(ZIP):
        return _inside_zip(path)
    if head.startswith(PICKLE_PROTOCOLS) and len(head) > 2:
        return "a pickle (PyTorch, scikit-learn, joblib)"
    if head[4:8] == b"TFL3":
        return "a TensorFlow Lite model"
    if head[4:8] == b"ORTM":
        return "an ONNX Runtime model (.ort)"
    if head[8:9] == b"{" and b'"' in head[9:64] and head[5:8] == b"\0\0\0":
        return "a safetensors file"
    if head[257:262] == b"ustar":
        return "a tar archive"
    return "text" if _is_text(head) else ""


def _inside_zip(path: Path) -> str:
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except (zipfile.BadZipFile, ValueError, NotImplementedError, OSError, struct.error):
        return "a damaged zip archive"
    for ending, words in INSIDE_ZIP:
        if any(name == ending or name.endswith("/" + ending) for name in names):
            return words
    if names and all(name.endswith(".npy") for name in names):
        return "an NPZ file"
    return "a zip archive"


def _is_text(head: bytes) -> bool:
    try:
        text = head.decode("utf-8")
    except UnicodeDecodeError as exc:
        if exc.start < len(head) - 3:
            return False
        text = head[: exc.start].decode("utf-8")
    return bool(text) and all(character.isprintable() or character.isspace() for character in text)
