"""Write `vmamba_logits.npz`: what the authors' own code answers for weights and images that a seed determines.

    python -m tests.compile.golden.make_vmamba CHECKOUT

CHECKOUT is a working tree of github.com/MzeroMiko/VMamba (made with commit 2ed52ead062a51a64521ed3871d52914bf532876).
Weights and images come from raw PCG64 bits, whose stream numpy guarantees on every platform and
version, so the golden file holds logits and digests only.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import importlib.util
import math
import sys
import types
import warnings
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

GOLDEN = Path(__file__).with_name("vmamba_logits.npz")
SEED = 20240229
IMAGE_SHAPE = (2, 3, 96, 64)  # not square, so that rows and columns cannot be confused; the last map is 3x2
AUTHORS_NAMES = {"vmamba_t": "vmamba_tiny_s1l8", "vmamba_s": "vmamba_small_s2l15", "vmamba_b": "vmamba_base_s2l15"}
RANGES = {  # (low, high) by the end of the key; time constants from 0.3 to 60 steps, so that the scan matters
    "A_logs": (-1.0, 1.0),
    "Ds": (-1.0, 1.0),
    "dt_projs_bias": (-3.0, 1.0),
    "bias": (-0.1, 0.1),
}

Shapes = Mapping[str, tuple[int, ...]]


def uniform_from_seed(shape: tuple[int, ...], seed: int, name: str, low: float, high: float) -> NDArray[np.float32]:
    """Uniform numbers that depend on seed and name alone, (low, high)."""
    bits = np.random.PCG64([seed, zlib.crc32(name.encode())]).random_raw(math.prod(shape))
    unit = (bits >> np.uint64(11)).astype(np.float64) * 2.0**-53
    return (low + (high - low) * unit).astype(np.float32).reshape(shape)


def range_from_key(key: str, shape: tuple[int, ...]) -> tuple[float, float]:
    """The range of one weight: unit variance through every linear map, norms near 1."""
    for end, limits in RANGES.items():
        if key.endswith(end):
            return limits
    if len(shape) == 1:  # weight of a norm
        return 0.8, 1.2
    fan_in = shape[-1] if len(shape) == 3 else math.prod(shape[1:])  # (4, out, in) of the scan's projections
    return -math.sqrt(3 / fan_in), math.sqrt(3 / fan_in)


def weights_from_seed(shapes: Shapes, seed: int = SEED) -> dict[str, NDArray[np.float32]]:
    """A full state dict from its keys and shapes."""
    return {key: uniform_from_seed(shape, seed, key, *range_from_key(key, shape)) for key, shape in shapes.items()}


def images_from_seed(seed: int = SEED) -> NDArray[np.float32]:
    """The golden images, about zero mean and unit variance."""
    return uniform_from_seed(IMAGE_SHAPE, seed, "images", -math.sqrt(3), math.sqrt(3))


def keys_sha256(shapes: Shapes) -> str:
    """Digest of all names and shapes of a state dict."""
    lines = (f"{key} {'x'.join(map(str, shapes[key]))}\n" for key in sorted(shapes))
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def install_stand_ins() -> None:
    """Stand in for GPU, FLOP-counting and Mamba-2 code and timm's old layout: these models call none of it on a CPU."""
    import torch

    from compile.model.vss_block import DropPath

    def same(function: Any) -> Any:
        return function

    names = {
        "triton": {"jit": same},
        "triton.language": {"constexpr": int, "tensor": object},
        "fvcore.nn": dict.fromkeys(("FlopCountAnalysis", "flop_count_str", "flop_count", "parameter_count")),
        "mamba2.ssd_minimal": {"selective_scan_chunk_fn": None},
        "timm.models": {"register_model": same},
        "timm.models.layers": {"DropPath": DropPath, "trunc_normal_": torch.nn.init.trunc_normal_},
    }
    for name, attributes in names.items():
        module = types.ModuleType(name)
        vars(module).update(attributes)
        sys.modules.setdefault(name.split(".")[0], module)
        sys.modules[name] = module
    torch.cuda.device = lambda _: contextlib.nullcontext()  # type: ignore[assignment,misc]  # they enter it for CPU tensors too


def authors_module(path: Path, name: str) -> Any:
    """Import one of the authors' files under a name of its own."""
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def answers_from_authors(published: Any, single_file: Any, authors_name: str) -> tuple[NDArray[np.float32], str, str]:
    """Logits of the published code, its keys' digest, and the digest of the single-file variant, which must agree."""
    import torch

    model, twin = getattr(published, authors_name)().eval(), getattr(single_file, authors_name)().eval()
    shapes, twin_shapes = ({k: tuple(v.shape) for k, v in m.state_dict().items()} for m in (model, twin))
    state = {key: torch.from_numpy(value) for key, value in weights_from_seed(shapes).items()}
    images = torch.from_numpy(images_from_seed())
    with torch.inference_mode():
        model.load_state_dict(dict(state))
        twin.load_state_dict(dict(state))
        logits, twin_logits = model(images), twin(images)
    assert torch.allclose(logits, twin_logits, atol=1e-4), "the authors' two files disagree"
    return logits.numpy(), keys_sha256(shapes), keys_sha256(twin_shapes)


def main() -> None:
    """Write the golden file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkout", type=Path)
    checkout = parser.parse_args().checkout.resolve()
    warnings.simplefilter("ignore")  # the authors' code calls deprecated names of timm and torch
    install_stand_ins()
    sys.path.insert(0, str(checkout / "classification" / "models"))
    published = authors_module(checkout / "classification" / "models" / "vmamba.py", "published")
    single_file = authors_module(checkout / "vmamba.py", "single_file")
    golden: dict[str, Any] = {}
    for name, authors_name in AUTHORS_NAMES.items():
        logits, keys, single_file_keys = answers_from_authors(published, single_file, authors_name)
        golden |= {f"{name}.logits": logits, f"{name}.keys": keys, f"{name}.single_file_keys": single_file_keys}
        print(name, "logits: std", logits.std(), "difference of the two images", abs(logits[0] - logits[1]).max())
    np.savez(GOLDEN, **golden)


if __name__ == "__main__":
    main()
