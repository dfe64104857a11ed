"""Stills of a scanner through `edge bridge dicom` into `edge serve`: how many a second, and whether each arrives once.

::

    storescu (dcmtk) --C-STORE--> edge bridge dicom --spool, synced--> edge serve: edge_n, exam, store
                        1 and 8 associations; 200 idle and junk connections; kill -9 in the middle

Pictures are of calibration/samples, scaled to a gray screen of 800x600 with a banner, once to one of 1024x768 in RGB;
patients are made up. A rate is the count over storescu's own run, its start included, while the plane check classifies
on the same cores.
"""

from __future__ import annotations

import os
import random
import socket
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.bench.bridged import Serving, bridged, seconds_until
from tests.firmware_bridge.dicom.receiving import Receiving, bytes_from_object, receiving

SAMPLES = Path("calibration/samples/images")
WIDTH_PX, HEIGHT_PX = 800, 600
COLOUR_PX = (1024, 768)  # 2.4 MB
ASSOCIATIONS = 8
IDLE, JUNK, ECHOES = 200, 100, 20
LONGEST_S = 900.0
ACKNOWLEDGED = "DIMSE Status                  : 0x0000"  # as storescu -d says it
BOUNDS = {"images_per_s": 50, "lost": 0, "worst_echo_s": 0.5}


@dataclass(frozen=True)
class Sent:
    """Objects on the disk.

    Attributes:
        files: to push.
        names: that spool and exam give them.
    """

    files: list[Path]
    names: list[str]


def measured(is_small: bool) -> dict[str, Any]:
    """1,000 stills each way, or 40.

    Args:
        is_small: 40 stills; the full scale takes some five minutes.
    """
    count = 40 if is_small else 1000
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with sent(folder / "alone", count, 1) as objects, receiving(folder / "1", folder / "none.sock") as bridge:
            alone = {"images_per_s": pushed(bridge, objects, 1), "lost": count - len(there(bridge, objects))}
        with bridged(folder) as service:
            return {
                "stills": count,
                "screen": f"{WIDTH_PX}x{HEIGHT_PX}, 8 bits, uncompressed",
                "bounds": BOUNDS,
                "received_alone": alone,
                "one_association": _classified(folder, service, count, 1, 2),
                "eight_associations": _classified(folder, service, count, ASSOCIATIONS, 3),
                "colour": {"screen": "{}x{}, RGB, uncompressed".format(*COLOUR_PX)}
                | _classified(folder, service, count, 1, 6, COLOUR_PX),
                "killed": _killed(folder, service, count),
                "crowded": _crowded(folder, service),
                "load_at_the_end": round(os.getloadavg()[0], 1),
            }


def _classified(
    folder: Path, service: Serving, count: int, associations: int, seed: int, colour_px: tuple[int, int] | None = None
) -> dict[str, Any]:
    """Push; then wait until each was judged."""
    answered = service.view()["engine"]["answered"]
    with sent(folder / "sent", count, seed, colour_px) as objects, bridge_of(folder / str(seed), service) as bridge:
        start_s = time.monotonic()
        rate = pushed(bridge, objects, associations)
        figures = _settled(bridge, objects)
        seconds = time.monotonic() - start_s
    answered = service.view()["engine"]["answered"] - answered
    return {"images_per_s": rate, **figures, "answered": answered, "all_classified_s": round(seconds, 1)}


