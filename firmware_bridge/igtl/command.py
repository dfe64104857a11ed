"""`edge bridge igtl`: images of a research scanner over OpenIGTLink, until it is told to stop."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Optional

import typer

from edge.commands.config_file import ConfigFile, read_by
from edge.commands.terminal import AsJson
from firmware_bridge.igtl.settings import PORT

SOCKET = Annotated[Path, typer.Option(help="Unix socket of the plane check.")]
LISTEN = Annotated[
    Optional[Any],
    typer.Option(
        parser=read_by("firmware_bridge.igtl.settings:listening_from_text"),
        metavar="[HOST:]PORT",
        help=f"[HOST:]PORT to accept peers at, e.g. {PORT}: of this machine.",
    ),
]
CONNECT = Annotated[
    Optional[Any],
    typer.Option(
        parser=read_by("firmware_bridge.address:address_from_text"),
        metavar="HOST:PORT",
        help="HOST:PORT of a peer that is a server (PLUS, 3D Slicer).",
    ),
]
ALLOW = Annotated[
    Optional[list[Any]],
    typer.Option(
        parser=read_by("firmware_bridge.igtl.settings:network_from_text"),
        metavar="NETWORK",
        help="Address or network that may connect; may be given again.",
    ),
]
ROI = Annotated[
    Optional[Any],
    typer.Option(
        parser=read_by("edge.service.roi:roi_from_text"),
        metavar="X,Y,W,H",
        help="X,Y,W,H[@WxH]: what is kept of an image; default: all of it.",
    ),
]
DEVICE = Annotated[str, typer.Option(help="The only device name whose images count; default: the first that sends.")]
SCANNER = Annotated[str, typer.Option(help="Model of the scanner, where messages do not tell.")]
TIMEOUT = Annotated[float, typer.Option(min=0.1, help="Seconds for the rest of a message that has begun.")]


def igtl(
    socket: SOCKET,
    listen: LISTEN = None,
    connect: CONNECT = None,
    allow: ALLOW = None,
    roi: ROI = None,
    device: DEVICE = "",
    scanner: SCANNER = "",
    body_timeout: TIMEOUT = 5.0,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Take images over OpenIGTLink, and tell the peers the answers."""
    from firmware_bridge.igtl.bridge import IgtlBridge
    from firmware_bridge.igtl.settings import IgtlSettings
    from firmware_bridge.video.bridge_process import bridge_process, clock_s, wall_s

    settings = IgtlSettings(
        socket=socket,
        listen=listen,
        connect=connect,
        allowed=tuple(allow or ()),
        roi=roi,
        device=device,
        scanner=scanner,
        body_timeout_s=body_timeout,
    )
    with bridge_process("igtl", as_json) as (stop, screen):
        IgtlBridge(settings, clock_s, wall_s).run(stop, screen)
