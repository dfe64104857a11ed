"""Weight files: what is read from them, and what is refused."""

from __future__ import annotations

import contextlib
import pickle
import sys
import types
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from compile.model.checkpoint import save_student, teacher_from_checkpoint
from compile.model.spec import ModelSpec
from compile.model.vmamba import SHAPES, VMamba, VMambaShape, vmamba_from_name
from compile.model.zoo import model_from_name
from edge.errors import CheckpointError, EdgeError, ModelError
from edge.files import sha256_from_file
from edge.preprocess import Preprocess
from tests.compile.golden.make_vmamba import GOLDEN, images_from_seed, keys_sha256, weights_from_seed

SMALL = VMambaShape((16, 32), (1, 2), ssm_ratio=1.0)
SINGLE_FILE_NAMES = (("x_proj_weight", "x_proj.weight"), ("dt_projs_weight", "dt_projs.weight"))
LINEAR_WEIGHTS = ("in_proj.weight", "out_proj.weight", "fc1.weight", "fc2.weight")
LABELS = ("abdomen", "femur", "not_standard")

State = dict[str, Tensor]


def small_state(classes: int = 4, in_channels: int = 3) -> State:
    shapes = {k: tuple(v.shape) for k, v in VMamba(SMALL, classes, in_channels).state_dict().items()}
    return {key: torch.from_numpy(value) for key, value in weights_from_seed(shapes).items()}


def saved(path: Path, content: Any) -> Path:
    torch.save(content, path)
    return path


def single_file_form(state: State) -> State:
    """The same weights as the authors' single-file code names and shapes them."""
    renamed = {}
    for key, tensor in state.items():
        for ours, theirs in SINGLE_FILE_NAMES:
            if key.endswith(ours):
                key, tensor = key.replace(ours, theirs), tensor.flatten(0, 1)
        renamed[key] = tensor
    return renamed


def check_same_weights(path: Path, state: State) -> None:
    loaded = teacher_from_checkpoint(path)[0].state_dict()
    assert loaded.keys() == state.keys()
    for key, tensor in state.items():
        torch.testing.assert_close(loaded[key], tensor, rtol=0, atol=0)


def spec_of(name: str, channels: int = 1) -> ModelSpec:
    return ModelSpec(name, LABELS, ("not_standard",), Preprocess(channels=channels))


@pytest.mark.parametrize("name", SHAPES)
def test_variant_and_width_are_read_from_the_shapes(name: str, tmp_path: Path) -> None:
    state = {k: torch.zeros(()).expand(v.shape) for k, v in vmamba_state_shapes(name, classes=21).items()}
    info = teacher_from_checkpoint(saved(tmp_path / "weights.pth", {"model": state}))[1]
    assert (info.name, info.classes, info.in_channels, info.spec) == (name, 21, 3, None)


def vmamba_state_shapes(name: str, classes: int) -> State:
    with torch.device("meta"):
        return vmamba_from_name(name, classes).state_dict()


def test_official_layout_answers_as_the_authors_code(tmp_path: Path) -> None:
    shapes = {key: tuple(value.shape) for key, value in vmamba_state_shapes("vmamba_t", classes=1000).items()}
    state = {key: torch.from_numpy(value) for key, value in weights_from_seed(shapes).items()}
    module, _ = teacher_from_checkpoint(saved(tmp_path / "vssm1_tiny_0230s.pth", {"model": state, "epoch": 264}))
    with np.load(GOLDEN) as golden:
        np.testing.assert_allclose(
            module(torch.from_numpy(images_from_seed()))[0], golden["vmamba_t.logits"], rtol=0, atol=1e-4
        )


@pytest.mark.parametrize("name", ["vmamba_t", "vmamba_s", "vmamba_b"])
def test_single_file_form_of_these_tests_is_the_authors(name: str) -> None:
    state = single_file_form(vmamba_state_shapes(name, classes=1000))
    with np.load(GOLDEN) as golden:
        assert keys_sha256({k: tuple(v.shape) for k, v in state.items()}) == golden[f"{name}.single_file_keys"].item()


