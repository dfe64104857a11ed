"""The PIN of a page that is bound elsewhere than to loopback: few digits, so tries are what must be rare.

::

    PIN -> right: a session id (cookie)         wrong: counted for the address and for all -> locked, longer each time

Who guesses from many addresses can keep others from giving the PIN for up to an hour, but not from the sessions that
there are: to be locked out is the lesser harm.

In: a PIN file, tries with their address and time. Out: session ids. Nothing is written to a disk: a restart of the
service asks again.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
import stat
from collections.abc import Callable
from dataclasses import dataclass
from http.cookies import CookieError, SimpleCookie
from pathlib import Path

from edge.errors import UsageError
from edge.page.entrance import LOGIN, RawHeaders
from edge.page.replies import ReplyError

PIN = re.compile(r"[0-9]{4,12}")
COOKIE = "__Host-session"  # the prefix: browsers take it over TLS only, for this host and every path
SESSION_S = 12 * 3600.0  # a shift
MAX_SESSIONS = 64  # pages of one box; the oldest goes
TRIES = 5  # wrong ones an address has before it waits
TRIES_OF_ALL = 50  # wrong ones of all addresses together: an attacker has many addresses
LOCK_S = 60.0  # the first wait; each wrong try after it doubles it
MAX_LOCK_S = 3600.0  # 4 digits at one try an hour: 10,000 hours
MAX_ADDRESSES = 256  # that are remembered one by one; the limit of all holds beyond
OPEN_PATHS = (LOGIN, "/healthz", "/static/login.css")


def pin_from_file(path: Path) -> str:
    """Read a PIN.

    Args:
        path: a file of one line that nobody but its owner may read.

    Raises:
        UsageError: it cannot be read, others may read it, or it holds no 4 to 12 digits.
    """
    cure = f"Write 4 to 12 digits into it and run: chmod 600 {path}"
    try:
        mode = path.stat().st_mode
        text = path.read_text("ascii").strip() if stat.S_ISREG(mode) else ""
    except (OSError, ValueError) as error:
        raise UsageError(f"The PIN file {path} cannot be read.", cure) from error
    if mode & 0o077:
        raise UsageError(f"The PIN file {path} can be read by others.", cure)
    check_pin(text)
    return text


def check_pin(pin: str) -> None:
    """Whether it is one.

    Raises:
        UsageError: it is not 4 to 12 digits.
    """
    if PIN.fullmatch(pin) is None:
        raise UsageError("The PIN is not 4 to 12 digits.", "Write 4 to 12 digits into the PIN file.")


@dataclass
class Tries:
    """Wrong tries of one address.

    Attributes:
        wrong: how many since the last right one.
        locked_until_s: monotonic, seconds.
    """

    wrong: int = 0
    locked_until_s: float = 0.0

    def count(self, allowed: int, now_s: float) -> None:
        """One more wrong try."""
        self.wrong += 1
        if self.wrong >= allowed:
            doublings = min(self.wrong - allowed, 16)
            self.locked_until_s = now_s + min(LOCK_S * 2**doublings, MAX_LOCK_S)


class Doorkeeper:
    """Knows the PIN and who has shown it; used from one thread, the loop's."""

    def __init__(self, pin: str, clock: Callable[[], float]) -> None:
        """Nobody has a session yet.

        Args:
            pin: 4 to 12 digits.
            clock: monotonic, seconds.

        Raises:
            UsageError: it is no PIN.
        """
        check_pin(pin)
        self._salt = secrets.token_bytes(16)
        self._digest = self._hashed(pin)
        self._clock = clock
        self._sessions: dict[str, float] = {}
        self._tries: dict[str, Tries] = {}
        self._all = Tries()

    def check(self, path: str, headers: RawHeaders) -> None:
        """Let a request with a session in; the login page is for everybody.

        Raises:
            ReplyError: the PIN is asked for.
        """
        if path not in OPEN_PATHS and path != "/" and not self.knows(headers):
            raise ReplyError(401, UsageError("The PIN was not given.", "Open the page and give it.", "no_pin"))

    def knows(self, headers: RawHeaders) -> bool:
        """Whether a request carries a session that is not over."""
        now_s = self._clock()
        self._sessions = {session: end_s for session, end_s in self._sessions.items() if end_s > now_s}
        return any(session in self._sessions for session in _sessions_from_headers(headers))

    def session_from_pin(self, pin: str, address: str) -> str | None:
        """Try a PIN.

        Args:
            pin: as typed.
            address: of who tries.

        Returns:
            A session's id; None where the PIN is wrong.

        Raises:
            ReplyError: too many wrong tries; even a right one waits.
        """
        now_s = self._clock()
        tries = self._tries.get(address, Tries())
        wait_s = max(tries.locked_until_s, self._all.locked_until_s) - now_s
        if wait_s > 0:
            raise ReplyError(429, UsageError("Too many wrong PINs.", "Wait, then try again."), int(wait_s) + 1)
        if hmac.compare_digest(self._hashed(pin), self._digest):
            self._tries.pop(address, None)
            self._all = Tries()
            return self._new_session(now_s)
        tries.count(TRIES, now_s)
        self._all.count(TRIES_OF_ALL, now_s)
        self._tries.pop(address, None)
        self._tries[address] = tries
        while len(self._tries) > MAX_ADDRESSES:
            self._tries.pop(next(iter(self._tries)))
        return None

    def _new_session(self, now_s: float) -> str:
        while len(self._sessions) >= MAX_SESSIONS:
            self._sessions.pop(next(iter(self._sessions)))
        session = secrets.token_urlsafe(32)
        self._sessions[session] = now_s + SESSION_S
        return session

    def _hashed(self, pin: str) -> bytes:
        """Of one length for every PIN, so that a comparison tells nothing; scrypt would not save 4 digits in memory."""
        return hmac.new(self._salt, pin.encode(), hashlib.sha256).digest()


def _sessions_from_headers(headers: RawHeaders) -> list[str]:
    found = []
    for name, value in headers:
        if name == b"cookie":
            try:
                cookie = SimpleCookie(value.decode("latin-1"))
            except CookieError:
                continue
            found += [cookie[COOKIE].value] if COOKIE in cookie else []
    return found
