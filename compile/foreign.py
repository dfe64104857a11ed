"""Somebody else's ONNX classifier -> the project's form: input `frame`, output `logits`, a description in its metadata.

An ONNX file is a program: one of 233 bytes can run for ever. So a foreign file is first loaded and run in a child
process with a limit on memory and time; only then is it opened here. What comes out must answer as what came in: the
gate measures against the result, so nothing later would notice a graph that was misread.
"""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from calibration.activations import activations_from_model
from calibration.artifact import Artifact
from calibration.graph import graph_from_model, load_model, save_model
from compile.canonical import canonical_from_model
from compile.model.spec import METADATA_KEY, ModelSpec, json_from_spec, rejects_from_labels, spec_from_json
from edge.errors import ModelError
from edge.files import sha256_from_file
from edge.preprocess import Preprocess

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from onnx import GraphProto, ModelProto

CHILD_BYTES = 12 << 30  # address space; a 90 M parameter model in ONNX Runtime takes 2 GiB of it
CHILD_SECONDS = 180  # such a model loads and runs in 10 s on two cores
SAME = 1e-3  # of the logits' largest: weights folded in float32 move them by 1e-6
# Ends of the names that the stages give to what they add to a tensor: somebody's constant of such a name would be taken
# for theirs, and overwritten.
OWN_ENDS = ("_rows", "_shape", "_weight", "_bias", "_scale", "_zero", "_quantized", "_dequantized", "_half", "_last")
LISTED = 5  # names in an error, so that it stays one readable line
SIZE_PX = 224  # of a model that does not say
IMAGENET_MEAN, IMAGENET_STD = 0.449, 0.226  # gray means of the usual colour statistics (0.485, 0.456, 0.406)

_CHILD = """
import resource, sys
resource.setrlimit(resource.RLIMIT_AS, (int(sys.argv[2]), int(sys.argv[2])))
import numpy, onnxruntime
options = onnxruntime.SessionOptions()
options.log_severity_level = 4
options.intra_op_num_threads = 2
session = onnxruntime.InferenceSession(sys.argv[1], options, providers=["CPUExecutionProvider"])
value = session.get_inputs()[0]
shape = [d if isinstance(d, int) and d > 0 else (1 if i == 0 else int(sys.argv[3])) for i, d in enumerate(value.shape)]
session.run(None, {value.name: numpy.zeros(shape, numpy.float32)})
"""


