"""What a DICOM object claims, looked at before it is believed: a small one may unpack to all of the memory.

::

    header            -> LimitedHeader: so many bytes of it are read; elements that nobody asked for are passed over
    compressed frames -> each frame's own size -> it is the header's, or the object is refused undecoded

In: an object of a stranger. Out: nothing, or an error.

Source: PS3.5 annex A.4 (encapsulation) and G (RLE), ITU-T T.81 B.2.2 (JPEG frame header), T.87 C.2.2 (JPEG-LS),
T.800 A.5.1 (JPEG 2000 SIZ).
"""

from __future__ import annotations

import struct
from typing import IO, TYPE_CHECKING

from edge.errors import ImageError

if TYPE_CHECKING:
    from pathlib import Path

    from pydicom import Dataset

MAX_HEADER_BYTES = 1 << 20  # a palette has 400 kB, all else some 10 kB; pydicom makes 1 kB of an element of 8 bytes
MAX_RLE_BYTES = 4 << 20  # of a frame: what two bytes can repeat makes 256 MB of it
JPEG, JPEG_2000 = b"\xff\xd8", b"\xff\x4f\xff\x51"
FRAME_HEADERS = {*range(0xC0, 0xD0), 0xF7} - {0xC4, 0xC8, 0xCC}  # SOF0..15 and SOF55, without DHT, JPG and DAC
LONE = {0x01, *range(0xD0, 0xD8)}  # markers without a length
SCAN, END = 0xDA, 0xD9


class LimitedHeader:
    """A file of which so many bytes may be read."""

    def __init__(self, stream: IO[bytes], left_bytes: int = MAX_HEADER_BYTES) -> None:
        """From where the stream stands."""
        self._stream, self._left_bytes = stream, left_bytes

    def read(self, size: int = -1) -> bytes:
        """As of a file.

        Raises:
            OSError: more than may be read.
        """
        data = self._stream.read(min(size, self._left_bytes + 1) if size >= 0 else self._left_bytes + 1)
        self._left_bytes -= len(data)
        if self._left_bytes < 0:
            raise OSError("the header is too large")
        return data

    def seek(self, offset: int, whence: int = 0) -> int:
        """As of a file."""
        return self._stream.seek(offset, whence)

    def tell(self) -> int:
        """As of a file."""
        return self._stream.tell()


def check_codestreams(path: Path, header: Dataset, count: int) -> None:
    """Look at the size that each compressed frame has by itself; nothing is decoded.

    Args:
        path: of the object.
        header: of `edge.sources.dicom.header_from_file`, its sizes checked.
        count: of frames.

    Raises:
        ImageError: it is not the header's, or an RLE frame is too long.
    """
    from pydicom import dcmread
    from pydicom.encaps import generate_frames
    from pydicom.uid import RLELossless

    syntax = header.file_meta.TransferSyntaxUID
    if not syntax.is_encapsulated:
        return
    wanted = (int(header.Columns), int(header.Rows), int(header.get("SamplesPerPixel") or 0))
    tables = ["ExtendedOffsetTable", "ExtendedOffsetTableLengths"]
    with path.open("rb") as stream:
        found = dcmread(stream, stop_before_pixels=True, force=True, specific_tags=tables)
        stream.seek(12, 1)  # tag, VR and length of the pixel data
        offsets = (found.ExtendedOffsetTable, found.ExtendedOffsetTableLengths) if tables[0] in found else None
        for frame in generate_frames(stream, number_of_frames=count, extended_offsets=offsets):
            is_right = len(frame) <= MAX_RLE_BYTES if syntax == RLELossless else claim_from_codestream(frame) == wanted
            if not is_right:
                raise ImageError(f"{path} has a frame of another size than its header says.", "Export it again.")


def claim_from_codestream(data: bytes) -> tuple[int, int, int] | None:
    """Width, height and samples a pixel of JPEG, JPEG-LS or JPEG 2000; None where its beginning does not tell."""
    try:
        if data.startswith(JPEG_2000):
            right, bottom, left, top = struct.unpack_from(">4I", data, 8)
            return right - left, bottom - top, struct.unpack_from(">H", data, 40)[0]
        return _claim_from_jpeg(data) if data.startswith(JPEG) else None
    except (struct.error, IndexError):
        return None


def _claim_from_jpeg(data: bytes) -> tuple[int, int, int] | None:
    place = 2
    while data[place] == 0xFF:
        marker = data[place + 1]
        if marker in FRAME_HEADERS:
            height, width, samples = struct.unpack_from(">HHB", data, place + 5)
            return width, height, samples
        if marker in (SCAN, END):
            break
        if marker == 0xFF:  # fills
            place += 1
        else:
            place += 2 if marker in LONE else 2 + struct.unpack_from(">H", data, place + 2)[0]
    return None