def test_module_is_frozen_float32_in_eval_mode(tmp_path: Path) -> None:
    module, _ = teacher_from_checkpoint(saved(tmp_path / "a.pth", {k: v.half() for k, v in small_state().items()}))
    assert not module.training
    assert not any(p.requires_grad for p in module.parameters())
    assert {p.dtype for p in module.parameters()} == {torch.float32}


def test_loading_leaves_the_callers_random_numbers_alone(tmp_path: Path) -> None:
    path = saved(tmp_path / "a.pth", small_state())
    before = torch.get_rng_state()
    teacher_from_checkpoint(path, classes=9)
    assert torch.equal(torch.get_rng_state(), before)


def test_info_names_the_digest_and_the_stem_of_an_unpublished_shape(tmp_path: Path) -> None:
    path = saved(tmp_path / "hospital.pth", small_state(in_channels=1))
    info = teacher_from_checkpoint(path)[1]
    assert (info.sha256, info.name, info.in_channels, info.messages) == (sha256_from_file(path), "hospital", 1, ())


WRAPPINGS: dict[str, Callable[[State], Any]] = {
    "bare": lambda state: state,
    "model": lambda state: {"model": state, "optimizer": {"state": {}}, "max_accuracy": 82.6},
    "model_ema": lambda state: {"model_ema": state},
    "parallel": lambda state: {"module." + key: value for key, value in state.items()},
    "single file": single_file_form,
    "linear layers as convolutions": lambda state: {
        k: v[:, :, None, None] if k.endswith(LINEAR_WEIGHTS) else v for k, v in state.items()
    },
}


@pytest.mark.parametrize("wrapping", WRAPPINGS)
def test_every_form_of_a_pth_gives_the_same_weights(wrapping: str, tmp_path: Path) -> None:
    state = small_state()
    check_same_weights(saved(tmp_path / "a.pth", WRAPPINGS[wrapping](state)), state)


def test_safetensors_without_description_is_read_like_a_pth(tmp_path: Path) -> None:
    from safetensors.torch import save_file

    state = small_state()
    save_file(single_file_form(state), tmp_path / "a.safetensors")
    check_same_weights(tmp_path / "a.safetensors", state)


def test_model_is_taken_before_its_average_and_said_so(tmp_path: Path) -> None:
    state = small_state()
    path = saved(tmp_path / "a.pth", {"model": state, "model_ema": {k: v + 1 for k, v in state.items()}})
    check_same_weights(path, state)
    assert "model_ema" in teacher_from_checkpoint(path)[1].messages[0]


def test_configuration_object_beside_the_weights_is_read_as_a_plain_dictionary(tmp_path: Path) -> None:
    node = type("CfgNode", (dict,), {"__module__": "yacs.config", "__qualname__": "CfgNode"})
    config = node({"MODEL": node(NAME="vssm1_tiny_0230s")})
    config.__dict__["__immutable__"] = True
    state = small_state()
    check_same_weights(saved_as_class(tmp_path / "a.pth", {"model": state, "config": config}, node), state)


def saved_as_class(path: Path, content: Any, node: type) -> Path:
    """torch.save of objects whose class lives in a module that is not installed here."""
    modules = {name: types.ModuleType(name) for name in ("yacs", "yacs.config")}
    vars(modules["yacs.config"])["CfgNode"] = node
    sys.modules.update(modules)
    try:
        return saved(path, content)
    finally:
        for name in modules:
            del sys.modules[name]


def test_head_of_another_width_is_replaced_and_said_so(tmp_path: Path) -> None:
    path = saved(tmp_path / "a.pth", small_state(classes=1000))
    module, info = teacher_from_checkpoint(path, classes=21)
    assert info.classes == 21
    assert "1000" in info.messages[0]
    assert "21" in info.messages[0]
    assert module(torch.zeros(1, 3, 16, 16))[0].shape == (1, 21)


