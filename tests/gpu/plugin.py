"""Does the TensorRT plugin work on the device: its enqueue, opened with dlopen as TensorRT does, without TensorRT.

The harness of tests/compile records each enqueue into a CUDA graph and launches that twice.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from tests.compile.scan_cases import SMALL, check
from tests.gpu.numerics import WHOLE, Row, text_from_difference

if TYPE_CHECKING:
    import numpy as np

    from tests.compile.plugin_harness import Array, Harness, Job


def plugin_rows(folder: Path) -> Iterator[Row]:
    """One row a combination of types: cases, both layouts, every tactic, and what TensorRT calls besides."""
    if not importlib.util.find_spec("pytest"):
        yield {"what": "plugin", "not_run": "no pytest, which the harness imports"}
        return
    import pytest

    from tests.compile.plugin_harness import plugin_harness
    from tests.compile.test_plugin import COMBINATIONS

    try:
        harness = plugin_harness(folder, on_gpu=True)
    except pytest.skip.Exception as skipped:  # no TensorRT headers
        yield {"what": "plugin", "not_run": str(skipped)}
        return
    for types in COMBINATIONS:
        count, failures = 0, []
        for name, call, job, truth in _calls(harness, types):
            count += 1
            try:
                check(call(job), truth, job.y_dtype, job.scales[2] or 1.0)
            except (AssertionError, ValueError) as error:
                failures.append(f"{name}: {text_from_difference(error)}")
        yield {"what": f"enqueue {'-'.join(types)}", "cases": count, "failed": len(failures), "first": failures[:1]}


def _calls(harness: Harness, types: tuple[str, str]) -> Iterator[tuple[str, Callable[[Job], Array], Job, np.ndarray]]:
    """Name, function of the harness, scan, truth."""
    from tests.compile.test_plugin import job_of

    for case in [*SMALL, *WHOLE]:
        job, truth = job_of(case, *types)
        yield f"{case}", harness.forward, job, truth
    job, truth = job_of(WHOLE[0], *types, layout="first")
    yield f"{WHOLE[0]} first", harness.forward, job, truth
    job, truth = job_of(WHOLE[0], *types)
    for tactic in range(1, harness.tactics(job) + 1):
        yield f"{WHOLE[0]} tactic {tactic}", harness.forward, replace(job, tactic=tactic), truth
    yield f"{WHOLE[0]} check", harness.check, job, truth
