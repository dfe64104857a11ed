"""`edge classify --attention DIR`: a picture a frame, named as its input, with the answer and the research-use line."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from edge.attention import overlay_from_map
from edge.captioned import png_from_picture
from edge.commands.terminal import ANSWERS
from edge.errors import UsageError
from edge.files import write_atomic

if TYPE_CHECKING:
    from edge.manifest import Manifest
    from edge.prediction import Prediction
    from edge.session import Session
    from edge.sources.frame import Frame


@dataclass
class Overlays:
    """The folder that a run of `edge classify` fills.

    Attributes:
        folder: where the pictures go.
        named: name -> the input it was given to, so that two inputs of one name get two pictures.
    """

    folder: Path
    named: dict[str, tuple[str, int]] = field(default_factory=dict)

    def save(self, session: Session, frame: Frame, prediction: Prediction) -> Path:
        """Write the map of a frame's most probable plane over the frame.

        Returns:
            The picture's path.

        Raises:
            MachineError: it cannot be written.
        """
        manifest = session.manifest
        overlay = overlay_from_map(frame.pixels, session.attention(frame.pixels, prediction.plane))
        texts = {"Title": f"{Path(frame.input).name} [{frame.index}]", "Source": manifest.name}
        texts |= {"Disclaimer": f"{manifest.notice.en} {manifest.notice.zh}", "Comment": manifest.watermark or ""}
        path = self.folder / self._name(frame)
        write_atomic(path, png_from_picture(overlay, caption_lines(prediction, manifest), texts))
        return path

    def _name(self, frame: Frame) -> str:
        stem = Path(frame.input).stem + (f"-{frame.index:05d}" if frame.index else "")
        name, turn = f"{stem}.png", 2
        while self.named.setdefault(name, (frame.input, frame.index)) != (frame.input, frame.index):
            name, turn = f"{stem}-{turn}.png", turn + 1
        return name


def overlays_from_session(session: Session, folder: Path, paths: Sequence[Path]) -> Overlays:
    """Check that a session can make maps and that the folder holds none of the inputs.

    Args:
        session: an open one.
        folder: where the pictures go; made at the first one.
        paths: the inputs, files and folders.

    Raises:
        UsageError: the bundle gives no maps, or an input could be overwritten or an overlay be read as an input.
    """
    _ = session.head  # says by itself what is missing
    target = folder.resolve()
    for path in (path.resolve() for path in paths):
        if target == path.parent or path in (target, *target.parents):
            raise UsageError(
                f"The attention maps would go among the inputs: {folder}.", "Name another folder for --attention."
            )
    return Overlays(folder)


def caption_lines(prediction: Prediction, manifest: Manifest) -> tuple[str, ...]:
    """What stands below the picture: the plane the map is of, the answer where it is another, the two warnings."""
    names = {label.id: label.en for label in manifest.labels}
    answer = "" if prediction.accepted else f"Answer: {ANSWERS[prediction.answer].split(' / ')[0]}. "
    plane = f"{answer}Most probable: {names[prediction.plane]} {prediction.probability:.2f}."
    lines = (plane, "Orange: what speaks most for it (Grad-CAM, own maximum = 1).", manifest.notice.en)
    return (*lines, manifest.watermark) if manifest.watermark else lines