def check_harmless(path: Path, size_px: int = SIZE_PX) -> None:
    """Load and run a model once in a limited child process.

    Args:
        path: the ONNX file.
        size_px: side of its input where it does not say.

    Raises:
        ModelError: it does not load, does not run, or exceeds the limits.
    """
    cure = "Check the file with the program that exported it."
    try:
        result = subprocess.run(
            [sys.executable, "-c", _CHILD, str(path), str(CHILD_BYTES), str(size_px)],
            capture_output=True,
            text=True,
            timeout=CHILD_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise ModelError(f"{path} does not answer one image within {CHILD_SECONDS} s.", cure) from error
    if result.returncode:
        last = (result.stderr.strip().splitlines() or [f"exit status {result.returncode}"])[-1]
        raise ModelError(f"{path} does not run in ONNX Runtime: {last[:300]}", cure)


def check_weights(model: ModelProto, path: Path) -> None:
    """Refuse weights that are no numbers; infinity may be an attention mask's.

    Args:
        model: with its weights inside.
        path: where it came from.

    Raises:
        ModelError: a weight is NaN.
    """
    from onnx import TensorProto, numpy_helper

    types = (TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.DOUBLE)
    floats = [tensor for tensor in model.graph.initializer if tensor.data_type in types]
    bad = [tensor.name for tensor in floats if np.isnan(numpy_helper.to_array(tensor)).any()]
    if bad:
        raise ModelError(
            f"Weights of {path} are NaN: {', '.join(bad[:LISTED])}{' ...' if len(bad) > LISTED else ''}.",
            "Take an earlier epoch, or train with a lower learning rate.",
        )


def spec_from_foreign(
    model: ModelProto, name: str, labels: tuple[str, ...], preprocess: Preprocess | None
) -> ModelSpec:
    """Describe a foreign classifier by its shapes.

    Args:
        model: ONNX with one input (B,C,S,S) and the logits (B,K) as an output of rank 2.
        name: what to call it.
        labels: K names; empty for class_0, class_1, ...
        preprocess: what it was trained with; None for the usual colour statistics and the input's own size.

    Raises:
        ModelError: other shapes, another number of labels, or a label that an answer is called.
    """
    graph = graph_from_model(model)
    shape = graph.shapes[graph.inputs[0]]
    if len(shape) != 4 or shape[1] not in (1, 3) or shape[2] != shape[3]:
        raise ModelError(
            f"The input of {name} is {_text(shape)}, expected (batch, 1 or 3, size, size).",
            "Export the classifier with a fixed, square image size, channels first.",
        )
    if shape[0] not in (None, 1):
        raise ModelError(
            f"{name} takes {shape[0]} images at once; a device gives it one.", "Export it with a batch of 1, or any."
        )
    logits = _logits_name(model, name)
    classes = graph.shapes[logits][1]
    if classes is None:
        raise ModelError(f"The number of classes of {name} is not fixed.", "Export it with a fixed number of classes.")
    if labels and len(labels) != classes:
        raise ModelError(
            f"{name} has {classes} classes, the labels file {len(labels)}.",
            "Give one label a line, in the model's order.",
        )
    size = shape[2] or (preprocess.size_px if preprocess else SIZE_PX)
    preprocess = preprocess or Preprocess(size, IMAGENET_MEAN, IMAGENET_STD)
    parameters = sum(int(np.prod(tensor.dims)) for tensor in model.graph.initializer)
    labels = labels or tuple(f"class_{index}" for index in range(classes))
    return ModelSpec(
        name=name,
        labels=labels,
        reject_labels=rejects_from_labels(labels),
        preprocess=replace(preprocess, size_px=size, channels=int(shape[1])),
        parameters=parameters,
    )


def onnx_from_foreign(
    path: Path, output: Path, labels: tuple[str, ...] = (), preprocess: Preprocess | None = None
) -> tuple[Artifact, ModelSpec]:
    """The stage: bring a foreign classifier into the project's form.

    A file that carries the project's own description keeps it.

    Args:
        path: the foreign file.
        output: where the new one goes.
        labels: class names, if the file has none of its own.
        preprocess: what it was trained with, if the file does not say.

    Returns:
        The new file, and its description.

    Raises:
        ModelError: the file is no classifier of images, a weight is NaN, it does not run within the limits, or it
            would not answer as it does.
    """
    if not path.is_file():
        raise ModelError(f"There is no file {path}.", "Check the path of the model.")
    check_harmless(path, preprocess.size_px if preprocess else SIZE_PX)
    given = load_model(path)
    check_weights(given, path)
    own = next((entry.value for entry in given.metadata_props if entry.key == METADATA_KEY), None)
    model = canonical_from_model(given if own else _plain(given))
    spec = spec_from_json(own) if own else spec_from_foreign(model, path.stem, labels, preprocess)
    source, answer = graph_from_model(model).inputs[0], _logits_name(model, spec.name)
    _rename(model.graph, _free_names(model, {source: "frame", answer: "logits"}))
    if not own:
        check_same(given, answer, model, spec.preprocess)
        model.metadata_props.add(key=METADATA_KEY, value=json_from_spec(spec))
    return save_model(model, output, {"model": sha256_from_file(path)}), spec


def check_same(given: ModelProto, answer: str, model: ModelProto, preprocess: Preprocess) -> None:
    """Let both forms of a model answer one image of noise.

    Args:
        given: as it came.
        answer: its output with the logits.
        model: in the project's form.
        preprocess: of it.

    Raises:
        ModelError: the answers differ.
    """
    size = preprocess.size_px
    noise = np.random.default_rng(0).standard_normal((1, preprocess.channels, size, size)).astype(np.float32)
    expected, got = (_output(form, name, noise) for form, name in ((given, answer), (model, "logits")))
    worst = float(np.abs(got - expected).max()) if got.shape == expected.shape else np.inf
    if not worst <= SAME * float(np.abs(expected).max()):
        raise ModelError(
            f"The graph was misread: in the project's form it answers otherwise (by {worst:.3g}).",
            "Export it with another exporter or opset, without functions of its own; and report it with the file.",
        )


def _output(model: ModelProto, name: str, image: NDArray[np.float32]) -> NDArray[np.float32]:
    ((_, values),) = activations_from_model(model, [name], lambda: iter([image]), 2)
    return values[name]


def _plain(model: ModelProto) -> ModelProto:
    """Somebody's model with its functions written out, and no name that a stage would give."""
    from onnx import inliner

    plain = inliner.inline_local_functions(model) if model.functions else model
    names = {name for node in plain.graph.node for name in (*node.input, *node.output)} - {""}
    ends = {value.name for value in (*plain.graph.input, *plain.graph.output)}
    stems = {name: name[: name.rfind("_")] for name in names - ends if name.endswith(OWN_ENDS)}
    taken = {name: f"{name}_given" for name, stem in stems.items() if any(stem.startswith(other) for other in names)}
    if not taken:
        return plain
    renamed = type(plain)()
    renamed.CopyFrom(plain)
    _rename(renamed.graph, taken)
    return renamed


def _free_names(model: ModelProto, names: dict[str, str]) -> dict[str, str]:
    """The same, and new names for other tensors that are called so already: softmax (logits) -> probabilities."""
    present = {name for node in model.graph.node for name in (*node.input, *node.output)}
    clashes = [name for name in names.values() if name in present and name not in names]
    return {**names, **{name: f"{name}_given" for name in clashes}}


def _logits_name(model: ModelProto, name: str) -> str:
    graph = graph_from_model(model)
    flat = [output for output in graph.outputs if len(graph.shapes.get(output, ())) == 2]
    if "logits" in flat:
        return "logits"
    if len(flat) != 1:
        raise ModelError(
            f"{name} has {len(flat)} outputs of the form (batch, classes), expected 1.", "Export the logits alone."
        )
    return flat[0]


def _rename(graph: GraphProto, names: dict[str, str]) -> None:
    for node in graph.node:
        for field in (node.input, node.output):
            for index, name in enumerate(field):
                field[index] = names.get(name, name)
        for attribute in node.attribute:
            if attribute.HasField("g"):
                _rename(attribute.g, names)
    for value in (*graph.input, *graph.output, *graph.value_info):
        value.name = names.get(value.name, value.name)
    for tensor in graph.initializer:
        tensor.name = names.get(tensor.name, tensor.name)


def _text(shape: tuple[int | None, ...]) -> str:
    return "(" + ", ".join("?" if side is None else str(side) for side in shape) + ")"
