"""Somebody else's ONNX classifier: brought into the project's form, or refused with the reason."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from onnx import TensorProto, helper, numpy_helper, parser

from calibration.graph import graph_from_model
from compile import foreign
from compile.foreign import IMAGENET_MEAN, IMAGENET_STD, onnx_from_foreign
from edge.errors import ModelError
from edge.preprocess import Preprocess
from tests.conftest import PLANES, Command, check_told

CLASSES = 5
SMALL = """
<ir_version: 8, opset_import: ["" : 17]>
small (float[B, 3, 32, 32] image) => (float[B, 3] scores)
{{
  maps = Conv <strides = [8, 8]> (image, weight)
  pooled = GlobalAveragePool (maps)
  scores = Flatten (pooled)
  {rest}
}}
"""


def small(folder: Path, rest: str = "", outputs: tuple[tuple[str, int], ...] = (), value: float = 1.0) -> Path:
    """A classifier of one convolution; `rest` are further nodes, `outputs` their names and ranks."""
    model = parser.parse_model(SMALL.format(rest=rest))
    weight = np.random.default_rng(0).normal(size=(3, 3, 8, 8)).astype(np.float32)
    weight[0, 0, 0, 0] = value
    model.graph.initializer.append(numpy_helper.from_array(weight, "weight"))
    for name, rank in outputs:
        model.graph.output.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, ["B", *[3] * (rank - 1)]))
    onnx.save(model, folder / "small.onnx")
    return folder / "small.onnx"


@pytest.fixture(scope="module")
def resnet(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """timm's resnet18 with random weights, exported as anybody would."""
    import torch

    from compile.model.comparators import _timm

    torch.manual_seed(0)
    model = _timm().create_model("resnet18", pretrained=False, num_classes=CLASSES).eval()
    path = tmp_path_factory.mktemp("timm") / "resnet18.onnx"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter's own
        image, named = torch.zeros(1, 3, 224, 224), (["pixels"], ["scores"])
        torch.onnx.export(
            model, (image,), path, input_names=named[0], output_names=named[1], dynamo=True, external_data=False
        )
    return path


def test_a_timm_export_compiles_to_int8_and_classifies(
    resnet: Path, edge: Command, stripes: Path, tmp_path: Path
) -> None:
    names = tmp_path / "names.txt"
    names.write_text("\n".join((*PLANES, "first", "second")))
    data = ("--calibration", stripes, "--gate-data", stripes, "--labels", names)
    done = edge("compile", resnet, "-o", tmp_path / "x.edge", *data, "--no-gate", "--json")
    assert done.code == 0, done.err
    assert done.document["gate"]["tolerance"] < 0.3  # twice the largest error of the logits, against their spread
    manifest = edge("inspect", tmp_path / "x.edge", "--json").document["manifest"]
    preprocess = {"channels": 3, "crop": "none", "mean": IMAGENET_MEAN, "size_px": 224, "std": IMAGENET_STD}
    assert (manifest["model"]["name"], manifest["preprocess"]) == ("resnet18", preprocess)
    assert manifest["precision"] == "int8"
    answer = edge("classify", tmp_path / "x.edge", stripes.parent / "test0.png", "--json", "--top", 9).lines[0]
    assert {name for name, _ in answer["top"]} == {*PLANES, "first", "second"}


def test_a_wrong_number_of_labels_is_refused(resnet: Path, edge: Command, stripes: Path, tmp_path: Path) -> None:
    names = tmp_path / "names.txt"
    names.write_text("\n".join(PLANES))
    done = edge("compile", resnet, "-o", tmp_path / "x.edge", "--labels", names, "--calibration", stripes)
    check_told(done, 3, "resnet18 has 5 classes, the labels file 3")
    assert not (tmp_path / "x.edge").exists()


@pytest.mark.parametrize("text", ["", "\n\n", "a\nb\na\n"])
def test_a_labels_file_without_labels_or_with_one_twice_is_refused(text: str, edge: Command, tmp_path: Path) -> None:
    (tmp_path / "names.txt").write_text(text)
    done = edge("compile", "any.onnx", "-o", tmp_path / "x.edge", "--labels", tmp_path / "names.txt")
    check_told(done, 2, "is empty or names a class twice")


def test_input_and_output_get_the_projects_names(tmp_path: Path) -> None:
    artifact, spec = onnx_from_foreign(small(tmp_path), tmp_path / "own.onnx")
    model = onnx.load(artifact.path)
    assert [value.name for value in model.graph.input] == ["frame"]
    assert [value.name for value in model.graph.output] == ["logits"]
    assert (spec.labels, spec.preprocess.size_px) == (("class_0", "class_1", "class_2"), 32)
    onnx.checker.check_model(model, full_check=True)


def test_the_models_own_size_wins_over_the_one_asked_for(tmp_path: Path) -> None:
    asked = Preprocess(64, 0.1, 0.2)
    _, spec = onnx_from_foreign(small(tmp_path), tmp_path / "own.onnx", preprocess=asked)
    assert spec.preprocess == Preprocess(32, 0.1, 0.2, channels=3)


