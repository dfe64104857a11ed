"""What does not change while a plane check runs: the bundle, the protocol of new exams, the source, who examines."""

from __future__ import annotations

from dataclasses import dataclass

from edge.exam_marks import Marks
from edge.manifest import Manifest, Notice
from edge.protocol import Protocol


@dataclass(frozen=True)
class BedsideFacts:
    """Of one run of the service; `run_service` makes it of a verified bundle and its settings.

    Attributes:
        run: new with every start, letters and digits: names of frames begin with it, so that none comes twice.
        digest: of the bundle, hexadecimal.
        manifest: of the bundle whose signature was checked.
        notices: what a person must be told (`edge.loading.notices_from_bundle`).
        protocol: of exams that are opened; one that goes on keeps its own.
        operator: id of who examines, or "": nobody was picked.
        source: kind of the frames' source, e.g. "camera".
        is_demo: the frames are synthetic or a slideshow of stored images.
        credit: attribution of a demo's images; "" otherwise.
        scanner: its model, for frames that do not tell; "" where it is not known.
    """

    run: str
    digest: str
    manifest: Manifest
    notices: tuple[Notice, ...]
    protocol: Protocol
    operator: str
    source: str
    is_demo: bool
    credit: str
    scanner: str

    def covered(self, protocol: Protocol) -> tuple[str, ...]:
        """Planes of a protocol that the bundle answers."""
        return protocol.coverage_from_labels([label.id for label in self.manifest.planes]).covered

    def is_measured_on(self, scanner: str) -> bool | None:
        """Whether the bundle was measured on a scanner model; None where the model is not known."""
        return self.manifest.is_measured_on(scanner) if scanner else None

    def marks(self, source: str, machine: str) -> Marks:
        """What stands beside every result of an exam.

        Args:
            source: kind of the source of its first frame, or "": the service's own.
            machine: scanner model as that frame tells, or "".
        """
        scanner, kind = machine or self.scanner, source or self.source
        return Marks(
            self.manifest.name, self.manifest.watermark, kind, self.is_demo, self.credit,
            scanner, self.is_measured_on(scanner),
        )  # fmt: skip
