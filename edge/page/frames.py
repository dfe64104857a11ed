"""A picture that a bridge sends over the Unix socket: its headers read strictly, its pixels taken as they are.

::

    X-Width X-Height X-Channels X-Source X-Machine X-Patient X-Study X-Still (X-Name) --> FrameHead --+ body --> Frame

In: headers and raw bytes of somebody else. Out: a `Frame`, or one line of cause and cure. Every header must be there,
may it be empty: a bridge that forgets whose picture it sends must not get it into the open exam. Only X-Name may be
missing: a bridge that names its picture is told what became of it, and may send it again without its being kept twice.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from edge.errors import ImageError
from edge.exam_keys import MAX_KEY_LENGTH, ExamKey, key_from_texts
from edge.page.entrance import RawHeaders
from edge.service.frame import Frame

MAX_SIDE_PX = 4096  # DCI 4K is 4096 x 2160
MAX_FRAME_BYTES = 4096 * 2160 * 3  # 4K RGB, 26.5 MB
SOURCE = re.compile(r"[a-z]{1,16}")  # a kind, as the logs know them; never a path or a name
NAME = re.compile(r"[a-z]{1,16}-[a-z0-9-]{16,64}")  # kind of bridge, digest; the service's own names end in a number
NAMES = ("width", "height", "channels", "source", "machine", "patient", "study", "still")
OPTIONAL = ("name",)


@dataclass(frozen=True)
class FrameHead:
    """What the headers say.

    Attributes:
        height_px: 1..MAX_SIDE_PX.
        width_px: 1..MAX_SIDE_PX.
        channels: 1 gray, 3 RGB.
        source: kind of the bridge, e.g. "dicom".
        machine: scanner model, or "".
        key: patient and study; None where both are empty.
        is_still: somebody sent this very picture.
        name: of the frame, the same whenever it is sent; "": it has none.
    """

    height_px: int
    width_px: int
    channels: int
    source: str
    machine: str
    key: ExamKey | None
    is_still: bool
    name: str = ""

    @property
    def size_bytes(self) -> int:
        """Of the pixels."""
        return self.height_px * self.width_px * self.channels


def head_from_headers(headers: RawHeaders) -> FrameHead:
    """Read the headers of a frame.

    Args:
        headers: lower-case names; texts are UTF-8.

    Raises:
        ImageError: one is missing, stands there twice, or does not hold what it should.
    """
    values = _values_from_headers(headers)
    if values["still"] not in ("0", "1"):
        raise _wrong("still", "0 or 1")
    if values["channels"] not in ("1", "3"):
        raise _wrong("channels", "1 or 3")
    if SOURCE.fullmatch(values["source"]) is None:
        raise _wrong("source", "1 to 16 letters a-z")
    if "name" in values and NAME.fullmatch(values["name"]) is None:
        raise _wrong("name", "letters, a dash and 16 to 64 of a-z, 0-9 and dash")
    head = FrameHead(
        height_px=_side("height", values["height"]),
        width_px=_side("width", values["width"]),
        channels=int(values["channels"]),
        source=values["source"],
        machine=values["machine"],
        key=key_from_texts(values["patient"], values["study"]),
        is_still=values["still"] == "1",
        name=values.get("name", ""),
    )
    if head.size_bytes > MAX_FRAME_BYTES:
        raise ImageError(f"The frame has {head.size_bytes} bytes, at most {MAX_FRAME_BYTES}.", "Send a smaller one.")
    return head


def frame_from_bytes(head: FrameHead, pixels: bytes, captured_s: float) -> Frame:
    """A frame over the bytes; nothing is copied.

    Args:
        head: of these pixels.
        pixels: rows from top to bottom, RGB interleaved.
        captured_s: when it came, monotonic, seconds.

    Raises:
        ImageError: it is not as many bytes as the head says.
    """
    if len(pixels) != head.size_bytes:
        raise ImageError(
            f"The body has {len(pixels)} bytes, expected {head.size_bytes}.", "Send width x height x channels bytes."
        )
    shape = (head.height_px, head.width_px) if head.channels == 1 else (head.height_px, head.width_px, 3)
    return Frame(
        pixels=np.frombuffer(pixels, np.uint8).reshape(shape),
        sequence=0,  # whoever takes the frame numbers it
        captured_s=captured_s,
        source=head.source,
        key=head.key,
        is_still=head.is_still,
        machine=head.machine,
        name=head.name,
    )


def _values_from_headers(headers: RawHeaders) -> Mapping[str, str]:
    values: dict[str, str] = {}
    for raw_name, raw_value in headers:
        name = raw_name.decode("latin-1").removeprefix("x-")
        if not raw_name.startswith(b"x-") or name not in (*NAMES, *OPTIONAL):
            continue
        if name in values:
            raise _wrong(name, "to stand there once")
        values[name] = _text(name, raw_value)
    if missing := [name for name in NAMES if name not in values]:
        raise _wrong(missing[0], "to be there")
    return values


def _text(name: str, raw: bytes) -> str:
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise _wrong(name, "UTF-8") from error
    if len(text) > MAX_KEY_LENGTH or any(unicodedata.category(letter) in ("Cc", "Co", "Cn") for letter in text):
        raise _wrong(name, f"at most {MAX_KEY_LENGTH} characters, none of them a control character")
    return text


def _side(name: str, text: str) -> int:
    if re.fullmatch(r"[1-9][0-9]{0,3}", text) is None or int(text) > MAX_SIDE_PX:
        raise _wrong(name, f"1 to {MAX_SIDE_PX}")
    return int(text)


def _wrong(name: str, expected: str) -> ImageError:
    """Its value is not told: it may be a patient's."""
    return ImageError(f"The header X-{name.capitalize()} is not valid: expected {expected}.", "See docs/integrator.md.")
