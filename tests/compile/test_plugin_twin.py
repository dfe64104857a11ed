"""The Python twin by itself, on bare classes in place of TensorRT's: attributes, and what it refuses."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from compile.kernels.plugin_twin import ScanAttributes, register_twin
from edge.errors import DeviceError, UsageError

CLASSES = ("IPluginCreatorV3One", "IPluginV3", "IPluginV3OneCore", "IPluginV3OneBuild", "IPluginV3OneRuntime")


def bare_tensorrt() -> Any:
    """As much of the module `tensorrt` as the twin touches, without any behaviour."""
    registered: list[tuple[Any, str]] = []
    registry = SimpleNamespace(register_creator=lambda creator, space: registered.append((creator, space)))

    def field(name: str, data: Any, kind: str) -> Any:
        return SimpleNamespace(name=name, data=np.frombuffer(data, np.int8) if isinstance(data, bytes) else data)

    return SimpleNamespace(
        **{name: type(name, (), {}) for name in CLASSES},
        registered=registered,
        get_plugin_registry=lambda: registry,
        PluginField=field,
        PluginFieldCollection=list,
        PluginFieldType=SimpleNamespace(INT32="INT32", CHAR="CHAR", FLOAT32="FLOAT32"),
    )


def test_it_is_registered_under_the_plugins_own_name() -> None:
    trt = bare_tensorrt()
    creator = register_twin(trt)
    assert trt.registered == [(creator, "")]
    assert (creator.name, creator.plugin_version, creator.plugin_namespace) == ("SelectiveScan2D", "1", "")


def test_what_it_serializes_makes_the_same_plugin() -> None:
    creator = register_twin(bare_tensorrt())
    plugin = creator.plugin_class(ScanAttributes((2, 1, 0), "first", (0.5, 0.25, 0.125)))
    again = creator.create_plugin("scan", plugin.clone().get_fields_to_serialize(), None)
    assert again.attributes == plugin.attributes
    assert again.timing_cache_id == plugin.timing_cache_id


def test_it_says_that_it_cannot_run() -> None:
    plugin = register_twin(bare_tensorrt()).plugin_class(ScanAttributes((0,)))
    with pytest.raises(DeviceError, match=r"only serves to build.*C\+\+ plugin"):
        plugin.attach_to_context(None).enqueue(None, None, None, None, None, None)


@pytest.mark.parametrize("attributes", [((0, 4),), ((),), ((0,), "middle"), ((0,), "last", (-1.0, 0.0, 0.0))], ids=str)
def test_attributes_that_mean_nothing_are_refused(attributes: tuple[Any, ...]) -> None:
    with pytest.raises(UsageError):
        ScanAttributes(*attributes)
