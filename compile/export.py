"""A torch classifier -> the canonical FP32 ONNX file.

::

    module --torch.export--> graph --canonical_from_model--> 2-D Gemm, folded BatchNormalization --+--> file
                                     SelectiveScan2D nodes + the model-local function -------------+
                                     ModelSpec in metadata_props ----------------------------------+
"""

from __future__ import annotations

import logging
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

from calibration.artifact import Artifact
from calibration.graph import save_model
from compile.canonical import canonical_from_model
from compile.model.spec import METADATA_KEY, ModelSpec, json_from_spec
from compile.onnx_function import (
    DOMAIN,
    DOMAIN_VERSION,
    IR_VERSION,
    OP_TYPE,
    OPSET,
    PLUGIN_ATTRIBUTES,
    selective_scan_function,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    import onnx
    from torch import nn

INPUT, LOGITS, FEATURES = "frame", "logits", "features"


def onnx_from_student(model: nn.Module, spec: ModelSpec, path: Path, source_sha256: str = "") -> Artifact:
    """Export a classifier.

    Args:
        model: takes (B,C,S,S) float32, returns logits (B,classes), or logits and features (B,h,w,D).
        spec: travels in the file; its preprocessing gives C and S.
        path: the ONNX file to write.
        source_sha256: digest of the weights' file, where there is one.

    Returns:
        The file: input `frame` (batch,C,S,S), outputs `logits` and, where the module gives them, `features`.

    Raises:
        ModelError: the graph is not valid ONNX.
        MachineError: the file cannot be written.
    """
    from onnx import helper

    exported = canonical_from_model(_exported(model, spec))
    opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid(DOMAIN, DOMAIN_VERSION)]
    result = helper.make_model(
        exported.graph,
        opset_imports=opsets,
        functions=[selective_scan_function()],
        ir_version=IR_VERSION,
        producer_name="vmamba-edge",
    )
    result.graph.name = spec.name
    helper.set_model_props(result, {METADATA_KEY: json_from_spec(spec)})
    return save_model(result, path, {"weights": source_sha256} if source_sha256 else {})


def _exported(model: nn.Module, spec: ModelSpec) -> onnx.ModelProto:
    import torch

    from compile.kernels.torch_scan import selective_scan_2d

    pixels = spec.preprocess.size_px
    example = torch.zeros(2, spec.preprocess.channels, pixels, pixels)  # torch.export would fix a batch of one
    training = model.training
    exporter_log = logging.getLogger("torch.onnx._internal.exporter._registration")
    level = exporter_log.level
    exporter_log.setLevel(logging.ERROR)  # it warns of every torchvision operator that it could have known
    model.eval()
    try:
        with torch.no_grad(), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch deprecates its own helpers while it exports
            outputs = [LOGITS, FEATURES] if isinstance(model(example[:1]), tuple) else [LOGITS]
            program = torch.onnx.export(
                model,
                (example,),
                dynamo=True,
                verbose=False,
                opset_version=OPSET,
                input_names=[INPUT],
                output_names=outputs,
                dynamic_shapes=({0: torch.export.Dim("batch", min=1)},),
                custom_translation_table={selective_scan_2d._opoverload: _translation()},
            )
    finally:
        model.train(training)
        exporter_log.setLevel(level)
    assert program is not None  # a dynamo export without a path returns its program
    return program.model_proto


def _translation() -> Callable[..., Any]:
    """How the exporter writes torch.ops.vmamba.selective_scan_2d: one node, with the attributes TensorRT asks for."""
    from onnx.defs import OpSchema
    from onnxscript import values

    names = ("u", "x_dbl", "dt_weight", "dt_bias", "A", "D")
    schema = OpSchema(
        OP_TYPE,
        DOMAIN,
        DOMAIN_VERSION,
        inputs=[OpSchema.FormalParameter(name, "T") for name in names],
        outputs=[OpSchema.FormalParameter("y", "T")],
        type_constraints=[("T", ["tensor(float)", "tensor(float16)"], "")],
        attributes=[
            OpSchema.Attribute("routes", OpSchema.AttrType.INTS),
            *(OpSchema.Attribute(name, OpSchema.AttrType.STRING) for name in ("layout", *PLUGIN_ATTRIBUTES)),
        ],
    )
    operator = values.Op(values.Opset(DOMAIN, DOMAIN_VERSION), OP_TYPE, schema)

    def translated(*tensors: Any, routes: Any = (), layout: str = "last") -> Any:
        *inputs, routes, layout = tensors if len(tensors) == 8 else (*tensors, routes, layout)
        return operator(*inputs, routes=list(routes), layout=layout, **PLUGIN_ATTRIBUTES)

    return translated
