"""A network without routes, and a watcher of every address that a program tries to reach.

python -m tests.edge.deploy.no_routes COMMAND...      runs a command where only the loopback is there
"""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import socket
import struct
import subprocess
import sys
from collections.abc import Mapping, Sequence
from functools import cache
from ipaddress import ip_address
from pathlib import Path

from tests.conftest import absent

SIOCSIFFLAGS = 0x8914  # <linux/sockios.h>
IFF_UP = 0x1  # <linux/if.h>
DNS_PORT = 53
CALLS = "connect,sendto,sendmsg,sendmmsg,bind"
ADDRESS = re.compile(
    r"sa_family=(?P<family>AF_\w+)"
    r"(?:, sin6?_port=htons\((?P<port>\d+)\))?"
    r"(?:.*?(?:inet_addr\(\"|inet_pton\(AF_INET6, \")(?P<host>[^\"]+)\")?"
)
NO_NETWORK = ("AF_UNIX", "AF_NETLINK", "AF_UNSPEC")  # this machine's own
# ONNX Runtime keeps silent on machines that build software: a run that shall prove something must not look like one.
BUILD_MACHINE = ("CI", "TF_BUILD", "GITHUB_ACTIONS", "GITLAB_CI", "TRAVIS", "JENKINS_URL", "ORT_DISABLE_TELEMETRY")


@cache
def isolated() -> tuple[str, ...]:
    """The words before a command that gives it a network namespace of its own, its loopback up."""
    for words in (("unshare", "--net"), ("unshare", "--map-root-user", "--net")):
        if (
            shutil.which("unshare")
            and subprocess.run([*words, "true"], capture_output=True, check=False).returncode == 0
        ):
            return (*words, sys.executable, str(Path(__file__)))
    return absent("no network namespace may be made here")


def watched(log: Path) -> tuple[str, ...]:
    """The words before a command that write down each of its network calls, its children's too.

    Args:
        log: where; read it with `outside`.
    """
    if shutil.which("strace") is None:
        absent("no strace (apt install strace)")
    return ("strace", "-f", "--seccomp-bpf", "-qq", "-s", "0", "-e", f"trace={CALLS}", "-o", str(log))


def outside(log: Path) -> list[str]:
    """The calls that named an address outside this machine, or asked for a name; refused ones count."""
    return [line for line in log.read_text("utf-8", errors="replace").splitlines() if _is_outside(line)]


def private_environment(home: Path) -> dict[str, str]:
    """This process's environment with another home, and without what tells a build machine."""
    kept = {name: value for name, value in os.environ.items() if name not in BUILD_MACHINE}
    return {**kept, "HOME": str(home), "XDG_CACHE_HOME": str(home / ".cache")}


def run_isolated(
    command: Sequence[str], log: Path, environment: Mapping[str, str], cwd: Path
) -> subprocess.CompletedProcess[str]:
    """Run a command to its end, without routes and watched."""
    words = [*isolated(), *watched(log), *command]
    return subprocess.run(words, capture_output=True, text=True, timeout=60, env=environment, cwd=cwd, check=False)


def _is_outside(line: str) -> bool:
    for found in ADDRESS.finditer(line):
        if found["family"] in NO_NETWORK:
            continue
        if int(found["port"] or 0) == DNS_PORT or found["host"] is None or not ip_address(found["host"]).is_loopback:
            return True
    return False


def _loopback_up() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as end:
        fcntl.ioctl(end, SIOCSIFFLAGS, struct.pack("16sh22x", b"lo", IFF_UP))


def main(command: Sequence[str]) -> None:
    """Become a command, in a network namespace that has been made for it or makes one first."""
    if __spec__ is not None:  # run as a module, by a person: the namespace is still to be made
        words = [*isolated(), *command]
        os.execvp(words[0], words)
    _loopback_up()
    os.execvp(command[0], command)


if __name__ == "__main__":
    main(sys.argv[1:])
