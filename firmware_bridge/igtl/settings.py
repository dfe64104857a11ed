"""What `edge bridge igtl` was asked for: texts of a command line or a config file in, checked values out."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import ip_address, ip_network
from pathlib import Path

from edge.errors import UsageError
from edge.service.roi import Roi
from firmware_bridge.address import Address, address_from_text
from firmware_bridge.igtl.link import BODY_TIMEOUT_S, Network

PORT = 18944  # of OpenIGTLink
LOOPBACK = "127.0.0.1"


@dataclass(frozen=True)
class IgtlSettings:
    """For one bridge.

    Attributes:
        socket: of the service.
        listen: host and port to accept peers at, or None.
        connect: host and port of a peer that is a server, or None.
        allowed: networks that may connect besides the loopback.
        roi: what is kept of an image; None: all of it.
        device: the only device name that counts; "" for any.
        scanner: model, where messages name none.
        body_timeout_s: for the rest of a message, seconds.
    """

    socket: Path
    listen: Address | None
    connect: Address | None
    allowed: tuple[Network, ...] = ()
    roi: Roi | None = None
    device: str = ""
    scanner: str = ""
    body_timeout_s: float = BODY_TIMEOUT_S

    def __post_init__(self) -> None:
        """Refuse what can mean nothing, or lets everybody in: OpenIGTLink knows no password and no encryption."""
        if self.listen is None and self.connect is None:
            raise UsageError("The bridge has no peer.", f"Give --listen {PORT}, or --connect HOST:PORT.")
        if self.listen is not None and not _is_loopback(self.listen[0]) and not self.allowed:
            raise UsageError(
                f"At {self.listen[0]} anybody on the network could send images.",
                "Say who may: --allow 192.168.7.20, or a network.",
            )


def listening_from_text(text: str) -> Address:
    """`[HOST:]PORT`; of this machine where no host is named.

    Raises:
        UsageError: it is none.
    """
    return address_from_text(text, LOOPBACK)


def network_from_text(text: str) -> Network:
    """`192.168.7.20` or `192.168.7.0/24`.

    Raises:
        UsageError: it is none.
    """
    try:
        return ip_network(text)
    except ValueError as error:
        raise UsageError(f"{text!r} is no network address.", "Give e.g. 192.168.7.0/24 or 192.168.7.20.") from error


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
