"""Image files, and the door to every other source: path -> frames.

::

    path -> files_from_path -> kind_from_bytes -> image -> Frame
                                               -> DICOM -> edge/sources/dicom.py -> Frame ...
                                               -> video -> edge/sources/video.py -> Frame ...

What a file is, its first bytes say; its name is asked only where they say nothing.
"""

from __future__ import annotations

import struct
import warnings
import zlib
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from edge.errors import ImageError
from edge.sources.frame import Frame, bytes_from_deep, check_size

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray
    from PIL.Image import Image

__all__ = ["Frame", "files_from_path", "frames_from_file", "frames_from_path", "kind_from_bytes", "load_image"]

HEAD_BYTES = 132  # as far as a DICOM file's mark reaches: 128 bytes preamble + "DICM" (PS3.10, 7.1)
MAX_FILE_BYTES = 256 << 20  # an uncompressed 16-bit colour image of MAX_PIXELS has 216 MB
FORMATS = ("PNG", "JPEG", "BMP", "GIF", "TIFF", "WEBP", "PPM", "JPEG2000")  # no format that starts another program
PAGED_FORMATS = ("GIF", "TIFF", "WEBP", "PNG")  # whose further pages are frames, not previews

IMAGE_MAGIC = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"GIF8", b"BM", b"II*\0", b"MM\0*", b"\xff\x4f\xff\x51",
               b"\0\0\0\x0cjP  ", b"P1\n", b"P2\n", b"P4\n", b"P5\n", b"P6\n")  # fmt: skip
