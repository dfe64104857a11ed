"""A source whose frames come over the local API: a bridge, in a process of its own, sends them.

It gives no frame itself; what it is there for is the signal (`edge.service.bridge_reader`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from edge.errors import UsageError
from edge.service.frame import Frame
from edge.service.own_source import OwnSource
from edge.service.source_options import SourceOptions

NAME = re.compile(r"[a-z]{0,16}")  # as X-Source, or "" for every bridge
STILLS = ("dicom",)  # bridges whose pictures come when somebody sends one: a pause is no lost signal


@dataclass(frozen=True)
class BridgeSource(OwnSource):
    """What bridges send.

    Attributes:
        name: X-Source of the bridge whose frames and words count for the signal; "" for every one.
    """

    name: str
    kind: str = "bridge"
    reopens: bool = False
    is_screen: bool = False

    @property
    def is_live(self) -> bool:
        """Whether a pause is a lost signal."""
        return self.name not in STILLS

    def is_of(self, source: str) -> bool:
        """Whether a bridge's frames and words count."""
        return self.name in ("", source)

    def frames(self) -> Iterator[Frame]:
        """None: they come over the socket."""
        return iter(())


def open_bridge_source(where: str, options: SourceOptions) -> BridgeSource:
    """`bridge`, or `bridge:NAME`.

    Raises:
        UsageError: that is no name of a bridge, or a region is given: nothing here cuts a bridge's frames to it.
    """
    if NAME.fullmatch(where) is None:
        raise UsageError(f"{where!r} is no name of a bridge.", "Write bridge, or bridge:video.")
    if options.is_whole:
        raise UsageError(
            "A region is of the service's own source, and its frames come from a bridge, which cuts them.",
            "Give --roi to the bridge (edge bridge video|igtl --roi), and leave it out here.",
        )
    return BridgeSource(where)