def _killed(folder: Path, service: Serving, count: int) -> dict[str, Any]:
    """kill -9 of the bridge in the middle; a new one must have all that was acknowledged; then the scanner repeats."""
    told: list[str] = []
    with sent(folder / "sent", count, 4) as objects:
        with bridge_of(folder / "4", service) as bridge:
            pushing = threading.Thread(target=lambda: told.append(_told(bridge, objects.files, "-d")))
            pushing.start()
            seconds_until(lambda: len(there(bridge, objects)) > count // 2, LONGEST_S)
            bridge.process.kill()
            pushing.join()
        acknowledged = told[0].count(ACKNOWLEDGED)
        with bridge_of(folder / "4", service) as bridge:
            missing = set(objects.names[:acknowledged]) - there(bridge, objects)
            pushed(bridge, objects, 1)
            figures = _settled(bridge, objects)
            counts = bridge.end()
        return {
            "acknowledged": acknowledged, "acknowledged_lost": len(missing), **figures,
            "known_when_repeated": counts["received"].get("known", 0), "damaged": counts["spool"]["damaged"],
        }  # fmt: skip


def _crowded(folder: Path, service: Serving) -> dict[str, Any]:
    """C-ECHO among idle sockets and junk that does not end."""
    rng, end = random.Random(0), threading.Event()
    with bridge_of(folder / "5", service) as bridge, ExitStack() as stack:

        def junk() -> None:
            for _ in range(JUNK):
                if end.wait(0.005):
                    return
                connection = stack.enter_context(socket.create_connection(("127.0.0.1", bridge.port), 5))
                connection.sendall(rng.randbytes(rng.randrange(1, 2000)))

        for _ in range(IDLE):
            stack.enter_context(socket.create_connection(("127.0.0.1", bridge.port), 5))
        thread = threading.Thread(target=junk)
        thread.start()
        echoes = [bridge.echo() for _ in range(ECHOES)]
        end.set()
        thread.join()
    assert [code for code, _ in echoes] == [0] * ECHOES
    seconds = sorted(seconds for _, seconds in echoes)
    figures = {"median_echo_s": round(seconds[len(seconds) // 2], 3), "worst_echo_s": round(seconds[-1], 3)}
    return {"idle_sockets": IDLE, "junk_connections": JUNK, "echoes": ECHOES, **figures}


def _settled(bridge: Receiving, objects: Sent) -> dict[str, Any]:
    """What became of each, by its name."""
    seconds_until(lambda: len(lines(bridge)) >= len(objects.names), LONGEST_S, 0.1)
    found = lines(bridge)
    names = Counter(line.split()[0] for line in found)
    lost = [name for name in objects.names if name not in names]
    twice = sum(count > 1 for count in names.values())
    return {"lost": len(lost), "twice": twice, "words": dict(Counter(line.split()[2] for line in found))}


def lines(bridge: Receiving) -> list[str]:
    """Of the log of what became of objects."""
    log = bridge.spool / "settled.log"
    return log.read_text().splitlines() if log.exists() else []


def there(bridge: Receiving, objects: Sent) -> set[str]:
    """Names of what waits in the spool or has left it for the plane check."""
    settled = {line.split()[0] for line in lines(bridge)}
    return settled | {head.name for head in bridge.heads_of(objects.names)}


def bridge_of(spool: Path, service: Serving) -> Any:
    """A bridge to a service."""
    return receiving(spool, Path(service.ready["socket"]))


def pushed(bridge: Receiving, objects: Sent, associations: int) -> float:
    """Images a second."""
    start_s = time.monotonic()
    threads = [
        threading.Thread(target=_told, args=(bridge, objects.files[first::associations]))
        for first in range(associations)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return round(len(objects.files) / (time.monotonic() - start_s), 1)


def _told(bridge: Receiving, files: Sequence[Path], *options: str) -> str:
    done = bridge.push(files, *options, seconds=LONGEST_S)
    return done.stdout + done.stderr


@contextmanager
def sent(folder: Path, count: int, seed: int, colour_px: tuple[int, int] | None = None) -> Iterator[Sent]:
    """Objects as files, for as long as the block runs; gray ones of 800x600, or RGB ones of another size."""
    import numpy as np
    from PIL import Image

    from firmware_bridge.dicom.received import name_from_uid
    from firmware_bridge.dicom.scanner import BANNER_PX, Pretended, object_from_pictures

    samples = sorted(SAMPLES.iterdir())
    width_px, height_px = colour_px or (WIDTH_PX, HEIGHT_PX)
    size = (width_px, height_px - BANNER_PX)
    with tempfile.TemporaryDirectory(dir=folder.parent) as name:
        files, names = [], []
        for number in range(count):
            with Image.open(samples[number % len(samples)]) as image:
                picture = np.asarray(image.convert("L").resize(size))
            made = object_from_pictures([picture], Pretended(f"SIM-{seed}", seed=seed), number)
            if colour_px:
                gray = np.frombuffer(made.PixelData, np.uint8)
                made.SamplesPerPixel, made.PlanarConfiguration, made.PhotometricInterpretation = 3, 0, "RGB"
                made.PixelData = gray.repeat(3).tobytes()
            files.append(Path(name) / f"{number}.dcm")
            files[-1].write_bytes(bytes_from_object(made))
            names.append(name_from_uid(made.SOPInstanceUID))
        yield Sent(files, names)
