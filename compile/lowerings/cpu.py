"""The canonical Q/DQ file -> the form that ONNX Runtime turns into integer kernels, by ordered passes.

::

    integer_results -> full_range_after_relu -> unsigned_activations [-> seven_bit_weights] -> integer_biases
        [-> fused_norms -> fused_gelus -> fused_silus -> fused_sums -> fused_stem]

Gemm with u8 activations, s8 weights and s32 bias becomes QGemm with float result, Conv between Q/DQ QLinearConv. The
order matters: the ReLU pass must see int8 before it becomes uint8, biases are in units of the final scales.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from calibration.artifact import Artifact
from calibration.graph import drop_unused_constants, load_model, save_model
from calibration.table import Table, load_table
from compile.lowerings.fused_activations import fused_gelus, fused_silus
from compile.lowerings.fused_norms import fused_norms
from compile.lowerings.fused_stem import fused_stem
from compile.lowerings.fused_sums import fused_sums
from compile.lowerings.integer_bias import integer_biases
from compile.lowerings.integer_results import quantize_results
from compile.lowerings.seven_bits import seven_bit_weights
from compile.lowerings.unsigned import full_range_after_relu, unsigned_activations

if TYPE_CHECKING:
    from onnx import ModelProto


@dataclass(frozen=True)
class Pass:
    """One step of a lowering.

    Attributes:
        name: what it does.
        bound: by how much it may change the value of a tensor, against the graph before it.
        run: changes a model in place.
    """

    name: str
    bound: str
    run: Callable[[ModelProto, Table], None]


INTEGER_RESULTS = Pass(
    "integer_results",
    "half a step of each such result, amax / 254; beyond amax the rest is cut off",
    quantize_results,
)
FULL_RANGE_AFTER_RELU = Pass(
    "full_range_after_relu",
    "three quarters of a step before, amax / 169, and nearer to float: steps of amax / 255 in place of amax / 127",
    lambda model, table: full_range_after_relu(model),
)
UNSIGNED_ACTIVATIONS = Pass(
    "unsigned_activations", "0: the same grid", lambda model, table: unsigned_activations(model)
)
SEVEN_BIT_WEIGHTS = Pass(
    "seven_bit_weights",
    "half a step of each weight, its channel's amax / 126",
    lambda model, table: seven_bit_weights(model),
)
INTEGER_BIASES = Pass(
    "integer_biases",
    "half of (step of the activation * step of the weight)",
    lambda model, table: integer_biases(model),
)

FUSED_NORMS = Pass(
    "fused_norms",
    "one step, and that only where float rounding (1e-6 of the row's largest) crosses the middle of two codes",
    lambda model, table: fused_norms(model),
)
FUSED_GELUS = Pass(
    "fused_gelus",
    "1e-6 before the rounding: one step where that crosses the middle of two codes",
    lambda model, table: fused_gelus(model),
)
FUSED_SILUS = Pass("fused_silus", "float rounding: a table of all 256 codes", lambda model, table: fused_silus(model))
FUSED_SUMS = Pass(
    "fused_sums",
    "float rounding: one step where that crosses the middle of two codes",
    lambda model, table: fused_sums(model),
)
FUSED_STEM = Pass(
    "fused_stem",
    "float rounding: one step where that crosses the middle of two codes",
    lambda model, table: fused_stem(model),
)
FUSED = (FUSED_NORMS, FUSED_GELUS, FUSED_SILUS, FUSED_SUMS, FUSED_STEM)


def cpu_passes(reduce_range: bool, fused: bool = True) -> tuple[Pass, ...]:
    """The passes for a CPU, in their order.

    Args:
        reduce_range: the processor is x86 without VNNI.
        fused: operators of the native library, each with a local function for where it is missing.
    """
    weights = (SEVEN_BIT_WEIGHTS,) if reduce_range else ()
    return (
        INTEGER_RESULTS,
        FULL_RANGE_AFTER_RELU,
        UNSIGNED_ACTIVATIONS,
        *weights,
        INTEGER_BIASES,
        *(FUSED if fused else ()),
    )


def cpu_from_qdq(
    qdq: Artifact, table: Artifact, path: Path, reduce_range: bool = False, fused: bool = True
) -> Artifact:
    """Lower the canonical file for ONNX Runtime on a CPU.

    Args:
        qdq: from `qdq_from_onnx`.
        table: the same table.
        path: the ONNX file to write.
        reduce_range: the processor is x86 without VNNI.
        fused: see `cpu_passes`.

    Returns:
        An ONNX file that any ONNX Runtime runs; integer kernels from 1.17 on.

    Raises:
        InputError: the table lacks a tensor.
        ModelError: the graph cannot be read.
        MachineError: the file cannot be written.
    """
    model, ranges = load_model(qdq.path), load_table(table.path)
    for step in cpu_passes(reduce_range, fused):
        step.run(model, ranges)
    drop_unused_constants(model)
    return save_model(model, path, {"qdq": qdq.sha256, "table": table.sha256})
