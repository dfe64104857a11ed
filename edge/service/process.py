"""The inference child as a process: started with nothing but its two descriptors, ended for certain.

A fresh interpreter, not a fork: a fork would carry the service's threads' locks and its open store.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys

from edge.service.channel import Channel, channel_pair
from edge.service.child_settings import ChildSettings
from edge.service.frame_memory import FrameMemory, frame_memory
from edge.service.worker import MEMORY_EXIT

# Modules are looked for where this process finds them, and never in the working folder.
BOOT = "import sys; sys.path[:] = sys.argv[2:]; from edge.service.worker import main; main(sys.argv[1])"
REAP_S = 0.5  # a killed process is gone at once, unless a driver holds it; then init reaps it


class Process:
    """A started child.

    Attributes:
        pid: its number.
        channel: this side's end.
        memory: the slot, which no other child ever shares.
    """

    def __init__(self, process: subprocess.Popen[bytes], channel: Channel, memory: FrameMemory) -> None:
        self._process = process
        self.pid = process.pid
        self.channel = channel
        self.memory = memory

    def end(self, patience_s: float = 0.0) -> str:
        """Kill it if it runs, and free what it had.

        Args:
            patience_s: it may end by itself so long; a channel closes a moment before its process is gone.

        Returns:
            How it had ended by itself: "memory", "killed" (a signal), "exited"; "hung" where it had to be killed.
        """
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(patience_s)
        code = self._process.poll()
        if code is None:
            self._process.kill()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(REAP_S)
        self.channel.close()
        self.memory.close()
        if code is None:
            return "hung"
        return "memory" if code == MEMORY_EXIT else "killed" if code < 0 else "exited"


def process_from_settings(settings: ChildSettings) -> Process:
    """Start a child; it says "ready" or "failed" on its channel.

    Raises:
        OSError: the machine has no memory, process or descriptor left for it; nothing of it is left behind.
    """
    with contextlib.ExitStack() as undo:
        channel, other = channel_pair()
        undo.callback(channel.close)
        with other:
            memory = frame_memory(settings.slot_bytes)
            undo.callback(memory.close)
            process = _popen(settings, memory.descriptor, other.fileno())
        undo.pop_all()
    return Process(process, channel, memory)


def _popen(settings: ChildSettings, memory_fd: int, socket_fd: int) -> subprocess.Popen[bytes]:
    document = {
        "bundle": str(settings.bundle),
        "home": str(settings.home),
        "backend": settings.backend,
        "threads": settings.threads,
        "memory_bytes": settings.memory_bytes,
        "slot_bytes": settings.slot_bytes,
        "memory_fd": memory_fd,
        "socket_fd": socket_fd,
    }
    folders = [folder for folder in sys.path if folder]
    return subprocess.Popen(
        [sys.executable, "-c", BOOT, json.dumps(document), *folders],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,  # what there is to say comes through the channel
        pass_fds=(memory_fd, socket_fd),
        start_new_session=True,  # Ctrl-C is for the service, which ends its child itself
    )