VIDEO_MAGIC = (b"\x1a\x45\xdf\xa3", b"\x00\x00\x01\xba", b"\x00\x00\x01\xb3", b"\x30\x26\xb2\x75", b"FLV", b"OggS")
QUICKTIME_ATOMS = (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip")
IMAGE_BRANDS = (b"heic", b"heix", b"mif1", b"msf1", b"avif")  # images inside a QuickTime container
SUFFIXES = {
    "dicom": (".dcm", ".dicom", ".ima"),
    "video": (".mp4", ".mov", ".avi", ".mkv", ".webm", ".mpg", ".mpeg", ".ts", ".wmv", ".m4v"),
    "image": (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".webp", ".pgm", ".ppm", ".jp2", ".j2k"),
}

DECODE_ERRORS = (OSError, SyntaxError, ValueError, EOFError, IndexError, KeyError, TypeError, struct.error, zlib.error)


def kind_from_bytes(head: bytes) -> str:
    """What a file's first bytes say it is.

    Args:
        head: its first HEAD_BYTES bytes, fewer where it is shorter.

    Returns:
        "image", "dicom", "video", or "" where they say nothing.

    Source: PS3.10 section 7.1 for DICOM; the formats' own marks for the others.
    """
    if head[128:132] == b"DICM" or _is_bare_dicom(head):
        return "dicom"
    if head[:4] == b"RIFF":
        return {b"AVI ": "video", b"WEBP": "image"}.get(head[8:12], "")
    if head[4:8] in QUICKTIME_ATOMS:
        return "image" if head[8:12] in IMAGE_BRANDS else "video"
    if head.startswith(VIDEO_MAGIC):
        return "video"
    return "image" if head.startswith(IMAGE_MAGIC) else ""


def _is_bare_dicom(head: bytes) -> bool:
    """A data set without preamble: group 0008 first, explicit (UL, UI, CS ...) or implicit with a small length."""
    if head[:2] not in (b"\x08\0", b"\x02\0") or len(head) < 8:
        return False
    return head[4:6] in (b"UL", b"UI", b"CS", b"DA", b"TM", b"LO", b"SH") or head[6:8] == b"\0\0"


def kind_from_file(path: Path) -> str:
    """What a file is by its content, else by its name; "" for neither.

    Raises:
        ImageError: it cannot be read: gone meanwhile, or not permitted.
    """
    try:
        with path.open("rb") as stream:
            kind = kind_from_bytes(stream.read(HEAD_BYTES))
    except OSError as error:
        raise ImageError(
            f"{path} cannot be read: {error.strerror}.", "Check that it is there and may be read."
        ) from error
    return kind or _kind_from_name(path)


def _kind_from_name(path: Path) -> str:
    suffix = path.suffix.lower()
    return next((name for name, suffixes in SUFFIXES.items() if suffix in suffixes), "")


def _is_picture(path: Path) -> bool:
    """Whether a folder's file is one; where it cannot be read its name decides, and whoever reads it is told."""
    try:
        return kind_from_file(path) != ""
    except ImageError:
        return _kind_from_name(path) != ""


def files_from_path(path: Path | str) -> tuple[Path, ...]:
    """The files that a path stands for: itself, or those of a folder, sorted, sub-folders too.

    In a folder, hidden files and files that are no image, DICOM object or video (notes, tables) are passed over.

    Raises:
        ImageError: nothing there, or a folder without a picture.
    """
    path = Path(path)
    if path.is_file():
        return (path,)
    if not path.is_dir():
        raise ImageError(f"{path} is not there.", "Correct the path.")
    found = (file for file in sorted(path.rglob("*")) if file.is_file())
    shown = (file for file in found if not any(part.startswith(".") for part in file.relative_to(path).parts))
    files = tuple(file for file in shown if _is_picture(file))
    if not files:
        raise ImageError(f"{path} holds no image, DICOM file or video.", "Name a folder that does.")
    return files


def frames_from_path(path: Path | str) -> Iterator[Frame]:
    """Every frame of a file or folder, one at a time; to go on after a bad file use `files_from_path`.

    Raises:
        ImageError: as of `files_from_path` and `frames_from_file`.
        UsageError: a package for this kind of file is not installed.
    """
    for file in files_from_path(path):
        yield from frames_from_file(file)


def frames_from_file(path: Path | str) -> Iterator[Frame]:
    """Every frame of one image, DICOM file or video.

    Raises:
        ImageError: the file is missing, empty, damaged, too small or too large, or of another kind.
        UsageError: a package for this kind of file is not installed.
    """
    path = Path(path)
    _check_file(path)
    kind = kind_from_file(path)
    if kind == "dicom":
        from edge.sources.dicom import frames_from_dicom

        yield from frames_from_dicom(path)
    elif kind == "video":
        from edge.sources.video import frames_from_video

        yield from frames_from_video(path)
    else:
        yield from _frames_from_image(path)


def load_image(path: Path | str) -> NDArray[np.uint8]:
    """Read the first frame of an image (or DICOM file, or video), upright, of any usual pixel format.

    Deeper than 8 bits: scaled by the depth in use (`bytes_from_deep`). Transparent pixels: over black.

    Returns:
        (H,W) for gray, (H,W,3) RGB for colour, palette and CMYK.

    Raises:
        ImageError: missing, empty, no image, damaged, fewer than MIN_SIDE_PX a side, more than MAX_PIXELS.
        UsageError: a package for this kind of file is not installed.
    """
    return next(frames_from_file(path)).pixels


def _frames_from_image(path: Path) -> Iterator[Frame]:
    with _open_image(path) as image:
        count = getattr(image, "n_frames", 1) if image.format in PAGED_FORMATS else 1
        time_ms = 0.0
        for index in range(count):
            if index:
                image.seek(index)
            check_size(path, *image.size)
            duration_ms = float(image.info.get("duration", 0))
            yield Frame(_pixels_from_image(path, image), str(path), index, time_ms if duration_ms else None)
            time_ms += duration_ms


def _check_file(path: Path) -> None:
    if not path.is_file():
        raise ImageError(f"{path} is not there, or not a file.", "Correct the path.")
    size = path.stat().st_size
    if size == 0:
        raise ImageError(f"{path} is empty.", "Copy it again.")


@contextmanager
def _open_image(path: Path) -> Iterator[Image]:
    """Open and check an image; every way a decoder can fail inside the block becomes one ImageError."""
    from PIL import Image, UnidentifiedImageError

    size = path.stat().st_size
    if size > MAX_FILE_BYTES:
        raise ImageError(
            f"{path} has {size >> 20} MiB; an image of at most {MAX_FILE_BYTES >> 20} MiB is read.", "Scale it down."
        )
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # check_size has the stricter limit
            image = Image.open(path, formats=FORMATS)
        with image:
            check_size(path, *image.size)
            yield image
    except Image.DecompressionBombError as error:
        raise ImageError(f"{path} is far too large: {error}.", "Scale it down.") from error
    except UnidentifiedImageError as error:
        raise ImageError(
            f"{path} is no image, whatever its name says.", f"Give one of: {', '.join(FORMATS)}, DICOM or a video."
        ) from error
    except DECODE_ERRORS as error:
        raise ImageError(f"{path} is damaged: {error}.", "Copy or export it again.") from error


def _pixels_from_image(path: Path, image: Image) -> NDArray[np.uint8]:
    from PIL import ImageOps

    image.load()
    upright = ImageOps.exif_transpose(image)
    if upright.mode in ("L", "1"):
        return np.asarray(upright.convert("L"))
    if upright.mode.startswith("I"):
        return _bytes_from_wide(path, np.asarray(upright))
    if upright.mode == "F":
        raise ImageError(f"{path} holds floating-point pixels, whose range is unknown.", "Save it with 8 or 16 bits.")
    if upright.has_transparency_data:
        return _over_black(np.asarray(upright.convert("RGBA")), gray=upright.mode in ("LA", "La"))
    return np.asarray(upright.convert("RGB"))


def _bytes_from_wide(path: Path, pixels: NDArray[np.integer]) -> NDArray[np.uint8]:
    if int(pixels.min()) < 0 or int(pixels.max()) > 0xFFFF:
        raise ImageError(f"{path} holds pixels beyond 0..65535.", "Save it with 8 or 16 bits, unsigned.")
    return bytes_from_deep(pixels.astype(np.uint16))


def _over_black(rgba: NDArray[np.uint8], gray: bool) -> NDArray[np.uint8]:
    opaque = ((rgba[..., :3].astype(np.uint16) * rgba[..., 3:] + 127) // 255).astype(np.uint8)
    return np.ascontiguousarray(opaque[..., 0]) if gray else opaque
