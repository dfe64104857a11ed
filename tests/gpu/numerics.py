"""Is it right: every golden case and type on the device against float64, gradients, repeatability, graphs, threads."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import numpy as np
import torch

from compile.kernels.native_cuda import CudaKernel
from compile.kernels.torch_cuda import CudaScan
from edge.errors import EdgeError
from tests.compile.scan_call import Scan, scan_from_case, scan_from_operands
from tests.compile.scan_cases import ALL, CASES, SMALL, Case, check, gradients, operands
from tests.gpu.scans import STAGES, DeviceScan, on_device, stage_operands

Row = dict[str, object]
TYPES = [("float32",) * 3, ("float16",) * 3, ("int8", "int8", "float16"), ("int8",) * 3]
THREAD_LAUNCHES = 2000  # of each thread
WHOLE: list[Case] = [  # pairs of channels and of R: the tensor cores' kernels
    (2, 7, 5, 34, 6, 1, ALL),
    (1, 14, 14, 48, 24, 1, ALL),
    (1, 5, 4, 32, 48, 1, (0, 3)),
    (1, 3, 4, 16, 130, 1, (2, 1)),
    (3, 40, 33, 16, 2, 1, ALL),
]


def forward_rows(kernel: CudaKernel) -> Iterator[Row]:
    """One row a type: golden cases, every tactic, both layouts, VMamba-T's stages."""
    for types in TYPES:
        count, failures = 0, []
        for name, scan, tactic, layout in _scans(kernel, types):
            count += 1
            failure = _failure(kernel, scan, tactic, layout)
            if failure:
                failures.append(f"{name} tactic {tactic} {layout}: {failure}")
        yield {"what": f"forward {'-'.join(types)}", "cases": count, "failed": len(failures), "first": failures[:1]}


def gradient_row(kernel: CudaKernel) -> Row:
    """The six gradients of the small golden cases, and of a stage, against float64 autograd."""
    cases, failures, scan = [*SMALL, *WHOLE], [], CudaScan(kernel)
    for case in cases:
        tensors, routes = operands(*case), case[-1]
        upstream = torch.randn(tensors[0].shape, generator=torch.Generator().manual_seed(1))
        expected = gradients(tensors, routes, "last", upstream)
        got = scan.backward(upstream.cuda(), *(tensor.cuda() for tensor in tensors), routes, "last")
        for one, wanted in zip(got, expected, strict=True):
            try:
                check(one.cpu(), wanted, "gradient")
            except AssertionError as error:
                failures.append(f"{case}: {text_from_difference(error)}")
    return {"what": "gradients float32", "cases": len(cases), "failed": len(failures), "first": failures[:1]}


def repeat_row(kernel: CudaKernel) -> Row:
    """The same bits twice, forward and backward, at batch 16."""
    failures = []
    for side, d, _ in STAGES:
        tensors = [tensor.cuda() for tensor in stage_operands(side, d, 16)]
        scan = CudaScan(kernel)
        runs = [
            (
                scan.forward(tensors[0].half(), tensors[1].half(), *tensors[2:], ALL, "last"),
                *scan.backward(tensors[0], *tensors, ALL, "last"),
            )
            for _ in range(3)
        ]
        if not all(torch.equal(a, b) for run in runs[1:] for a, b in zip(runs[0], run, strict=True)):
            failures.append(f"{side}x{side}")
    return {"what": "same bits again", "cases": len(STAGES), "failed": len(failures), "first": failures[:1]}


def graph_row(kernel: CudaKernel) -> Row:
    """A recorded graph gives for new inputs what a launch gives, for one- and two-launch shapes."""
    failures, count = [], 0
    for tactic in range(kernel.tactics + 1):
        scan = on_device(kernel, scan_from_case(WHOLE[0], TYPES[1]), tactic)
        graph = torch.cuda.CUDAGraph()
        torch.cuda.synchronize()
        with torch.cuda.graph(graph):
            scan.launch()
        scan.tensors[0].mul_(-0.5)
        scan.launch()
        torch.cuda.synchronize()
        direct = scan.y.clone()
        scan.y.fill_(7)
        graph.replay()
        torch.cuda.synchronize()
        count += 1
        if not torch.equal(direct, scan.y):
            failures.append(f"tactic {tactic}")
    return {"what": "CUDA graph", "cases": count, "failed": len(failures), "first": failures[:1]}


def thread_row(kernel: CudaKernel) -> Row:
    """Two host threads that launch different stages at once, in every tactic, so in different shared memory."""
    sides = {side: d for side, d, _ in STAGES}
    scans = {side: scan_from_operands(stage_operands(side, sides[side], 2), ALL, TYPES[1]) for side in (28, 14)}
    works = [[on_device(kernel, scan, tactic) for tactic in range(kernel.tactics + 1)] for scan in scans.values()]
    torch.cuda.synchronize()
    start = Barrier(len(works), timeout=60)

    def launch(work: list[DeviceScan]) -> None:
        with torch.cuda.stream(torch.cuda.Stream()):
            start.wait()
            for turn in range(THREAD_LAUNCHES):
                work[turn % len(work)].launch()
            torch.cuda.current_stream().synchronize()

    failures = []
    with ThreadPoolExecutor(len(works)) as pool:
        for future in [pool.submit(launch, work) for work in works]:
            try:
                future.result()
            except EdgeError as error:
                failures.append(error.cause)
    for scan, work in zip(scans.values(), works, strict=True):
        for ran in work:
            try:
                check(ran.y.cpu().numpy(), scan.expected, scan.y_dtype, scan.scales[2])
            except AssertionError as error:
                failures.append(f"tactic {ran.params.tactic}: {text_from_difference(error)}")
    cases = sum(map(len, works))
    return {"what": "two host threads", "cases": cases, "failed": len(failures), "first": failures[:1]}


def _scans(kernel: CudaKernel, types: Sequence[str]) -> Iterator[tuple[str, Scan, int, str]]:
    """Name, scan, tactic, layout."""
    for case in [*CASES, *WHOLE]:
        yield str(case), scan_from_case(case, types), 0, "last"
    for case in (WHOLE[0], WHOLE[4], SMALL[5]):
        scan = scan_from_case(case, types)
        yield str(case), scan, 0, "first"
        for tactic in range(1, kernel.tactics + 1):
            yield str(case), scan, tactic, "last"
    for side, d, _ in STAGES:
        yield f"stage {side}", scan_from_operands(stage_operands(side, d, 2), ALL, types), 0, "last"


def _failure(kernel: CudaKernel, scan: Scan, tactic: int, layout: str) -> str:
    ran = on_device(kernel, scan, tactic, layout)
    ran.launch()
    torch.cuda.synchronize()
    got = ran.y.cpu().numpy()
    try:
        check(got if layout == "last" else np.moveaxis(got, 1, -1), scan.expected, scan.y_dtype, scan.scales[2])
    except AssertionError as error:
        return text_from_difference(error)
    return ""


def text_from_difference(error: Exception) -> str:
    """The largest difference, from numpy's many lines; else the first line."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return "; ".join([line for line in lines if "Max " in line or "Mismatched" in line] or lines[:1])[:200]
