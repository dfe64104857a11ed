"""How the inference child is started and how long it may take; every limit with its reason."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from edge.service.frame_memory import SLOT_BYTES

# Measured with edge_n INT8, ONNX Runtime 1.31, 2 threads: 180 MB of private memory after 1024x768 frames, 355 MB at the
# peak of a 4K RGB frame. Three times that: a larger network fits, a leak ends the child and not the machine.
MEMORY_BYTES = 1 << 30
FRAME_TIMEOUT_S = 0.75  # edge_n answers in 20 ms on a loaded core; with a start of 0.6 s the service is back within 2 s
USUAL_PIXELS = 1920 * 1080  # up to here the time-out holds as it stands
EXTRA_S_PER_MEGAPIXEL = 0.2  # a new child's first 4K colour frame takes 0.6 s on a loaded core (0.33 s of CPU)
HEARTBEAT_S = 0.5  # without a frame for so long the child is asked whether it lives
START_TIMEOUT_S = 60.0  # a TensorRT plan loads in some seconds; building one is another command
STABLE_S = 10.0  # a child that answered for so long was well: its death is not part of a series
BACKOFF_S = (0.0, 0.0, 0.0, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0)  # before the 1st, 2nd ... restart of a series


@dataclass(frozen=True)
class ChildSettings:
    """For one inference child.

    Attributes:
        bundle: the .edge file.
        home: the keyring's folder.
        digest: of the expected bundle, hexadecimal: no exam goes on with a file that was exchanged meanwhile; "": any.
        backend: as of `edge.session.open_session`.
        threads: of the engine.
        memory_bytes: limit of private writable memory.
        slot_bytes: of the largest frame.
        frame_timeout_s: for one answer to a frame of at most USUAL_PIXELS.
        start_timeout_s: from the start of the process to its readiness.
    """

    bundle: Path
    home: Path
    digest: str = ""
    backend: str = "auto"
    threads: int = 2
    memory_bytes: int = MEMORY_BYTES
    slot_bytes: int = SLOT_BYTES
    frame_timeout_s: float = FRAME_TIMEOUT_S
    start_timeout_s: float = START_TIMEOUT_S

    def timeout_s(self, pixels: int) -> float:
        """Seconds for the answer to a frame of so many pixels, H * W."""
        return self.frame_timeout_s + EXTRA_S_PER_MEGAPIXEL * max(0, pixels - USUAL_PIXELS) / 1e6


def backoff_s(deaths: int) -> float:
    """Seconds to wait before the next start.

    Args:
        deaths: of the series so far, at least 1.
    """
    return BACKOFF_S[min(deaths, len(BACKOFF_S)) - 1]
