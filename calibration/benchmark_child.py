"""The process of one benchmarked file: a question a line in, its answer out.

::

    run -> latency of one run, ms      peak -> peak memory, 10^6 bytes      notices -> what the engine has to say
"""

from __future__ import annotations

import json
import re
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge.errors import EdgeError, ModelError
from edge.keyring import Keyring


def main() -> None:
    """Serve questions until the parent leaves."""
    file, threads, size_px, home = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), Path(sys.argv[4])
    try:
        run, notices = runner_from_file(file, threads, size_px, Keyring(home))
    except EdgeError as error:
        _say_error(error)
        return
    answers: dict[str, Callable[[], object]] = {
        "run": lambda: _milliseconds(run),
        "peak": peak_mb,
        "notices": lambda: notices,
    }
    for line in sys.stdin:
        try:
            _say({"value": answers[line.strip()]()})
        except EdgeError as error:
            _say_error(error)
            return


def runner_from_file(
    file: Path, threads: int, size_px: int, keyring: Keyring
) -> tuple[Callable[[], object], tuple[str, ...]]:
    """One run of a file's network on a fixed input, batch 1; and what a person must be told about its engine.

    Raises:
        EdgeError: the file cannot be opened.
    """
    rng = np.random.default_rng(0)
    if file.suffix == ".edge":
        from edge.session import open_session

        session = open_session(file, threads=threads, keyring=keyring)
        preprocess = session.manifest.preprocess
        shape = (1, preprocess.channels, preprocess.size_px, preprocess.size_px)
        x = rng.standard_normal(shape).astype(np.float32)
        return lambda: session.logits(x), tuple(notice.en for notice in session.notices)
    engine = session_from_file(file, threads)
    given = engine.get_inputs()[0]
    sides = [side if isinstance(side, int) else (1 if axis == 0 else size_px) for axis, side in enumerate(given.shape)]
    x = rng.standard_normal(sides).astype(np.float32)
    return lambda: _answered(engine, file, given.name, x), ()


def _answered(engine: Any, file: Path, name: str, x: NDArray[np.float32]) -> None:
    try:
        engine.run(None, {name: x})
    except Exception as error:  # ORT's exceptions share no base below Exception
        first_line = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise ModelError(
            f"{file} does not answer one image: {first_line[:300]}",
            "Give a classifier with one float32 input, or --size.",
        ) from error


def _milliseconds(run: Callable[[], object]) -> float:
    started = time.perf_counter()
    run()
    return (time.perf_counter() - started) * 1e3


def peak_mb() -> float:
    """Largest resident memory of this process so far, 10^6 bytes.

    Source: proc(5), VmHWM; the ru_maxrss of getrusage(2) begins with the parent's, since exec keeps it.
    """
    status = Path("/proc/self/status").read_text()
    return int(re.findall(r"VmHWM:\s*(\d+) kB", status)[0]) * 1024 / 1e6


def session_from_file(file: Path, threads: int) -> Any:
    """A plain ONNX Runtime session with the settings of the device's backend, for anybody's graph.

    Raises:
        ModelError: ONNX Runtime refuses the file.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    try:
        return onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # ORT's exceptions share no base below Exception
        first_line = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise ModelError(
            f"ONNX Runtime cannot load {file}: {first_line[:300]}", "Give a bundle or an ONNX file."
        ) from error


def _say_error(error: EdgeError) -> None:
    _say({"error": type(error).__name__, "cause": error.cause, "cure": error.cure})


def _say(document: dict[str, object]) -> None:
    sys.stdout.write(json.dumps(document) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