def test_fresh_head_follows_the_seed(tmp_path: Path) -> None:
    path = saved(tmp_path / "a.pth", small_state(classes=1000))
    heads = [teacher_from_checkpoint(path, classes=5, seed=s)[0].classifier.head.weight for s in (0, 0, 1)]
    assert torch.equal(heads[0], heads[1])
    assert not torch.equal(heads[0], heads[2])


def test_head_of_the_asked_width_is_kept(tmp_path: Path) -> None:
    path = saved(tmp_path / "a.pth", small_state(classes=21))
    module, info = teacher_from_checkpoint(path, classes=21)
    assert info.messages == ()
    assert torch.equal(module.classifier.head.weight, small_state(classes=21)["classifier.head.weight"])


def test_missing_unexpected_and_misshaped_keys_are_listed(tmp_path: Path) -> None:
    state = small_state()
    del state["layers.1.blocks.1.mlp.fc1.bias"]
    state["layers.0.blocks.0.gate"] = torch.zeros(1)
    state["classifier.norm.weight"] = torch.ones(7)
    with pytest.raises(CheckpointError) as refusal:
        teacher_from_checkpoint(saved(tmp_path / "a.pth", state))
    told = refusal.value.cause
    assert "1 missing: layers.1.blocks.1.mlp.fc1.bias" in told
    assert "1 unexpected: layers.0.blocks.0.gate" in told
    assert "1 of another shape: classifier.norm.weight (7,) for (32,)" in told


def test_long_lists_of_keys_are_cut_and_counted(tmp_path: Path) -> None:
    state = small_state() | {f"extra.{index}": torch.zeros(1) for index in range(20)}
    with pytest.raises(CheckpointError, match=r"20 unexpected: .* and 12 more"):
        teacher_from_checkpoint(saved(tmp_path / "a.pth", state))


@pytest.mark.parametrize(
    ("key", "reason"),
    [
        ("layers.0.downsample.reduction.weight", "patch merging"),
        ("layers.0.downsample.2.weight", "patch merging"),
        ("patch_embed.proj.weight", "patch embedding"),
        ("layers.0.blocks.0.self_attention.A_logs", "without an MLP"),
    ],
)
def test_version_1_is_refused_with_the_reason(key: str, reason: str, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=f"version 1.*{reason}"):
        teacher_from_checkpoint(saved(tmp_path / "a.pth", {"model": small_state() | {key: torch.zeros(1)}}))


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_no_numbers_are_refused_by_name(value: float, tmp_path: Path) -> None:
    state = small_state()
    state["layers.1.blocks.0.op.Ds"][3] = value
    with pytest.raises(CheckpointError, match=r"layers\.1\.blocks\.0\.op\.Ds"):
        teacher_from_checkpoint(saved(tmp_path / "a.pth", state))


class Planted:
    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (Path("planted"),)


def test_code_in_a_pickle_is_refused_and_not_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(CheckpointError, match="Python objects that are no weights"):
        teacher_from_checkpoint(saved(tmp_path / "a.pth", {"model": small_state(), "x": Planted()}))
    assert not (tmp_path / "planted").exists()


UNREADABLE = {
    "empty.pth": b"",
    "text.pth": b"not weights",
    "list.pth": pickle.dumps([1, 2], protocol=2),
    "empty.safetensors": b"",
    "text.safetensors": b"not weights, but long enough for a header",
}


