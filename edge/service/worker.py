"""The inference child's own side: a bundle in, then frames in, predictions and maps out until the service goes away.

::

    confine -> open_session -> trial frames -> "ready" -> (frame | attention | ping)* -> end of the channel -> exit

Packages are imported inside functions: `confine` must come before numpy's threads.
"""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edge.service.confinement import NOT_ISOLATED, confine, forbid_descriptors

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from edge.errors import EdgeError
    from edge.service.frame_memory import FrameMemory
    from edge.session import Session

TRIALS = ((64, 64), (768, 1024, 3), (8, 8))  # gray, colour, refused: of the slot, which is still black
MEMORY_EXIT = 71  # exit code: out of memory; EX_OSERR of <sysexits.h>


def main(text: str) -> None:
    """Serve one service process.

    Args:
        text: JSON: bundle, home, backend, threads, memory_bytes, slot_bytes, memory_fd, socket_fd.
    """
    settings = json.loads(text)
    network = confine(settings["memory_bytes"])
    try:
        _serve(settings, network)
    except MemoryError:
        os._exit(MEMORY_EXIT)  # nothing is cleaned up: that would need memory


def _serve(settings: Mapping[str, Any], network: str) -> None:
    from edge.errors import EdgeError
    from edge.keyring import Keyring
    from edge.service.channel import Channel, ChannelClosed
    from edge.service.frame_memory import FrameMemory
    from edge.session import open_session

    channel = Channel(socket.socket(fileno=settings["socket_fd"]))
    memory = FrameMemory(settings["memory_fd"], settings["slot_bytes"], writable=False)
    try:
        with open_session(
            Path(settings["bundle"]),
            threads=settings["threads"],
            keyring=Keyring(Path(settings["home"])),
            backend=settings["backend"],
        ) as session:
            _try(session, memory)
            isolation = forbid_descriptors() if network == NOT_ISOLATED else network
            channel.send(_ready(session, isolation))
            while True:
                channel.send(_reply(session, memory, channel.receive(None) or {}))
    except ChannelClosed:
        return
    except EdgeError as error:
        channel.send({"kind": "failed", **_told(error)})


def _try(session: Session, memory: FrameMemory) -> None:
    """Answer frames of every kind: what is imported or allocated late is so now, and the first answer is fast."""
    for shape in TRIALS:
        _reply(session, memory, {"kind": "frame", "sequence": 0, "shape": shape})
    plane = session.manifest.planes[0].id
    _reply(session, memory, {"kind": "attention", "sequence": 0, "shape": TRIALS[0], "plane": plane})


def _ready(session: Session, network: str) -> dict[str, Any]:
    return {
        "kind": "ready",
        "digest": session.digest,
        "backend": session.backend,
        "notices": [[notice.en, notice.zh] for notice in session.notices],
        "network": network,
    }


def _reply(session: Session, memory: FrameMemory, message: Mapping[str, Any]) -> dict[str, Any]:
    from edge.errors import EdgeError, MachineError

    work = {"frame": _answer, "attention": _map}.get(str(message.get("kind")))
    if work is None:
        return {"kind": "pong"}
    sequence = message["sequence"]
    try:
        return {"sequence": sequence, **work(session, memory.view(message["shape"]), message)}
    except MachineError as error:
        raise MemoryError from error  # ONNX Runtime's own word for it
    except EdgeError as error:
        return {"kind": "refused", "sequence": sequence, **_told(error)}


def _told(error: EdgeError) -> dict[str, Any]:
    return {"cause": error.cause, "cure": error.cure, "exit_code": error.exit_code, "word": error.word}


def _answer(session: Session, frame: NDArray[np.uint8], message: Mapping[str, Any]) -> dict[str, Any]:
    from edge.service.answer import json_from_prediction

    return {"kind": "answer", "prediction": json_from_prediction(session.classify(frame))}


def _map(session: Session, frame: NDArray[np.uint8], message: Mapping[str, Any]) -> dict[str, Any]:
    from edge.service.attention_map import json_from_map

    return {"kind": "map", **json_from_map(session.small_map(frame, message["plane"]))}
