"""Device runtime: one signed bundle in, an answer for every ultrasound frame out, offline.

::

    from edge import open_session

    with open_session("planes.edge", threads=2) as session:
        prediction = session.classify(frame)      # uint8 (H,W) or (H,W,3)

Importing this package loads nothing else; each name below is imported when it is first used.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from edge.prediction import Prediction
    from edge.session import Session, open_session

__version__ = "0.1.0"
__all__ = ["Prediction", "Session", "__version__", "open_session"]

# From 1.29 on, ONNX Runtime's wheels for Linux keep an identifier of the machine and send to their maker which models
# run, unless this stands in the environment before they are loaded. Nothing leaves the box.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"

_HOMES = {"open_session": "edge.session", "Session": "edge.session", "Prediction": "edge.prediction"}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module 'edge' has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(_HOMES[name]), name)