@pytest.mark.parametrize("name", UNREADABLE)
def test_file_without_weights_is_refused(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(UNREADABLE[name])
    with pytest.raises(CheckpointError):
        teacher_from_checkpoint(tmp_path / name)


@pytest.mark.parametrize("content", [3, [torch.zeros(1)], {"model": {"a": 3}}, {1: torch.zeros(1)}, {}])
def test_pickle_without_a_state_dict_is_refused(content: Any, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError):
        teacher_from_checkpoint(saved(tmp_path / "a.pth", content))


def test_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="not a file"):
        teacher_from_checkpoint(tmp_path / "none.pth")


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_damaged_file_is_refused_or_still_whole(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"a{suffix}"
    saved(path, small_state()) if suffix == ".pth" else save_student(small_edge(), spec_of("edge_n_noscan"), path)
    data = path.read_bytes()
    rng = np.random.default_rng(0)
    for position in rng.integers(0, len(data), 40):
        path.write_bytes(data[:position] + bytes([data[position] ^ 0xFF]) + data[position + 1 :])
        with contextlib.suppress(EdgeError):
            teacher_from_checkpoint(path)
    path.write_bytes(data[: len(data) // 2])
    with pytest.raises(CheckpointError):
        teacher_from_checkpoint(path)


def small_edge() -> torch.nn.Module:
    torch.manual_seed(0)
    return model_from_name("edge_n_noscan", classes=len(LABELS))


@pytest.mark.parametrize(("name", "channels"), [("edge_n", 1), ("edge_s_noscan", 3), ("mobilenetv4_conv_small", 1)])
def test_student_comes_back_with_its_description_and_float16_values(name: str, channels: int, tmp_path: Path) -> None:
    model = model_from_name(name, len(LABELS), channels)
    save_student(model, spec_of(name, channels), tmp_path / "a.safetensors")
    module, info = teacher_from_checkpoint(tmp_path / "a.safetensors")
    assert (info.name, info.spec, info.classes) == (name, spec_of(name, channels), 3)
    for key, tensor in model.state_dict().items():
        expected = tensor.half().float() if tensor.is_floating_point() else tensor
        assert torch.equal(module.state_dict()[key], expected), key
    assert torch.isfinite(module(torch.ones(1, channels, 64, 64))[0]).all()


def test_saving_again_gives_the_same_bytes(tmp_path: Path) -> None:
    first, second = tmp_path / "a.safetensors", tmp_path / "b.safetensors"
    save_student(small_edge(), spec_of("edge_n_noscan"), first)
    save_student(teacher_from_checkpoint(first)[0], spec_of("edge_n_noscan"), second)
    assert first.read_bytes() == second.read_bytes()


def test_head_of_a_student_can_be_replaced(tmp_path: Path) -> None:
    save_student(small_edge(), spec_of("edge_n_noscan"), tmp_path / "a.safetensors")
    module, info = teacher_from_checkpoint(tmp_path / "a.safetensors", classes=7)
    assert module(torch.zeros(1, 1, 64, 64))[0].shape == (1, 7)
    assert len(info.messages) == 1


def test_weight_beyond_float16_is_not_saved(tmp_path: Path) -> None:
    model = small_edge()
    model.get_parameter("head.bias").data[0] = 1e5
    with pytest.raises(CheckpointError, match=r"head\.bias"):
        save_student(model, spec_of("edge_n_noscan"), tmp_path / "a.safetensors")
    assert not list(tmp_path.iterdir())


def test_description_with_an_unknown_model_is_refused(tmp_path: Path) -> None:
    save_student(small_edge(), spec_of("edge_xxl"), tmp_path / "a.safetensors")
    with pytest.raises(CheckpointError, match="edge_xxl"):
        teacher_from_checkpoint(tmp_path / "a.safetensors")


def test_description_with_other_labels_than_the_head_is_refused(tmp_path: Path) -> None:
    spec = replace(spec_of("edge_n_noscan"), labels=("a", "b"), reject_labels=())
    save_student(small_edge(), spec, tmp_path / "a.safetensors")
    with pytest.raises(CheckpointError, match="another shape"):
        teacher_from_checkpoint(tmp_path / "a.safetensors")


def test_damaged_description_is_refused(tmp_path: Path) -> None:
    from safetensors.torch import save_file

    save_file({"a": torch.zeros(1)}, tmp_path / "a.safetensors", {"vmamba_edge.spec": "{"})
    with pytest.raises(ModelError):
        teacher_from_checkpoint(tmp_path / "a.safetensors")
