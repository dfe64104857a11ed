"""A bad wire: one frame in ten is hurt, in one of five ways. Drawn from a seed."""

from __future__ import annotations

import random

SHARE = 0.1


class BadWire:
    """Hurts frames as they pass.

    Attributes:
        passed: frames that came, damaged or not.
        hurt: of them, damaged.
    """

    def __init__(self, seed: int, share: float = SHARE) -> None:
        self.passed = self.hurt = 0
        self._random = random.Random(seed)
        self._share = share

    def pass_on(self, data: bytes) -> bytes:
        """Whole frames in, what arrives out."""
        *frames, rest = data.split(b"\0")
        assert rest == b"", "a frame was cut by the writer"
        return b"".join(self._one(frame + b"\0") for frame in frames)

    def _one(self, frame: bytes) -> bytes:
        self.passed += 1
        if self._random.random() >= self._share:
            return frame
        self.hurt += 1
        place = self._random.randrange(len(frame))
        kind = self._random.choice(("flip", "drop", "insert", "truncate", "garbage"))
        if kind == "flip":
            hurt = bytearray(frame)
            hurt[place] ^= 1 << self._random.randrange(8)
            return bytes(hurt)
        if kind == "drop":
            return frame[:place] + frame[place + 1 :]
        if kind == "insert":
            return frame[:place] + self._random.randbytes(1) + frame[place:]
        if kind == "truncate":
            return frame[:place]
        return self._random.randbytes(self._random.randrange(1, 200)) + frame
