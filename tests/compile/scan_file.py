"""The files of scan_driver.c: golden cases in, what the kernel made of them out."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from compile.kernels.native import DTYPES
from tests.compile.scan_call import Scan, scan_from_case
from tests.compile.scan_cases import MIXES, SMALL, check, gradients

DRIVER = Path(__file__).with_name("scan_driver.c")


@dataclass(frozen=True)
class Record:
    """One case: a forward pass, and a backward pass where there is a gradient of y (float32, channels last)."""

    scan: Scan
    layout: str = "last"
    upstream: Tensor | None = None


def golden_records() -> list[Record]:
    """Every small golden case, with mixes of types dealt to them, in both layouts; gradients in float32."""
    records = []
    for number, case in enumerate(SMALL):
        upstream = torch.randn(case[:4], generator=torch.Generator().manual_seed(number))
        for turn in range(3):
            dtypes = MIXES[(3 * number + turn) % len(MIXES)]
            layout = ("last", "first")[(number + turn) % 2]
            records.append(Record(scan_from_case(case, dtypes), layout))
        records.append(Record(scan_from_case(case), "last", upstream))
    return records


def save_records(records: Sequence[Record], path: Path) -> None:
    """Write what the driver reads."""
    with path.open("wb") as file:
        for record in records:
            file.writelines(_parts(record))


def check_results(records: Sequence[Record], path: Path) -> None:
    """Assert that what the driver wrote is the truth."""
    content = memoryview(path.read_bytes())
    for record in records:
        scan, shape = record.scan, _map_shape(record, record.scan.expected.shape)
        y, content = _taken(content, shape, scan.y_dtype)
        check(y if record.layout == "last" else np.moveaxis(y, 1, -1), scan.expected, scan.y_dtype, scan.scales[2])
        if record.upstream is not None:
            expected = gradients(scan.tensors, scan.routes, "last", record.upstream)
            for tensor, wanted in zip(scan.tensors, expected, strict=True):
                got, content = _taken(content, tensor.shape, "float32")
                check(got, wanted, "gradient")
    assert not content


def _parts(record: Record) -> Iterator[bytes]:
    scan, (u, x_dbl, *weights) = record.scan, record.scan.tensors
    sizes = (*u.shape, weights[2].shape[2], weights[0].shape[2], len(scan.routes))
    dtypes = [DTYPES[name] for name in (*(str(map_.dtype).removeprefix("torch.") for map_ in (u, x_dbl)), scan.y_dtype)]
    flags = (record.layout == "first", record.upstream is not None)
    yield struct.pack("<12i3f", *sizes, *dtypes, *flags, *scan.scales)
    yield np.array(scan.routes, "<i4").tobytes()
    for map_ in (u, x_dbl):
        yield (map_ if record.layout == "last" else map_.permute(0, 3, 1, 2)).contiguous().numpy().tobytes()
    for tensor in (*weights, *([record.upstream] if record.upstream is not None else [])):
        yield tensor.contiguous().numpy().tobytes()


def _map_shape(record: Record, shape: Sequence[int]) -> tuple[int, ...]:
    batch, height, width, channels = shape
    return (batch, height, width, channels) if record.layout == "last" else (batch, channels, height, width)


def _taken(content: memoryview, shape: Sequence[int], dtype: str) -> tuple[NDArray[np.generic], memoryview]:
    """An array off the front, and the rest."""
    count = int(np.prod(shape))
    end = count * np.dtype(dtype).itemsize
    return np.frombuffer(content[:end], dtype).reshape(shape), content[end:]
