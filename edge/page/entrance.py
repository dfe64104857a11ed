"""Who may come in: the rules of one transport over a request's head, without I/O.

::

    TCP     Host: a name of this box?  Origin, Sec-Fetch-Site: this very page?  POST: the token?      else refused
    socket  Host: localhost?  no Origin, no Sec-Fetch-*, no Cookie: never a browser behind a relay    else refused

Loopback is no boundary for a browser: any page that is open on the same machine can send to it, and a name that
resolves to 127.0.0.1 after it was loaded (DNS rebinding) makes that page's own origin of it. So the names are a list.

In: method, path and headers. Out: nothing, or why it is refused.
Source: RFC 9110 section 7.2 (Host); WHATWG Fetch (Origin); W3C Fetch Metadata (Sec-Fetch-Site).
"""

from __future__ import annotations

import hmac
import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass, field

from edge.errors import UsageError
from edge.page.replies import ReplyError

METHODS = ("GET", "HEAD", "POST")
LOOPBACK_NAMES = ("127.0.0.1", "localhost", "[::1]")
LOGIN = "/login"  # the one POST without the token, which its page does not know yet; Origin is asked for instead
RawHeaders = Sequence[tuple[bytes, bytes]]


@dataclass(frozen=True)
class Entrance:
    """One transport.

    Attributes:
        scheme: "http" or "https"; of the Unix socket "http".
        names: lower-case host names of this box that a request may be for; IPv6 in brackets.
        port: that was bound; 0 for the Unix socket.
        token: every POST over TCP carries it; fresh with each start.
        is_socket: the Unix socket; its file's permissions are the boundary.
        any_address: a name that is an IP address is taken as well: bound to all addresses, which no list can hold, and
            rebinding needs a name.
    """

    scheme: str
    names: tuple[str, ...]
    port: int
    token: str = field(repr=False)
    is_socket: bool = False
    any_address: bool = False

    def check(self, method: str, path: str, headers: RawHeaders) -> None:
        """Let a request in or not.

        Args:
            method: as sent.
            path: without the query.
            headers: lower-case names.

        Raises:
            ReplyError: it is refused.
        """
        if method not in METHODS:
            raise ReplyError(405, UsageError("The API takes GET, HEAD and POST.", "Use one of them."))
        host = self._checked_host(headers)
        if self.is_socket:
            _check_no_browser(headers)
        else:
            self._check_origin(method, path, host, headers)

    def _checked_host(self, headers: RawHeaders) -> str:
        host = (_only(headers, b"host") or b"").decode("latin-1").lower()
        name, port = _split(host)
        known = name in self.names or (self.any_address and _is_address(name))
        default = {"http": 80, "https": 443}[self.scheme]
        fits = port is None if self.is_socket else (default if port is None else port) == self.port
        if not (known and fits):
            where = "http://localhost" if self.is_socket else f"{self.scheme}://{self.names[0]}:{self.port}"
            raise _forbidden("The request's Host is no name of this box.", f"Use {where}.")
        return host

    def _check_origin(self, method: str, path: str, host: str, headers: RawHeaders) -> None:
        origin, site = _only(headers, b"origin"), _only(headers, b"sec-fetch-site")
        if origin is not None and origin.decode("latin-1").lower() != f"{self.scheme}://{host}":
            raise _forbidden("The request comes from another page.", "Open the plane check's own page.")
        is_opened = method == "GET" and path == "/" and _only(headers, b"sec-fetch-mode") == b"navigate"
        if site not in (None, b"same-origin", b"none") and not is_opened:
            raise _forbidden("The request comes from another page.", "Open the plane check's own page.")
        if method != "POST":
            return
        if path == LOGIN:
            if origin is None:
                raise _forbidden("The request has no Origin.", "Open the plane check's own page.")
        elif not hmac.compare_digest(_only(headers, b"x-token") or b"", self.token.encode()):
            raise _forbidden("The request has not this start's token.", "Load the page again.")


def _check_no_browser(headers: RawHeaders) -> None:
    """A relay could carry a browser's request here, past the rules of TCP; programs do not send these headers."""
    if any(name in (b"origin", b"cookie", b"referer") or name.startswith(b"sec-") for name, _ in headers):
        raise _forbidden("The socket is for programs; this request comes from a browser.", "Use the page's address.")


def _only(headers: RawHeaders, name: bytes) -> bytes | None:
    """The value of a header that may stand once."""
    values = [value for key, value in headers if key == name]
    if len(values) > 1:
        raise ReplyError(400, UsageError(f"The header {name.decode()} stands there twice.", "Send it once."))
    return values[0] if values else None


def _split(host: str) -> tuple[str, int | None]:
    """Name and port of a Host; a port that is none gives -1, which fits nothing."""
    name, colon, port = host.rpartition(":")
    if not colon or host.endswith("]"):
        return host, None
    return name, int(port) if port.isascii() and port.isdigit() and len(port) <= 5 else -1


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name.removeprefix("[").removesuffix("]"))
    except ValueError:
        return False
    return True


def _forbidden(cause: str, cure: str) -> ReplyError:
    return ReplyError(403, UsageError(cause, cure, "page_refused"))
