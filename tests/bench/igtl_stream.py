"""60 frames/s of 1024x768 over OpenIGTLink into `edge bridge igtl` and `edge serve`, and what strangers do between.

::

    pyigtl, then wrong CRCs, claims of 2^62 bytes, malformed messages, then the C++ library --> one bridge --> service

All goes through one bridge, so that the last stream shows that it still serves.
Every frame is accounted for: sent by the peer, received, sent on or dropped, and answered or dropped in the service.
"""

from __future__ import annotations

import json
import random
import socket
import statistics
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

from tests.bench.bridged import Counters, balance, bridged, counters, cpu_s, seconds_until
from tests.edge.serving import Serving
from tests.firmware_bridge.bridging import Bridging, bridging
from tests.firmware_bridge.igtl.senders import RATE_HZ, SIZE, compiled, patient, pictures, stream
from tests.firmware_bridge.igtl.strangers import closed_after_s, connected, flood
from tests.firmware_bridge.igtl.written import claiming, image_content, message

FULL_S, SMALL_S = 60, 2  # of each sender
FULL_BAD, SMALL_BAD = 100_000, 2_000
LONE = 10  # frames, each alone, for the bridge's lag
CLAIMS, WRONG = 20, 200
WRONG_SIZE = (256, 192)  # a picture that the plane check would take
FATES = ("sent", "dropped", "stale", "refused", "away", "unfit", "others")  # of an image in the bridge


def measured(small: bool) -> dict[str, Any]:
    """Two minutes of streams and 100,000 bad messages (some 5 minutes), or 4 s and 2,000."""
    seconds, bad = (SMALL_S, SMALL_BAD) if small else (FULL_S, FULL_BAD)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        program = compiled(folder)
        with bridged(folder) as service:
            before = counters(service)
            with bridging("igtl", "--listen", 0, "--socket", service.ready["socket"]) as bridge:
                figures = {
                    "frames": f"{RATE_HZ}/s, {SIZE[0]}x{SIZE[1]} gray",
                    "pyigtl": _pyigtl(service, bridge, seconds * RATE_HZ),
                    "strangers": _strangers(service, bridge.ready["port"], bad),
                    "cpp": _cpp(service, bridge, program, seconds * RATE_HZ),
                }
                bridge.process.terminate()
                counts = bridge.wait(lambda line: line["event"] == "ended")
            own = {name: counts[name] for name in (*FATES, "received", "damaged", "malformed", "broken", "stalled")}
            assert own["received"] == sum(own[name] for name in FATES), own
            assert counts["faults"] == 0
            assert own["damaged"] >= WRONG
            return {**figures, "bridge": own, "service": balance(service, before, own["sent"])}


def _pyigtl(service: Serving, bridge: Bridging, frames: int) -> dict[str, Any]:
    import pyigtl

    client = patient(pyigtl.OpenIGTLinkClient("127.0.0.1", bridge.ready["port"]))
    try:
        lags_ms = [_lone(service, pyigtl, client, number) for number in range(LONE)]
        start_s, begin = time.monotonic(), (cpu_s(bridge.process.pid), counters(service))
        stream(pyigtl, client, frames)
        seconds = time.monotonic() - start_s
        lag = {"p50": round(statistics.median(lags_ms), 1), "largest": round(max(lags_ms), 1)}
        return {**_figures(service, bridge, frames, seconds, *begin), "lag_ms": lag}
    finally:
        client.stop()


def _lone(service: Serving, pyigtl: Any, client: Any, number: int) -> float:
    """Milliseconds from the sender's call to the service having the frame, looked at each millisecond."""
    before, picture = counters(service).frames, pictures(count=8)[number % 8]
    start_s = time.monotonic()
    client.send_message(pyigtl.ImageMessage(picture, device_name="US"), wait=True)
    seconds_until(lambda: counters(service).frames > before, step_s=0.001)
    return 1e3 * (time.monotonic() - start_s)


def _cpp(service: Serving, bridge: Bridging, program: Path, frames: int) -> dict[str, Any]:
    begin = cpu_s(bridge.process.pid), counters(service)
    words = ("127.0.0.1", bridge.ready["port"], *SIZE, frames, RATE_HZ)
    done = subprocess.run([program, *map(str, words)], capture_output=True, text=True, check=True)
    told = json.loads(done.stdout)
    assert told["answer"]["ai_on"], told
    own = {"sender_cpu_ms_a_frame": round(told["cpu_ms"] / told["sent"], 2)}
    return {**_figures(service, bridge, told["sent"], told["seconds"], *begin), **own}


def _figures(
    service: Serving, bridge: Bridging, sent: int, seconds: float, cpu: float, before: Counters
) -> dict[str, Any]:
    """Of one stream; what is under way is counted at the end of the run."""
    time.sleep(0.2)
    now = counters(service)
    return {
        "sent": sent,
        "sent_per_s": round(sent / seconds, 1),
        "taken_by_the_service": now.frames - before.frames,
        "classified": now.ends["answers"] - before.ends["answers"],
        "dropped_in_the_service": now.ends["dropped_frames"] - before.ends["dropped_frames"],
        "latency_ms": now.latency_ms,
        "bridge_cpu_ms_a_frame": round(1e3 * (cpu_s(bridge.process.pid) - cpu) / sent, 2),
    }


def _wrong_delivered(service: Serving, port: int) -> int:
    """Send images that are right but for their CRC; how many frames the plane check was given meanwhile."""
    before = counters(service).frames
    wrong = message("IMAGE", image_content(*WRONG_SIZE, pixels=pictures(WRONG_SIZE, 1)[0].tobytes()), crc=3)
    for _ in range(WRONG // 10):  # the sixteenth in a row would end the connection
        with connected(port) as end:
            end.sendall(10 * wrong)
            end.shutdown(socket.SHUT_WR)
            closed_after_s(end)
    time.sleep(0.5)
    return counters(service).frames - before


def _strangers(service: Serving, port: int, bad: int) -> dict[str, Any]:
    """Wrong CRCs, claims and malformed messages."""
    delivered = _wrong_delivered(service, port)
    assert delivered == 0, "images with a wrong CRC were delivered"
    refused_ms = []
    for _ in range(CLAIMS):
        with connected(port) as end:
            end.sendall(claiming(1 << 62))
            refused_ms.append(1e3 * closed_after_s(end))
    start_s = time.monotonic()
    closed = flood(port, bad, random.Random(5))
    return {
        "wrong_crc": WRONG,
        "wrong_crc_delivered": delivered,
        "claims": CLAIMS,
        "claim_refused_ms": {"p50": round(statistics.median(refused_ms), 2), "largest": round(max(refused_ms), 2)},
        "bad_messages": bad,
        "connections_they_cost": closed,
        "seconds": round(time.monotonic() - start_s, 1),
    }
