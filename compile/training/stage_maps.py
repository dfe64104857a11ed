"""A classifier of any kind -> the maps behind its stages, seen while it runs. Nothing of it stays in the model."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from torch import Tensor, nn

from compile.model.comparators import Comparator
from compile.model.mspanet import MSPANet
from compile.model.students import Student
from compile.model.vmamba import VMamba

STRIDES = (4, 8, 16, 32)  # input pixels a pixel of the stages' maps


def stages_of(model: nn.Module) -> tuple[tuple[nn.Module, bool], ...]:
    """The modules whose outputs are the stages' maps, and whether these have channels last; none where unknown."""
    if isinstance(model, Student):
        return tuple((stage, index >= 2) for index, stage in enumerate(model.stages))
    if isinstance(model, VMamba):
        return tuple((stage.blocks, True) for stage in model.layers)  # type: ignore[misc]  # a ModuleList's items
    if isinstance(model, MSPANet):
        return tuple((stage, False) for stage in model.layers)
    if isinstance(model, Comparator):
        last = {entry["reduction"]: entry["module"] for entry in model.net.feature_info}
        return tuple((model.net.get_submodule(last[stride]), model.channels_last) for stride in STRIDES)
    return ()


@contextmanager
def recorded_maps(model: nn.Module) -> Iterator[list[Tensor]]:
    """Collect the stages' maps of the calls inside.

    Args:
        model: one that `stages_of` knows.

    Yields:
        Gets (B,dim,S/4,S/4) ... (B,dim,S/32,S/32) with each call.
    """
    maps: list[Tensor] = []

    def hook(channels_last: bool) -> Any:
        def record(_module: nn.Module, _args: Any, output: Tensor) -> None:
            maps.append(output.permute(0, 3, 1, 2) if channels_last else output)

        return record

    handles = [module.register_forward_hook(hook(last)) for module, last in stages_of(model)]
    try:
        yield maps
    finally:
        for handle in handles:
            handle.remove()
