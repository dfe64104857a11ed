"""HOST:PORT of a peer, as typed or in a config file."""

from __future__ import annotations

from edge.errors import UsageError

Address = tuple[str, int]


def address_from_text(text: str, host: str = "") -> Address:
    """`HOST:PORT`, `[IPV6]:PORT`, and `PORT` where there is a usual host.

    Args:
        text: as typed.
        host: the usual one, or "".

    Raises:
        UsageError: it is none.
    """
    named, _, port = text.rpartition(":")
    named = named.removeprefix("[").removesuffix("]") or host
    is_port = port.isascii() and port.isdecimal() and len(port) < 6 and int(port) < 1 << 16
    if not named or not is_port or not can_be_asked_for(named):
        alone = f", or PORT alone for {host}" if host else ""
        raise UsageError(f"{text!r} is no address.", f"Write HOST:PORT, e.g. 192.168.7.20:7000{alone}.")
    return named, int(port)


def can_be_asked_for(host: str) -> bool:
    """Whether a name server can be asked: what it cannot be asked for raises no OSError, only later.

    Args:
        host: name or address.
    """
    try:
        host.encode("idna")
    except UnicodeError:
        return False
    return True
