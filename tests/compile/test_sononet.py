"""SonoNet16's published file format, by a synthetic file: what is read, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from compile.model.sononet import HEIGHT_PX, LABELS, OUR_PLANES, WIDTH_PX, SonoNet, load_sononet, sononet_input
from compile.training.recipe import NOT_STANDARD, Recipe
from compile.training.teachers import group_masses, seen, teacher_from_text
from edge.errors import CheckpointError

WIDTHS = (16, 16), (32, 32), (64,) * 3, (128,) * 3, (128,) * 3


def published() -> dict[str, Tensor]:
    """Names and shapes as published, written down independently of the module; seeded numbers."""
    generator = torch.Generator().manual_seed(0)
    shapes: dict[str, tuple[int, ...]] = {}
    dim = 1
    for block, widths in enumerate(WIDTHS):
        for unit, width in enumerate(widths):
            shapes[f"features.{block}.{unit}.0.weight"] = (width, dim, 3, 3)
            for part in ("weight", "bias", "running_mean", "running_var"):
                shapes[f"features.{block}.{unit}.1.{part}"] = (width,)
            dim = width
    for index, width in ((0, 64), (3, 14)):
        shapes[f"adaption.{index}.weight"] = (width, dim, 1, 1)
        for part in ("weight", "bias", "running_mean", "running_var"):
            shapes[f"adaption.{index + 1}.{part}"] = (width,)
        dim = width
    return {name: torch.rand(shape, generator=generator) * 0.2 + 0.01 for name, shape in shapes.items()}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    save_file(published(), tmp_path / "sononet16.safetensors")
    return tmp_path / "sononet16.safetensors"


def test_the_published_names_are_the_module_s_and_every_value_arrives(path: Path) -> None:
    model, expected = load_sononet(path), published()
    state = {name: value for name, value in model.state_dict().items() if "num_batches" not in name}
    assert state.keys() == expected.keys()
    assert all(torch.equal(state[name], expected[name]) for name in expected)
    assert not model.training and not any(parameter.requires_grad for parameter in model.parameters())


def test_the_answer_is_that_of_the_layers_one_by_one(path: Path) -> None:
    """The same network written down again, with nothing of the module but its input."""
    from torch.nn import functional

    w = published()
    x = sononet_input(torch.rand(1, 1, 96, 96, generator=torch.Generator().manual_seed(1)))

    def unit(x: Tensor, conv: str, norm: str) -> Tensor:
        x = functional.conv2d(x, w[f"{conv}.weight"], padding=w[f"{conv}.weight"].shape[-1] // 2)
        mean, var, gain, shift = (
            w[f"{norm}.{part}"][:, None, None] for part in ("running_mean", "running_var", "weight", "bias")
        )
        return (x - mean) / torch.sqrt(var + 1e-4) * gain + shift

    y = x
    for block, widths in enumerate(WIDTHS):
        y = functional.max_pool2d(y, 2) if block else y
        for index in range(len(widths)):
            y = unit(y, f"features.{block}.{index}.0", f"features.{block}.{index}.1").relu()
    y = unit(unit(y, "adaption.0", "adaption.1").relu(), "adaption.3", "adaption.4")
    logits, maps = load_sononet(path)(x)
    torch.testing.assert_close(logits, y.mean((2, 3)), rtol=1e-4, atol=1e-4)
    assert maps.shape == (1, 14, 18, 14)


def change(name: str) -> dict[str, Tensor]:
    tensors = published()
    if name == "missing":
        del tensors["adaption.3.weight"]
    elif name == "unexpected":
        tensors["extra"] = torch.zeros(1)
    elif name == "shape":
        tensors["adaption.0.weight"] = torch.zeros(64, 64, 1, 1)
    elif name == "type":
        tensors = {key: value.half() for key, value in tensors.items()}
    elif name == "NaN":
        tensors["adaption.4.bias"][3] = float("nan")
    return tensors


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("missing", "adaption.3.weight is missing"),
        ("unexpected", "extra is unexpected"),
        ("shape", r"instead of float32 \(64, 128, 1, 1\)"),
        ("type", r"is torch.float16 .* \(\d+ faults\)"),
        ("NaN", "adaption.4.bias holds NaN"),
    ],
)
def test_any_other_file_is_refused(tmp_path: Path, name: str, told: str) -> None:
    save_file(change(name), tmp_path / "other.safetensors")
    with pytest.raises(CheckpointError, match=told) as refusal:
        load_sononet(tmp_path / "other.safetensors")
    assert refusal.value.exit_code == 3


@pytest.mark.parametrize("content", [None, b"", b"\x08\0\0\0\0\0\0\0{broken}"])
def test_a_file_that_is_none_is_refused(tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / "x.safetensors").write_bytes(content)
    with pytest.raises(CheckpointError, match="cannot be read"):
        load_sononet(tmp_path / "x.safetensors")


def test_its_input_is_the_middle_of_the_square_standardised() -> None:
    gray = torch.zeros(2, 1, 160, 160)
    gray[0, :, 20:140] = 0.2  # a 4:3 frame in its square
    gray[0, :, 20:140, 80:] = 0.8
    x = sononet_input(gray)
    assert x.shape == (2, 1, HEIGHT_PX, WIDTH_PX)
    assert float(x[0].mean()) == pytest.approx(0, abs=0.01)
    assert float(x[0].std(correction=0)) == pytest.approx(255, rel=1e-3)
    assert bool((x[0, 0, 8:-8, :100] < 0).all()) and bool((x[0, 0, 8:-8, -100:] > 0).all())
    assert float(x[1].abs().max()) == 0  # a black frame


def test_its_table_names_its_labels_and_ours() -> None:
    ours = {label for labels in OUR_PLANES.values() for label in labels}
    assert set(OUR_PLANES) <= set(LABELS) and ours <= set(Recipe().labels)
    assert "thorax" not in ours and "profile_standard" not in ours  # other planes by definition


def test_it_teaches_by_name(path: Path) -> None:
    teacher = teacher_from_text(f"sononet16:{path}", (*Recipe().labels, NOT_STANDARD))
    assert isinstance(teacher.module, SonoNet) and teacher.name.startswith("sononet16 ")
    logits, maps = seen(teacher, torch.rand(2, 1, 64, 64), with_maps=False)
    masses = group_masses(logits, teacher.groups, 2.0)
    assert maps == [] and masses.shape == (2, 5) and torch.allclose(masses.sum(1), torch.ones(2))
