"""A scanner that pushes stills of one study with dcmtk's storescu, and repeats what was not acknowledged.

::

    sample images -> DICOM objects --storescu--> edge bridge dicom --> spool/settled.log: one word each
"""

from __future__ import annotations

import random
import socket
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edge.exam_keys import ExamKey
from firmware_bridge.dicom.scanner import BANNER_PX, Pretended, object_from_pictures, uid_from_seed
from tests.bench.dicom_receive import ACKNOWLEDGED, HEIGHT_PX, SAMPLES, WIDTH_PX
from tests.firmware_bridge.dicom.programs import tool
from tests.firmware_bridge.dicom.receiving import bytes_from_object, ran

WHO = Pretended("CART-1", "Whole^Cart", seed=6)
KEY = ExamKey(WHO.patient, uid_from_seed(WHO.seed, WHO.patient, "study"))
LONGEST_S = 60.0
RETRY_S = 0.2  # where nobody listens
IDLE, JUNK = 100, 50  # connections


@dataclass(frozen=True)
class Still:
    """An object on the scanner's disk.

    Attributes:
        file: to push.
        name: that spool and exam give it.
    """

    file: Path
    name: str


class Scanner:
    """One console: one push at a time.

    Attributes:
        acknowledged: names of the stills that the bridge said it has, in that order.
        pushes: of them.
        broken: pushes that did not end well.
    """

    def __init__(self, folder: Path, port: int, spool: Path) -> None:
        """Nothing is sent.

        Args:
            folder: for the objects.
            port: of the bridge.
            spool: of the bridge.
        """
        self.acknowledged: list[str] = []
        self.pushes = self.broken = 0
        self._folder, self._port, self._log = folder, port, spool / "settled.log"
        self._waiting: list[Still] = []
        self._made = 0
        self._turn = threading.Lock()
        self._samples = sorted(SAMPLES.iterdir())

    def push(self, count: int, on_acknowledged: Callable[[int], None] = lambda number: None) -> None:
        """Send new stills, and those that are still to be acknowledged, until all are.

        Args:
            count: of new ones.
            on_acknowledged: called with 1, 2, ... as the acknowledgements of the first try come.

        Raises:
            TimeoutError: the bridge does not come back.
        """
        with self._turn:
            self._waiting += [self._still() for _ in range(count)]
            end_s = time.monotonic() + LONGEST_S
            while self._waiting:
                if self._try(on_acknowledged):
                    time.sleep(RETRY_S)
                on_acknowledged = lambda number: None  # noqa: E731
                if time.monotonic() > end_s:
                    raise TimeoutError(f"{len(self._waiting)} stills were not acknowledged")

    def settled(self) -> dict[str, list[str]]:
        """What became of stills: their words, by name."""
        found: dict[str, list[str]] = {}
        with suppress(FileNotFoundError):
            for line in self._log.read_text().splitlines():
                name, _, word = line.split()
                found.setdefault(name, []).append(word)
        return found

    def is_settled(self) -> bool:
        """Whether the plane check has everything that was acknowledged."""
        return set(self.acknowledged) <= self.settled().keys()

    def figures(self) -> dict[str, Any]:
        """Acknowledged against settled."""
        settled = self.settled()
        mine = [settled.get(name, []) for name in self.acknowledged]
        return {
            "acknowledged": len(self.acknowledged),
            "settled": dict(Counter(words[0] for words in mine if words)),
            "not_settled": sum(not words for words in mine),
            "settled_twice": sum(len(words) > 1 for words in mine),
            "broken_pushes": self.broken,
        }

    def echo_s(self) -> float:
        """Seconds until a C-ECHO is answered; the bridge is up."""
        start_s = time.monotonic()
        done = ran(tool("echoscu"), "127.0.0.1", self._port)
        assert done.returncode == 0, done.stderr
        return time.monotonic() - start_s

    def crowd(self, stack: ExitStack, seed: int) -> None:
        """Strangers at the bridge's port, for as long as the stack is open."""
        rng = random.Random(seed)
        for number in range(IDLE + JUNK):
            connection = stack.enter_context(socket.create_connection(("127.0.0.1", self._port), 5))
            if number % 3 == 0 and number // 3 < JUNK:
                with suppress(OSError):  # it was thrown out already
                    connection.sendall(rng.randbytes(rng.randrange(1, 2000)))

    def _try(self, on_acknowledged: Callable[[int], None]) -> bool:
        """One push of all that waits; whether it broke."""
        command = [tool("storescu"), "-d", "127.0.0.1", str(self._port), *(str(still.file) for still in self._waiting)]
        count = 0
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
            assert process.stdout is not None
            for line in process.stdout:
                if ACKNOWLEDGED in line:
                    count += 1
                    on_acknowledged(count)
        self.pushes += 1
        self.broken += process.returncode != 0
        done, self._waiting = self._waiting[:count], self._waiting[count:]
        self.acknowledged += [still.name for still in done]
        for still in done:
            still.file.unlink()
        return process.returncode != 0

    def _still(self) -> Still:
        import numpy as np
        from PIL import Image

        from firmware_bridge.dicom.received import name_from_uid

        number = self._made
        self._made += 1
        with Image.open(self._samples[number % len(self._samples)]) as image:
            picture = np.asarray(image.convert("L").resize((WIDTH_PX, HEIGHT_PX - BANNER_PX)))
        made = object_from_pictures([picture], WHO, number)
        file = self._folder / f"{number}.dcm"
        file.write_bytes(bytes_from_object(made))
        return Still(file, name_from_uid(made.SOPInstanceUID))
