"""Weights in a file -> frozen module, and a student's weights -> file.

::

    .pth, .safetensors of VMamba's authors --KEY_MAP--> tensors --their shapes--> VMamba   --+--> checked, frozen
    .safetensors with `vmamba_edge.spec` -------------> tensors --its name------> zoo model -+    float32 module

Nothing in a file is executed: pickles are read with weights_only.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from pickle import UnpicklingError

import torch
from torch import Tensor, nn

from compile.model.comparators import TIMM_NAMES
from compile.model.spec import METADATA_KEY, ModelSpec, json_from_spec, spec_from_json
from compile.model.vmamba import SHAPES, VMamba, VMambaShape
from compile.model.zoo import model_from_name, model_names
from edge.errors import CheckpointError
from edge.files import sha256_from_file, write_atomic

KEY_MAP = (  # (pattern, ours): other names of the same weights
    (re.compile(r"^module\."), ""),  # torch's DistributedDataParallel
    (re.compile(r"\.op\.x_proj\.weight$"), ".op.x_proj_weight"),  # the authors' single-file form, here and below
    (re.compile(r"\.op\.dt_projs\.weight$"), ".op.dt_projs_weight"),
    (re.compile(r"\.op\.dt_projs\.bias$"), ".op.dt_projs_bias"),
)
VERSION_1_MARKS = (  # (pattern of a key, what it shows)
    (re.compile(r"\.downsample\.(reduction|2)\."), "patch merging"),
    (re.compile(r"^patch_embed\.proj\."), "a 4x4 patch embedding"),
    (re.compile(r"\.self_attention\."), "blocks without an MLP"),
)
LISTED_KEYS = 8  # in an error; the rest is counted, so that it stays one readable line

Tensors = dict[str, Tensor]


@dataclass(frozen=True)
class CheckpointInfo:
    """What a weight file turned out to hold.

    Attributes:
        sha256: digest of the file.
        name: zoo name, or the file's stem for a VMamba of an unpublished shape.
        classes: width of the module's head.
        in_channels: channels of its input.
        spec: the file's own description, where it has one.
        messages: what the user should know, a sentence each.
    """

    sha256: str
    name: str
    classes: int
    in_channels: int
    spec: ModelSpec | None
    messages: tuple[str, ...]


def teacher_from_checkpoint(path: Path, classes: int | None = None, seed: int = 0) -> tuple[nn.Module, CheckpointInfo]:
    """Load a classifier: frozen, in eval mode, float32.

    Args:
        path: .pth or .safetensors.
        classes: width of the head; a head of another width is replaced by a fresh one. None keeps the file's.
        seed: of the fresh head.

    Returns:
        The module (B,C,S,S) -> logits, features, and what was found.

    Raises:
        CheckpointError: no weights, a VMamba of version 1, keys or shapes that do not fit, NaN or Inf.
        ModelError: the file's description cannot be read.
        UsageError: the file holds a comparator and timm is not installed.
    """
    tensors, spec, messages = _contents_from_file(path)
    if spec is None:
        tensors = _renamed(tensors, path)
        name, found, in_channels, build = _vmamba_from_tensors(tensors, path)
    else:
        name, found, in_channels, build = _described_model(spec, path)
    width = found if classes is None else classes
    with torch.random.fork_rng(devices=[]), torch.device("cpu" if name in TIMM_NAMES else "meta"):
        model = build(width)  # the weights follow; only timm's networks compute buffers that no file holds
    if width != found:
        tensors = _with_fresh_head(tensors, model, (found, width), seed)
        messages += (f"The head of {found} classes was replaced by an untrained one of {width}: train it before use.",)
    _load(model, tensors, path)
    info = CheckpointInfo(sha256_from_file(path), name, width, in_channels, spec, messages)
    return model.eval().requires_grad_(False), info


def save_student(model: nn.Module, spec: ModelSpec, path: Path) -> None:
    """Write weights as float16 safetensors with their description; from then on the file's values are the float model.

    Args:
        model: what to save; it is not changed.
        spec: its name a zoo name, its labels as many as the head is wide.
        path: where to.

    Raises:
        CheckpointError: a weight is NaN, Inf or beyond float16.
        MachineError: the file cannot be written.
    """
    from safetensors.torch import save

    state = model.state_dict()
    tensors = {k: (v.half() if v.is_floating_point() else v).detach().cpu().contiguous() for k, v in state.items()}
    _check_finite(tensors, path)
    write_atomic(path, save(tensors, {METADATA_KEY: json_from_spec(spec)}))


def _contents_from_file(path: Path) -> tuple[Tensors, ModelSpec | None, tuple[str, ...]]:
    """Tensors, description, messages."""
    if not path.is_file():
        raise CheckpointError(f"{path} is not a file.", "Give the path of a .pth or .safetensors file.")
    if path.suffix == ".safetensors":
        return *_safetensors_contents(path), ()
    tensors, messages = _pickle_contents(path)
    return tensors, None, messages


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    try:
        yield
    except Exception as error:  # 1 % of damaged pickles raise TypeError, AttributeError and the like
        reason = (str(error) or type(error).__name__).splitlines()[0]
        if isinstance(error, UnpicklingError):  # torch's own words advise loading it unsafely
            reason = "it is damaged, or holds Python objects that are no weights"
        raise CheckpointError(
            f"{path} cannot be read as weights: {reason}.",
            "Download or export it again; of a .pth only tensors and plain values are read, no other objects.",
        ) from error


def _safetensors_contents(path: Path) -> tuple[Tensors, ModelSpec | None]:
    from safetensors import safe_open

    with _reading(path), safe_open(path, framework="pt", device="cpu") as file:
        metadata = file.metadata() or {}
        tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118  # safe_open is no mapping
    return tensors, spec_from_json(metadata[METADATA_KEY]) if METADATA_KEY in metadata else None


def _pickle_contents(path: Path) -> tuple[Tensors, tuple[str, ...]]:
    # The authors' training saves its configuration (a yacs CfgNode, a dict with attributes) beside the weights.
    with _reading(path), torch.serialization.safe_globals([(OrderedDict, "yacs.config.CfgNode")]):
        content = torch.load(path, map_location="cpu", weights_only=True)
    messages: tuple[str, ...] = ()
    if isinstance(content, Mapping) and {"model", "model_ema"} <= content.keys():
        messages = ("The file holds `model` and `model_ema`; `model` was read, as its authors do.",)
    for key in ("model", "model_ema"):
        if isinstance(content, Mapping) and isinstance(content.get(key), Mapping):
            content = content[key]
    pairs = content.items() if isinstance(content, Mapping) else [("", content)]
    if not all(isinstance(key, str) and isinstance(value, Tensor) for key, value in pairs):
        raise CheckpointError(f"{path} holds no state dict.", "Save model.state_dict(), alone or as `model`.")
    return dict(content), messages


def _renamed(tensors: Tensors, path: Path) -> Tensors:
    """Our names; a version 1 is refused by what its names show."""
    for pattern, shown in VERSION_1_MARKS:
        key = next((key for key in tensors if pattern.search(key)), None)
        if key is not None:
            raise CheckpointError(
                f"{path} holds a VMamba of version 1: {key} shows {shown}, expected version 2.",
                "Take a version 2 checkpoint of its authors: vssm1_tiny_0230s, vssm_small_0229 or vssm_base_0229.",
            )
    renamed = {}
    for key, tensor in tensors.items():
        for pattern, ours in KEY_MAP:
            key = pattern.sub(ours, key)
        renamed[key] = tensor
    return renamed


def _vmamba_from_tensors(tensors: Tensors, path: Path) -> tuple[str, int, int, Callable[[int], nn.Module]]:
    """Name, head width, input channels and constructor, read from the shapes."""
    try:
        shape = _shape_from_tensors(tensors)
        found, in_channels = tensors["classifier.head.weight"].shape[0], tensors["patch_embed.0.weight"].shape[1]
    except LookupError as error:
        raise CheckpointError(
            f"{path} holds no VMamba classifier: {error} is missing or has too few axes.",
            "Give a full VMamba checkpoint, or a .safetensors that this program has written.",
        ) from error
    name = next((name for name, published in SHAPES.items() if published == shape), path.stem)
    return name, found, in_channels, lambda classes: VMamba(shape, classes, in_channels)


def _shape_from_tensors(tensors: Tensors) -> VMambaShape:
    """Widths, depths and scan ratio; LookupError where the keys that show them are missing."""
    dims, depths = [tensors["layers.0.blocks.0.norm.weight"].shape[0]], []
    for stage in count():
        depth = next(block for block in count() if f"layers.{stage}.blocks.{block}.norm.weight" not in tensors)
        if depth == 0:
            break
        dims.append(tensors[f"layers.{stage}.blocks.0.norm.weight"].shape[0])
        depths.append(depth)
    d_inner = tensors["layers.0.blocks.0.op.out_norm.weight"].shape[0]
    return VMambaShape(tuple(dims[1:]), tuple(depths), d_inner / dims[0])


def _described_model(spec: ModelSpec, path: Path) -> tuple[str, int, int, Callable[[int], nn.Module]]:
    """Name, head width, input channels and constructor, from the file's description."""
    if spec.name not in model_names():
        raise CheckpointError(
            f"{path} describes itself as {spec.name!r}, which is no model of this version.",
            "Update this program, or train the model again with it.",
        )
    channels = spec.preprocess.channels
    return spec.name, len(spec.labels), channels, lambda classes: model_from_name(spec.name, classes, channels)


