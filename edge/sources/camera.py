"""V4L2 device -> pictures, through PyAV's v4l2 input."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from edge.errors import DeviceError
from edge.packages import install_cure
from edge.sources.frame import check_size

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray


def pictures_from_camera(device: Path) -> Iterator[NDArray[np.uint8]]:
    """Pictures as the device gives them; blocks while there is no signal.

    Args:
        device: e.g. /dev/video0.

    Yields:
        (H,W,3) RGB.

    Raises:
        DeviceError: it cannot be opened, or is gone; or PyAV is not installed.
        ImageError: a frame size out of bounds.
    """
    try:
        import av
    except ImportError as error:
        raise DeviceError("A camera needs PyAV, which is not installed.", install_cure("video")) from error
    try:
        with av.open(str(device), format="v4l2") as container:
            for picture in container.decode(video=0):
                check_size(device, picture.width, picture.height)
                yield picture.to_ndarray(format="rgb24")
    except (av.FFmpegError, OSError) as error:
        raise DeviceError(
            f"The camera {device} gives no picture: {error.strerror}.",
            "Plug it in and check its name (ls /dev/video*), the signal, other programs, and the user's group: video.",
        ) from error
