"""What `--explain DIR` leaves behind: the stages' files, a table of every quantized tensor, and a picture of it."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path

from calibration.artifact import Artifact
from calibration.table import Range, load_table
from edge.files import write_atomic

SHOWN = 40  # tensors in the picture; the table has all


def explained(stages: Mapping[str, Artifact], name: str, folder: Path) -> None:
    """Write the folder.

    Args:
        stages: files of a compilation, finished or refused.
        name: of the model.
        folder: is made; gets the ONNX files, `layers.md` and `layers.png`.

    Raises:
        MachineError: the folder cannot be written.
    """
    write_atomic(folder / "layers.md", _page(stages, name).encode())
    for artifact in stages.values():
        write_atomic(folder / artifact.path.name, artifact.path.read_bytes())
    if ranges := _ranges(stages):
        write_atomic(folder / "layers.png", _picture(ranges))


def _ranges(stages: Mapping[str, Artifact]) -> list[tuple[str, Range]]:
    if "calibrate" not in stages:
        return []
    return sorted(load_table(stages["calibrate"].path).ranges.items(), key=lambda item: -item[1].error)


def _page(stages: Mapping[str, Artifact], name: str) -> str:
    lines = [
        f"# {name}: how it was compiled",
        "",
        "Error: of the worst layer that reads the tensor, in units of that layer's output, on a few images.",
        "",
        "| tensor | range +- | method | error |",
        "|---|---|---|---|",
    ]
    lines += [f"| {tensor} | {r.amax:.4g} | {r.method} | {r.error:.4f} |" for tensor, r in _ranges(stages)]
    return "\n".join(lines) + "\n"


def _picture(ranges: list[tuple[str, Range]]) -> bytes:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    shown = ranges[:SHOWN][::-1]
    figure = Figure(figsize=(8, 1 + 0.2 * len(shown)), layout="constrained")
    axes = FigureCanvasAgg(figure).figure.subplots()
    axes.barh([name for name, _ in shown], [entry.error for _, entry in shown])
    axes.set_xlabel("quantization error / signal of the worst layer that reads the tensor")
    axes.tick_params(labelsize=6)
    stream = io.BytesIO()
    figure.savefig(stream, format="png", dpi=120)
    return stream.getvalue()