def _with_fresh_head(tensors: Tensors, model: nn.Module, widths: tuple[int, int], seed: int) -> Tensors:
    """Replace what is (found, ...) in the file and (width, ...) in the model: no shape but the head's follows them."""
    fresh = dict(tensors)
    generator = torch.Generator().manual_seed(seed)
    for key, value in model.state_dict().items():
        shapes = tuple((width, *value.shape[1:]) for width in widths)
        if key in tensors and (tuple(tensors[key].shape), tuple(value.shape)) == shapes:
            fresh[key] = torch.zeros(value.shape)
            if value.ndim > 1:
                nn.init.trunc_normal_(fresh[key], std=0.02, generator=generator)
    return fresh


def _load(model: nn.Module, tensors: Tensors, path: Path) -> None:
    """Check all, then give the tensors to the model."""
    state = model.state_dict()
    fitted = {key: _fitted(tensor, state[key].shape) if key in state else tensor for key, tensor in tensors.items()}
    misshaped = [k for k in state if k in fitted and fitted[k].shape != state[k].shape]
    problems = {
        "missing": [key for key in state if key not in tensors],
        "unexpected": [key for key in tensors if key not in state],
        "of another shape": [f"{k} {tuple(fitted[k].shape)} for {tuple(state[k].shape)}" for k in misshaped],
    }
    if any(problems.values()):
        told = "; ".join(f"{len(keys)} {kind}: {_listed(keys)}" for kind, keys in problems.items() if keys)
        raise CheckpointError(
            f"{path} does not fit {type(model).__name__}: {told}.",
            "Give a whole VMamba v2 checkpoint, or a .safetensors that this program has written.",
        )
    _check_finite(fitted, path)
    model.load_state_dict({k: v.float() if v.is_floating_point() else v for k, v in fitted.items()}, assign=True)


def _fitted(tensor: Tensor, shape: torch.Size) -> Tensor:
    """Same numbers, our axes: a linear layer kept as a 1x1 convolution, the K routes kept in one axis."""
    as_linear = tensor.ndim == 4 and tensor.shape == (*shape, 1, 1)
    as_one_axis = len(shape) > 1 and tensor.shape == (shape[0] * shape[1], *shape[2:])
    return tensor.reshape(shape) if as_linear or as_one_axis else tensor


def _check_finite(tensors: Tensors, path: Path) -> None:
    bad = [key for key, tensor in tensors.items() if not torch.isfinite(tensor).all()]
    if bad:
        raise CheckpointError(
            f"Weights of {path} are NaN, Inf or beyond their type's range: {_listed(bad)}.",
            "Take an earlier epoch, or train with a lower learning rate.",
        )


def _listed(keys: list[str]) -> str:
    more = len(keys) - LISTED_KEYS
    return ", ".join(keys[:LISTED_KEYS]) + (f" and {more} more" if more > 0 else "")