def test_of_several_outputs_the_one_of_rank_two_is_taken(tmp_path: Path) -> None:
    path = small(tmp_path, "extra = Relu (maps)", (("extra", 4),))
    _, spec = onnx_from_foreign(path, tmp_path / "own.onnx")
    assert len(spec.labels) == 3


def test_two_outputs_that_could_be_logits_are_refused(tmp_path: Path) -> None:
    path = small(tmp_path, "more = Relu (scores)", (("more", 2),))
    with pytest.raises(ModelError, match="2 outputs of the form"):
        onnx_from_foreign(path, tmp_path / "own.onnx")


@pytest.mark.parametrize("shape", [["B", 4, 32, 32], ["B", 3, 32, 48], ["B", 3 * 32 * 32]])
def test_a_model_of_other_inputs_is_refused(shape: list[str | int], tmp_path: Path) -> None:
    nodes = [helper.make_node("Flatten", ["x"], ["flat"]), helper.make_node("ReduceMean", ["flat"], ["mean"], axes=[1])]
    graph = helper.make_graph(
        nodes,
        "other",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("mean", TensorProto.FLOAT, ["B", 1])],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8), tmp_path / "o.onnx")
    with pytest.raises(ModelError, match=r"expected \(batch, 1 or 3, size, size\)"):
        onnx_from_foreign(tmp_path / "o.onnx", tmp_path / "own.onnx")
    assert not (tmp_path / "own.onnx").exists()


@pytest.mark.parametrize("content", [b"", b"no model", b"\x08\x07" * 100])
def test_a_file_that_is_no_onnx_is_refused(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "x.onnx").write_bytes(content)
    with pytest.raises(ModelError, match="does not run in ONNX Runtime"):
        onnx_from_foreign(tmp_path / "x.onnx", tmp_path / "own.onnx")


def test_a_model_that_asks_for_too_much_memory_does_not_take_the_machine(tmp_path: Path) -> None:
    text = """
    <ir_version: 8, opset_import: ["" : 17]>
    bomb (float[1, 1, 32, 32] x) => (float[1, 3] y)
    {
      shape = Constant <value_ints = [200000, 100000]> ()
      huge = ConstantOfShape (shape)
      sum = ReduceSum <keepdims = 0> (huge)
      flat = Flatten (x)
      one = ReduceMean <axes = [1]> (flat)
      scaled = Mul (one, sum)
      y = Concat <axis = 1> (scaled, scaled, scaled)
    }
    """
    onnx.save(parser.parse_model(text), tmp_path / "bomb.onnx")
    with pytest.raises(ModelError, match="does not run in ONNX Runtime"):
        onnx_from_foreign(tmp_path / "bomb.onnx", tmp_path / "own.onnx")


@pytest.mark.parametrize("precision", ["int8", "fp32"])
def test_nan_weights_are_refused(
    precision: str, edge: Command, stripes: Path, stripes_onnx: Path, tmp_path: Path
) -> None:
    output, path = tmp_path / "x.edge", small(tmp_path, value=np.nan)
    done = edge("compile", path, "-o", output, "--calibration", stripes, "--precision", precision)
    check_told(done, 3, "are NaN: weight")
    assert not output.exists()


GRAPHS = {  # what exporters and people write, each of which was misread or ended in a trace
    "an inner tensor called logits": "logits = Flatten (pooled) probabilities = Softmax (logits)",
    "an inner tensor called frame": "frame = Relu (pooled) probabilities = Flatten (frame)",
    "a constant called as one of ours": """
        rows = Reshape (image, rows_shape) product = MatMul (rows, square) again = Reshape (product, product_shape)
        mean = ReduceMean <axes = [3], keepdims = 0> (again)
        probabilities = ReduceMean <axes = [2], keepdims = 0> (mean)""",
    "a branch that reads what a norm replaces": """
        normal = BatchNormalization (maps, row, row, row, row)
        other = If (yes) <then_branch = a () => (float[B, 3, 4, 4] a1) { a1 = Relu (maps) },
                          else_branch = b () => (float[B, 3, 4, 4] b1) { b1 = Neg (maps) }>
        both = Add (normal, other) mean = GlobalAveragePool (both) probabilities = Flatten (mean)""",
}
NAMED = """
<ir_version: 8, opset_import: ["" : 17]>
named (float[B, 3, 32, 32] image) => (float[B, 3] probabilities)
{{
  maps = Conv <strides = [8, 8]> (image, weight)
  pooled = GlobalAveragePool (maps)
  {rest}
}}
"""


