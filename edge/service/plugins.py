"""`name:rest` -> what makes it: an own factory, or one of another package's entry points.

So `firmware_bridge` adds `dicom:11112` or a sink for the cart, and the runtime imports nothing upward.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib.metadata import entry_points
from typing import Any

from edge.errors import DeviceError, UsageError


def factory_from_text(text: str, what: str, own: Mapping[str, Callable[..., Any]], group: str) -> tuple[Any, str]:
    """The factory that a text names, and the rest of the text.

    Args:
        text: "name" or "name:rest".
        what: "source" or "sink", for messages.
        own: factories of the runtime.
        group: of the entry points; an own name cannot be taken over.

    Raises:
        UsageError: nothing has that name.
        DeviceError: it is installed, but a package that it needs is not.
    """
    name, _, rest = text.partition(":")
    if name in own:
        return own[name], rest
    found = {point.name: point for point in entry_points(group=group)}
    if name not in found:
        names = ", ".join(sorted({*own, *found})) or "none is installed"
        raise UsageError(f"There is no {what} {name!r}.", f"Choose one of: {names}; write it as NAME:WHERE.")
    try:
        return found[name].load(), rest
    except ImportError as error:
        raise DeviceError(
            f"The {what} {name!r} needs a package that is not installed: {error.name or error}.",
            "Install the extra of vmamba-edge that brings it; edge doctor lists them.",
        ) from error
