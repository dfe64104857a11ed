"""What is kept of a scanner's screen: frames in, the region of the picture out; names and menus around it never leave.

::

    --roi X,Y,W,H[@WxH] -------------> Roi -> HeldRoi: one size of frames --cut--> frames
    the brightest of FIND_FRAMES frames that show a fan --> Roi, held ----^        edge.preprocess finds the fan

A camera, a video and a DICOM file that names no ultrasound region are screens; an image file is what somebody cut out.

The fan is found once and held, so that a dark moment does not move the picture; it is found anew when the size of the
frames changes, and when the source is opened again. Until it is found no frame is handed on; those in which it was
found are then, so that a video loses none. A box is kept: what a scanner writes into the fan's corners is inside it.

A given region belongs to frames of one size, the one it names or else the first frame's: on a screen of another size
the same numbers may hold a name. Frames of another size are refused, however often the source is opened again.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from edge.errors import InputError, UsageError
from edge.preprocess import SECTOR_LEVEL, box_from_gray, gray_from_frame
from edge.service.frame import Frame
from edge.sources.frame import MIN_SIDE_PX
from edge.sources.frame import Frame as FileFrame

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

F = TypeVar("F", Frame, FileFrame)

FIND_FRAMES = 8  # a quarter of a second at 30 Hz: speckle and probe move, and dark stripes close; 50 MB of 1080p
FIND_WITHIN_S = 3.0  # then the source is down, with its cause: a menu, or a scanner that waits
MIN_LIT = (
    0.2  # share of a fan's box; at least 0.42 in 250 of the shipped images, each on a black screen of twice its side
)
FLAT_STEP = 4  # gray levels that count as one: what a video chain makes of a plain area
MAX_FLAT = 0.25  # share of a fan's lit pixels on one such level; at most 0.18 in the 471 shipped images, and more on a
# page, in menus, or where black comes as 16: a box around those holds the names as well
EXAMPLE = (
    "X,Y,W,H in pixels from the frame's upper left corner, and best the frame's size: --roi 320,60,1280,960@1920x1080"
)


WRITTEN = re.compile(r"([0-9]{1,5}),([0-9]{1,5}),([0-9]{1,5}),([0-9]{1,5})(?:@([0-9]{1,5})x([0-9]{1,5}))?")


@dataclass(frozen=True)
class Roi:
    """A rectangle of a frame, pixels from its upper left corner.

    Attributes:
        frame_px: width and height of the frames that it is a region of; None where nobody said.
    """

    left: int
    top: int
    width: int
    height: int
    frame_px: tuple[int, int] | None = None

    def cut(self, pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """A copy of what lies inside, so that nothing else stays in the memory.

        Args:
            pixels: (H,W) or (H,W,3).

        Raises:
            InputError: it belongs to frames of another size.
            UsageError: it reaches beyond the frame.
        """
        height, width = pixels.shape[:2]
        if self.frame_px not in (None, (width, height)):
            raise InputError(
                f"The frame has {width}x{height} px, and the region {self} belongs to another size.",
                "Set the scanner's or grabber's resolution back, or measure the region again: --roi.",
            )
        if self.left + self.width > width or self.top + self.height > height:
            raise UsageError(f"The region {self} reaches beyond the frame of {width}x{height} px.", f"Give {EXAMPLE}.")
        return np.array(pixels[self.top : self.top + self.height, self.left : self.left + self.width])

    def __str__(self) -> str:
        size = "" if self.frame_px is None else f"@{self.frame_px[0]}x{self.frame_px[1]}"
        return f"{self.left},{self.top},{self.width},{self.height}{size}"


class HeldRoi:
    """A region of frames of one size: of the size it names, else of the first frame it cuts."""

    def __init__(self, roi: Roi) -> None:
        self._roi = roi

    def cut(self, pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """As `Roi.cut`; a second size is refused.

        Args:
            pixels: (H,W) or (H,W,3).

        Raises:
            InputError: the frame has another size than the region's.
            UsageError: it reaches beyond the frame.
        """
        kept = self._roi.cut(pixels)
        if self._roi.frame_px is None:
            self._roi = replace(self._roi, frame_px=(pixels.shape[1], pixels.shape[0]))
        return kept


def roi_from_text(text: str) -> Roi:
    """The region that `X,Y,W,H` or `X,Y,W,H@WIDTHxHEIGHT` names.

    Raises:
        UsageError: it names none, or one too small to hold a plane, or one that reaches beyond the frame it names.
    """
    found = WRITTEN.fullmatch(re.sub(r" *([,@x]) *", r"\1", text.strip()))
    if found is None:
        raise UsageError(f"{text!r} is no region.", f"Give {EXAMPLE}.")
    left, top, width, height = (int(part) for part in found.groups()[:4])
    frame_px = None if found[5] is None else (int(found[5]), int(found[6]))
    roi = Roi(left, top, width, height, frame_px)
    if min(width, height) < MIN_SIDE_PX:
        raise UsageError(f"The region {roi} is smaller than {MIN_SIDE_PX} px.", f"Give {EXAMPLE}.")
    if frame_px is not None and (left + width > frame_px[0] or top + height > frame_px[1]):
        raise UsageError(f"The region {roi} reaches beyond its own frame.", f"Give {EXAMPLE}.")
    return roi


def roi_from_gray(gray: NDArray[np.uint8]) -> Roi | None:
    """The box of the fan on a screen; None where none stands out.

    Args:
        gray: (H,W), 0..255.
    """
    box = box_from_gray(gray)
    if box is None or not _is_fan(gray[box]):
        return None
    rows, columns = box
    roi = Roi(columns.start, rows.start, columns.stop - columns.start, rows.stop - rows.start)
    return roi if min(roi.width, roi.height) >= MIN_SIDE_PX else None


def _is_fan(gray: NDArray[np.uint8]) -> bool:
    """Whether a box holds speckle and enough of it, not a page."""
    lit = gray[gray > SECTOR_LEVEL]
    return lit.size >= MIN_LIT * gray.size and int(np.bincount(lit // FLAT_STEP).max()) <= MAX_FLAT * lit.size


def kept_from_file(path: Path) -> Iterator[FileFrame]:
    """Every frame of an image, DICOM file or video, of a screen the fan alone.

    Raises:
        ImageError: as of `edge.sources.images.frames_from_file`.
        InputError: a screen shows no fan.
    """
    from edge.sources.images import frames_from_file

    frames = frames_from_file(path)
    return fan_frames(frames, None) if _is_screen(path) else frames


def cut_frames(frames: Iterator[F], roi: Roi | HeldRoi) -> Iterator[F]:
    """Frames cut to a given region.

    Raises:
        InputError: one has another size than the region's.
        UsageError: it reaches beyond one.
    """
    held = HeldRoi(roi) if isinstance(roi, Roi) else roi
    return (replace(frame, pixels=held.cut(frame.pixels)) for frame in frames)


def fan_frames(frames: Iterator[F], time_s: Callable[[F], float] | None) -> Iterator[F]:
    """Frames of a screen cut to its fan.

    Args:
        frames: of one opening of a source.
        time_s: when a frame was captured, seconds: a fan must show within FIND_WITHIN_S; None: within the frames.

    Raises:
        InputError: none did.
    """
    size: tuple[int, ...] = ()
    roi, seen, since_s = None, list[F](), 0.0
    for frame in frames:
        if frame.pixels.shape[:2] != size:
            size, roi, seen = frame.pixels.shape[:2], None, []
            since_s = time_s(frame) if time_s else 0.0
        if roi is not None:
            yield replace(frame, pixels=roi.cut(frame.pixels))
        elif roi_from_gray(gray_from_frame(frame.pixels)) is not None:
            seen.append(frame)
            if len(seen) == FIND_FRAMES:
                roi = _roi_of_all([frame.pixels for frame in seen])
                yield from cut_frames(iter(seen), roi)
                seen = []
        elif time_s is not None and time_s(frame) - since_s > FIND_WITHIN_S:
            raise _no_fan(size)
    if seen:  # a video shorter than the search
        yield from cut_frames(iter(seen), _roi_of_all([frame.pixels for frame in seen]))
    elif roi is None:
        raise _no_fan(size)


def _is_screen(path: Path) -> bool:
    from edge.sources.dicom import header_from_file, regions_from_header
    from edge.sources.images import kind_from_file

    kind = kind_from_file(path)
    return kind == "video" or (kind == "dicom" and not regions_from_header(path, header_from_file(path)))


def _roi_of_all(screens: list[NDArray[np.uint8]]) -> Roi:
    """The fan of the brightest each pixel was; of the last frame where that lights up more than a fan."""
    grays = [gray_from_frame(pixels) for pixels in screens]
    found = roi_from_gray(np.max(grays, axis=0)) or roi_from_gray(grays[-1])
    assert found is not None  # every frame here showed one
    return found


def _no_fan(size: tuple[int, ...]) -> InputError:
    told = f"{size[1]}x{size[0]} px" if size else "no frame"
    return InputError(
        f"No ultrasound fan stands out on the screen ({told}).", f"Show a live B-mode image, or give --roi: {EXAMPLE}."
    )
