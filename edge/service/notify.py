"""Words to systemd: ready, alive, one line of state. Without systemd nothing is sent.

Source: sd_notify(3), sd_watchdog_enabled(3).
"""

from __future__ import annotations

import socket
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Notifier:
    """Sends datagrams to the socket that systemd names.

    Attributes:
        address: of NOTIFY_SOCKET: a path, or "@name" for an abstract one; "" sends nothing.
    """

    address: str

    def send(self, *lines: str) -> bool:
        """Send assignments, e.g. `send("READY=1", "STATUS=3 of 5 planes")`.

        Returns:
            Whether it was sent: a manager that is gone is no reason to stop an examination.
        """
        if not self.address:
            return False
        target = "\0" + self.address[1:] if self.address.startswith("@") else self.address
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as end:
            end.setblocking(False)
            try:
                end.sendto("\n".join(lines).encode(), target)
            except OSError:
                return False
        return True


def notifier_from_environment(environment: Mapping[str, str]) -> Notifier:
    """The manager that started this process, if one did."""
    return Notifier(environment.get("NOTIFY_SOCKET", ""))


def watchdog_from_environment(environment: Mapping[str, str], pid: int) -> float | None:
    """Seconds between two signs of life: a third of what systemd waits; None where it does not watch this process."""
    microseconds, watched = environment.get("WATCHDOG_USEC", ""), environment.get("WATCHDOG_PID", str(pid))
    return int(microseconds) / 3e6 if microseconds.isdecimal() and int(microseconds) and watched == str(pid) else None