def completed(model: onnx.ModelProto, path: Path) -> Path:
    """The model with every constant that the graphs above name."""
    rng = np.random.default_rng(0)
    arrays = {
        "weight": rng.normal(size=(3, 3, 8, 8)).astype(np.float32),
        "square": rng.normal(size=(32, 32)).astype(np.float32),
        "row": np.array([0.5, 1, 2], np.float32),
        "rows_shape": np.array([-1, 96, 32], np.int64),
        "product_shape": np.array([-1, 3, 32, 32], np.int64),
        "yes": np.array(True),
    }
    model.graph.initializer.extend(numpy_helper.from_array(array, name) for name, array in arrays.items())
    path.write_bytes(model.SerializeToString())
    return path


def first_output(path: Path) -> np.ndarray:
    session = ort.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    image = np.random.default_rng(1).normal(size=(2, 3, 32, 32)).astype(np.float32)
    return np.asarray(session.run(None, {session.get_inputs()[0].name: image})[0])


@pytest.mark.parametrize("name", GRAPHS)
def test_a_graph_answers_as_it_came(name: str, tmp_path: Path) -> None:
    path = completed(parser.parse_model(NAMED.format(rest=GRAPHS[name])), tmp_path / "x.onnx")
    artifact, _ = onnx_from_foreign(path, tmp_path / "own.onnx")
    np.testing.assert_allclose(first_output(artifact.path), first_output(path), rtol=1e-4, atol=1e-5)


def test_a_local_function_called_as_an_operator_is_not_taken_for_it(tmp_path: Path) -> None:
    text = NAMED.format(rest="normal = my.Identity (row) mean = Mul (shaped, normal)").replace(
        '"" : 17]', '"" : 17, "my" : 1]'
    )
    text = text.replace("normal =", "flat = Flatten (pooled) normal =").replace(
        "mean = Mul (shaped", "probabilities = Mul (flat"
    )
    function = '<domain: "my", opset_import: ["" : 17]> Identity (x) => (y) { y = Neg (x) }'
    path = completed(parser.parse_model(text + function), tmp_path / "x.onnx")
    artifact, _ = onnx_from_foreign(path, tmp_path / "own.onnx")
    np.testing.assert_allclose(first_output(artifact.path), first_output(path), rtol=1e-4, atol=1e-5)


def test_a_graph_that_was_misread_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def misread(model: onnx.ModelProto) -> onnx.ModelProto:
        changed = onnx.ModelProto()
        changed.CopyFrom(model)
        changed.graph.node[0].attribute[0].ints[:] = [4, 4]
        return changed

    monkeypatch.setattr(foreign, "canonical_from_model", misread)
    with pytest.raises(ModelError, match="The graph was misread"):
        onnx_from_foreign(small(tmp_path), tmp_path / "own.onnx")


def test_a_graph_without_a_name_is_taken_and_one_out_of_order_refused(tmp_path: Path) -> None:
    model = onnx.load(small(tmp_path))
    model.graph.name = ""
    (tmp_path / "bare.onnx").write_bytes(model.SerializeToString())
    onnx_from_foreign(tmp_path / "bare.onnx", tmp_path / "own.onnx")
    nodes = list(model.graph.node)[::-1]
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    (tmp_path / "bare.onnx").write_bytes(model.SerializeToString())
    with pytest.raises(ModelError, match="not valid ONNX: Nodes in a graph must be topologically sorted"):
        onnx_from_foreign(tmp_path / "bare.onnx", tmp_path / "own.onnx")


@pytest.mark.parametrize(("batch", "is_taken"), [(-1, True), (1, True), (4, False)])
def test_a_fixed_batch_of_several_images_is_refused(batch: int, is_taken: bool, tmp_path: Path) -> None:
    model = onnx.load(small(tmp_path))
    model.graph.input[0].type.tensor_type.shape.dim[0].dim_value = batch
    (tmp_path / "b.onnx").write_bytes(model.SerializeToString())
    if is_taken:
        artifact, _ = onnx_from_foreign(tmp_path / "b.onnx", tmp_path / "own.onnx")
        assert graph_from_model(onnx.load(artifact.path)).shapes["frame"][0] in (None, 1)
    else:
        with pytest.raises(ModelError, match="takes 4 images at once"):
            onnx_from_foreign(tmp_path / "b.onnx", tmp_path / "own.onnx")


def test_logits_of_another_rank_are_refused(tmp_path: Path) -> None:
    model = parser.parse_model(NAMED.format(rest="logits = Relu (pooled)"))
    model.graph.output[0].CopyFrom(helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["B", 3, 1, 1]))
    with pytest.raises(ModelError, match="has 0 outputs of the form"):
        onnx_from_foreign(completed(model, tmp_path / "x.onnx"), tmp_path / "own.onnx")


def test_a_label_for_no_plane_is_a_reject_label_and_one_for_no_answer_is_refused(tmp_path: Path) -> None:
    _, spec = onnx_from_foreign(small(tmp_path), tmp_path / "own.onnx", ("femur", "not_standard", "thorax"))
    assert spec.reject_labels == ("not_standard",)
    with pytest.raises(ModelError, match="A class is called not_covered"):
        onnx_from_foreign(small(tmp_path), tmp_path / "own.onnx", ("femur", "not_covered", "thorax"))
