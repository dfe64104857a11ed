"""Which extra brings which package, and how to install one: every cure says the same, and what works.

The package is on no index: it is installed from its source folder, or from a wheel that was built there.
"""

from __future__ import annotations

EXTRAS = {
    "onnx": "device",
    "cyclonedx": "serve",
    "packageurl": "serve",
    "av": "video",
    "reportlab": "serve",
    "starlette": "serve",
    "uvicorn": "serve",
    "torch": "compile",
    "safetensors": "compile",
    "onnxscript": "compile",
    "sklearn": "compile",
    "matplotlib": "compile",
    "timm": "train",
    "torchvision": "train",
    "serial": "bridge",
    "google": "bridge",
    "pynetdicom": "bridge",
    "highdicom": "bridge",
}  # top-level module -> extra that brings it
SOURCE_EXTRAS = {"camera": "video", "video": "video", "folder": "video"}  # kind of source -> what it needs besides

UPGRADE_CURE = "Upgrade the runtime: in a newer source folder of vmamba-edge, pip install '.'"


def install_cure(*extras: str, pip: str = "pip") -> str:
    """How to install this package with extras.

    Args:
        extras: each may come twice.
        pip: command of the environment.
    """
    named = f"[{','.join(dict.fromkeys(extras))}]" if extras else ""
    return f"In the source folder of vmamba-edge: {pip} install '.{named}'"


def extras_from_source(source: str) -> tuple[str, ...]:
    """What a service with this source needs.

    Args:
        source: as `edge serve --source` takes it; another package's own source names its needs itself.
    """
    kind = source.partition(":")[0]
    return ("serve", *((SOURCE_EXTRAS[kind],) if kind in SOURCE_EXTRAS else ()))
