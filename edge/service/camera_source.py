"""A V4L2 device (an HDMI grabber at the scanner's video output) as a live source."""

from __future__ import annotations

import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from edge.errors import DeviceError
from edge.service.frame import Frame
from edge.service.own_source import OwnSource
from edge.service.source_options import SourceOptions
from edge.sources.camera import pictures_from_camera

if TYPE_CHECKING:
    from numpy.typing import NDArray

DEFAULT_DEVICE = "/dev/video0"


@dataclass(frozen=True)
class CameraSource(OwnSource):
    """The frames of a V4L2 device as they come.

    Attributes:
        device: e.g. /dev/video0.
        options: the clock.
        pictures: opens the device and gives its pictures; a simulator in tests.
    """

    device: Path
    options: SourceOptions
    pictures: Callable[[Path], Iterator[NDArray[np.uint8]]] = pictures_from_camera
    kind: str = "camera"
    is_live: bool = True
    reopens: bool = True
    is_screen: bool = True

    def frames(self) -> Iterator[Frame]:
        """Frames until the device goes away.

        Raises:
            DeviceError: it cannot be opened, or is gone; or PyAV is not installed.
        """
        for index, pixels in enumerate(self.pictures(self.device)):
            yield Frame(pixels, index, self.options.clock(), self.kind)


def open_camera_source(where: str, options: SourceOptions) -> CameraSource:
    """`camera:/dev/video0`; `camera` alone is the first device. One that is not there may be plugged in later.

    Raises:
        DeviceError: it is no device.
    """
    device = Path(where or DEFAULT_DEVICE)
    if device.exists() and not stat.S_ISCHR(device.stat().st_mode):
        raise DeviceError(
            f"{device} is no camera.", "Name the video grabber: camera:/dev/videoN (list them: ls /dev/video*)."
        )
    return CameraSource(device, options)
