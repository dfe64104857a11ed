"""`edge bridge video`: a scanner's video output, until it is told to stop."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Optional

import typer

from edge.commands.terminal import AsJson

SOURCE = Annotated[str, typer.Argument(help="camera:/dev/video0, video:PATH, pipe:PATH or gst:PIPELINE.")]
SOCKET = Annotated[Path, typer.Option(help="Unix socket of the plane check.")]
ROI = Annotated[Optional[str], typer.Option(help="X,Y,W,H[@WxH]: what is kept of a frame; default: the fan.")]
STUCK = Annotated[float, typer.Option(min=1.0, help="Seconds after which a source that hangs ends the bridge.")]


def video(
    source: SOURCE,
    socket: SOCKET,
    roi: ROI = None,
    stuck: STUCK = 10.0,
    as_json: AsJson = False,
) -> None:
    """Hand the newest frames of a video over, cut to what may be kept."""
    from edge.service.roi import roi_from_text
    from firmware_bridge.video.bridge import VideoBridge, VideoSettings
    from firmware_bridge.video.bridge_process import bridge_process, clock_s

    settings = VideoSettings(source, socket, None if roi is None else roi_from_text(roi), stuck)
    with bridge_process("video", as_json) as (stop, screen):
        VideoBridge(settings, clock_s).run(stop, screen)
