"""What `edge serve` was asked for, checked as far as it can be before anything is opened."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from edge.audit import OPERATOR
from edge.errors import InputError, UsageError
from edge.exam_keys import ExamKey, key_from_texts
from edge.service.orders import OpenExam, order_from_json
from edge.service.roi import Roi

DEMO = "demo"  # the source whose frames are made up or stored: synthetic wherever a result of it stands


@dataclass(frozen=True)
class ServiceSettings:
    """For one run of the service.

    Attributes:
        bundle: the .edge file.
        home: the keyring's folder; exams lie below it unless `store` says otherwise.
        source: a text as of `edge.service.source`.
        protocol: name of a protocol of the runtime, or path of a .toml file; None: the bundle's own.
        roi: what is kept of every frame; None: see `edge.service.roi`.
        scanner: its model, for sources whose frames do not tell; "" where it is not known.
        sinks: texts as of `edge.service.sink`.
        host: where the page is bound; elsewhere than loopback only with TLS and a PIN.
        port: of the page; None: no page.
        tls_cert: PEM file, with `tls_key`.
        tls_key: PEM file.
        pin_file: a file with 4 to 12 digits.
        socket: of the local API; None: none.
        store: the exam store; None: the device's own, or for a demo a temporary one.
        encrypt: a store that is made now is encrypted.
        keep: exams go by themselves when their last event is older; None: they stay.
        operator: id of who examines; "" for nobody.
        key: patient and study of the exam to open at the start; None: the user opens one.
        threads: of the engine.
        seed: of a source that draws by chance.
        pause_s: between two stills of a folder, seconds.
    """

    bundle: Path
    home: Path
    source: str
    protocol: str | None = None
    roi: Roi | None = None
    scanner: str = ""
    sinks: tuple[str, ...] = ()
    host: str = "127.0.0.1"
    port: int | None = None
    tls_cert: Path | None = None
    tls_key: Path | None = None
    pin_file: Path | None = None
    socket: Path | None = None
    store: Path | None = None
    encrypt: bool = False
    keep: timedelta | None = None
    operator: str = ""
    key: ExamKey | None = None
    threads: int = 2
    seed: int = 0
    pause_s: float = 1.0

    @property
    def is_demo(self) -> bool:
        """Whether the frames are a demo's."""
        return self.source.partition(":")[0] == DEMO

    @property
    def opening(self) -> OpenExam | None:
        """The order that opens the exam of the start."""
        return None if self.key is None else OpenExam(self.operator, self.key.patient, self.key.study, 1)


def operator_from_text(text: str) -> str:
    """An operator's id, or "".

    Raises:
        UsageError: it is none.
    """
    if text and not OPERATOR.fullmatch(text):
        raise UsageError(f"{text!r} is no operator's id.", "Use letters, digits, dot, dash and underscore.")
    return text


def key_from_options(patient: str, study: str) -> ExamKey | None:
    """Patient and study as typed; None where both are empty.

    Raises:
        UsageError: one is too long or holds control characters.
    """
    key = key_from_texts(patient, study)
    try:
        order_from_json("open", {"by": "", "patient": patient, "study": study, "fetuses": 1})
    except InputError as error:
        raise UsageError("--patient or --study is no id of an exam.", "Use at most 64 letters and digits.") from error
    return key
