"""`edge bridge video`: a scanner's video output, until it is told to stop."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Optional

import typer

from edge.commands.config_file import ConfigFile, checked_by, read_by
from edge.commands.terminal import AsJson

SOURCE = Annotated[
    str,
    typer.Argument(
        parser=checked_by("firmware_bridge.video.bridge:check_video"),
        help="camera:/dev/video0, video:PATH, pipe:PATH or gst:PIPELINE.",
    ),
]
SOCKET = Annotated[Path, typer.Option(help="Unix socket of the plane check.")]
ROI = Annotated[
    Optional[Any],
    typer.Option(
        parser=read_by("edge.service.roi:roi_from_text"),
        metavar="X,Y,W,H",
        help="X,Y,W,H[@WxH]: what is kept of a frame; default: the fan.",
    ),
]
STUCK = Annotated[float, typer.Option(min=1.0, help="Seconds after which a source that hangs ends the bridge.")]


def video(
    source: SOURCE,
    socket: SOCKET,
    roi: ROI = None,
    stuck: STUCK = 10.0,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Hand the newest frames of a video over, cut to what may be kept."""
    from firmware_bridge.video.bridge import VideoBridge, VideoSettings
    from firmware_bridge.video.bridge_process import bridge_process, clock_s

    settings = VideoSettings(source, socket, roi, stuck)
    with bridge_process("video", as_json) as (stop, screen):
        VideoBridge(settings, clock_s).run(stop, screen)
