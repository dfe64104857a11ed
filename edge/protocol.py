"""Scan protocols: which planes an examination asks for, and which of them a model's labels answer.

In: `edge/protocols/NAME.toml`. Out: `Protocol`; with a model's labels: its `Coverage` for the manifest. A label answers
a plane only where the file says so: names that look alike are often different planes.
"""

from __future__ import annotations

import sys
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from edge.errors import UsageError
from edge.manifest import Coverage, Label
from edge.record import RecordError, record_from_json

FOLDER = Path(__file__).parent / "protocols"


@dataclass(frozen=True)
class Plane:
    """One plane of a protocol.

    Attributes:
        id: unique in the protocol.
        en: English name.
        zh: Chinese name.
        region: part of the body, groups the checklist.
        required: whether a complete examination has it.
        source: where the definition stands.
        labels: model labels that answer it.
    """

    id: str
    en: str
    zh: str
    region: str
    required: bool
    source: str
    labels: tuple[str, ...]


@dataclass(frozen=True)
class Protocol:
    """An ordered list of planes.

    Attributes:
        refused: labels in data sets whose images are no plane of this protocol and should be refused.
    """

    id: str
    en: str
    zh: str
    source: str
    refused: tuple[str, ...]
    planes: tuple[Plane, ...]

    def plane_from_label(self, label: str) -> Plane | None:
        """The plane that a model's label answers, or None."""
        return next((plane for plane in self.planes if label in plane.labels), None)

    def coverage_from_labels(self, labels: Collection[str]) -> Coverage:
        """Which planes a model with these labels can and cannot answer."""
        covered = tuple(plane.id for plane in self.planes if set(plane.labels) & set(labels))
        return Coverage(self.id, covered, tuple(plane.id for plane in self.planes if plane.id not in covered))

    def label_from_id(self, label: str) -> Label:
        """A model's label with its names; the id itself where no plane knows it."""
        plane = self.plane_from_label(label)
        return Label(label, plane.en, plane.zh) if plane else Label(label, label, label)


def protocol_names() -> tuple[str, ...]:
    """Names of the protocols that come with the runtime."""
    return tuple(sorted(file.stem for file in FOLDER.glob("*.toml")))


def load_protocol(name: str) -> Protocol:
    """A protocol of the runtime.

    Raises:
        UsageError: there is none of that name.
    """
    if name not in protocol_names():
        raise UsageError(f"There is no protocol {name!r}.", f"Choose one of: {', '.join(protocol_names())}.")
    return protocol_from_text((FOLDER / f"{name}.toml").read_text("utf-8"))


def protocol_from_name(name: str) -> Protocol:
    """A protocol of the runtime, or of an own file.

    Args:
        name: of one of the runtime's, or the path of a .toml file.

    Raises:
        UsageError: there is none, or it is not valid.
    """
    if not name.endswith(".toml"):
        if name in protocol_names():
            return load_protocol(name)
        raise UsageError(
            f"There is no protocol {name!r}.", f"Choose one of: {', '.join(protocol_names())}; or give a .toml file."
        )
    try:
        return protocol_from_text(Path(name).read_text("utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"The protocol file {name} cannot be read.", "Correct the path; write it in UTF-8.") from error


def protocol_from_text(text: str) -> Protocol:
    """Parse a protocol.

    Raises:
        UsageError: it is not valid, or a plane or label occurs twice.
    """
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib
    try:
        protocol = record_from_json(Protocol, tomllib.loads(text))
    except (tomllib.TOMLDecodeError, RecordError) as error:
        raise UsageError(f"The protocol is not valid: {error}.", "Compare it with edge/protocols/demo.toml.") from error
    for what, names in (
        ("plane", [plane.id for plane in protocol.planes]),
        ("label", [label for plane in protocol.planes for label in plane.labels]),
    ):
        if twice := {name for name in names if names.count(name) > 1}:
            raise UsageError(f"The protocol names {what} {min(twice)!r} twice.", "Name each once.")
    return protocol
