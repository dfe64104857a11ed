"""Modality worklist: who is scheduled, asked from a worklist server; what it says is read as a stranger's.

::

    C-FIND (date, modality, station) --> answers, as bytes --> WorklistEntry, texts flagged where they are not certain

Source: PS3.4 annex K.
"""

from __future__ import annotations

import re
import socket
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from edge.errors import InputError, PeerError, UsageError
from edge.exam_keys import MAX_KEY_LENGTH
from firmware_bridge.address import can_be_asked_for
from firmware_bridge.dicom.texts import (
    Text,
    bytes_from_element,
    charsets_from_dataset,
    person_from_text,
    text_from_bytes,
)

if TYPE_CHECKING:
    import ssl

    from pydicom import Dataset

FIND = "1.2.840.10008.5.1.4.31"  # Modality Worklist Information Model - FIND
PENDING = (0xFF00, 0xFF01)
MAX_TEXT_BYTES = 2048  # three groups of 64 characters have some 800 in any character set
MAX_ENTRIES = 500  # a room has some 40 a day; more is a query without a date
PATIENCE_S = 10.0  # for each answer
LONGEST_S = 60.0  # for all of them
ADDRESS = re.compile(r"(?P<host>[^:\s]+|\[[0-9A-Fa-f:.]+\]):(?P<port>[0-9]{1,5})(:(?P<title>[^\\\x00-\x1f]{1,16}))?")


@dataclass(frozen=True)
class PeerAddress:
    """Another application entity.

    Attributes:
        host: name or address.
        port: TCP.
        ae_title: its own.
        tls_name: that its certificate must have; "": its host.
    """

    host: str
    port: int
    ae_title: str
    tls_name: str = ""

    def secured(self, tls: ssl.SSLContext | None) -> tuple[ssl.SSLContext, str] | None:
        """What pynetdicom wants of TLS; None: plain."""
        return None if tls is None else (tls, self.tls_name or self.host)


@dataclass(frozen=True)
class Question:
    """What to ask for; an empty text matches all.

    Attributes:
        date: YYYYMMDD, or a range YYYYMMDD-YYYYMMDD.
        modality: "US".
        station: title of the scanner.
    """

    date: str = ""
    modality: str = "US"
    station: str = ""


@dataclass(frozen=True)
class WorklistEntry:
    """One scheduled examination.

    Attributes:
        patient: Patient ID (0010,0020).
        name: Patient's Name (0010,0010), all its groups.
        person: the name to show; the raw value where it is flagged.
        study: Study Instance UID (0020,000D).
        accession: Accession Number (0008,0050).
        birth_date: YYYYMMDD or "".
        date: scheduled, YYYYMMDD.
        time: scheduled, HHMMSS.
        modality: of the step.
        description: of the requested procedure.
        charsets: as the server declared them; empty: it did not.
    """

    patient: Text
    name: Text
    person: str
    study: str
    accession: Text
    birth_date: str
    date: str
    time: str
    modality: str
    description: Text
    charsets: tuple[str, ...]


def peer_from_text(text: str, tls_name: str = "") -> PeerAddress:
    """`HOST:PORT[:AE]`, the title ANY-SCP where none is given.

    Raises:
        UsageError: it is none.
    """
    from firmware_bridge.dicom.send import check_title

    found = ADDRESS.fullmatch(text)
    if found is None or not 1 <= int(found["port"]) <= 65535 or not can_be_asked_for(found["host"]):
        raise UsageError(f"{text!r} is no address.", "Give HOST:PORT:AE_TITLE.")
    title = (found["title"] or "ANY-SCP").strip()
    check_title(title)
    return PeerAddress(found["host"].strip("[]"), int(found["port"]), title, tls_name)


def check_reached(peer: PeerAddress) -> None:
    """pynetdicom 3.0.4 leaves a socket open where nobody listens.

    Raises:
        PeerError: nobody does.
    """
    try:
        socket.create_connection((peer.host, peer.port), PATIENCE_S).close()
    except OSError as error:
        cause = f"Nobody answers at {peer.host}:{peer.port}."
        raise PeerError(cause, "Check address and port, and that the other side runs.") from error


def load_worklist(
    peer: PeerAddress, question: Question, ae_title: str, tls: ssl.SSLContext | None
) -> tuple[WorklistEntry, ...]:
    """Ask a worklist server.

    Args:
        peer: the server.
        question: what to ask for.
        ae_title: own title.
        tls: of a client; None: plain.

    Raises:
        PeerError: it is away, refuses, or fails in the middle: half a list is none.
        InputError: it has more than MAX_ENTRIES.
    """
    from pynetdicom import AE, _config

    _config.LOG_RESPONSE_IDENTIFIERS = False  # it would log names, and decode them before we have their bytes
    entity = AE(ae_title)
    entity.acse_timeout = entity.dimse_timeout = entity.network_timeout = entity.connection_timeout = PATIENCE_S
    entity.add_requested_context(FIND)
    check_reached(peer)
    assoc = entity.associate(peer.host, peer.port, ae_title=peer.ae_title, tls_args=peer.secured(tls))
    if not assoc.is_established:
        raise PeerError("The worklist server does not answer, or refuses.", "Check address, AE titles and TLS.")
    try:
        found = tuple(_entries(assoc.send_c_find(_identifier(question), FIND), time.monotonic))
    except BaseException:
        assoc.abort()  # it may have more to say
        raise
    assoc.release()
    return found


def entry_from_dataset(answer: Dataset) -> WorklistEntry:
    """Read an answer whose texts nobody has decoded yet."""
    charsets = charsets_from_dataset(answer)
    steps = answer.get("ScheduledProcedureStepSequence") or ()
    step = steps[0] if steps else None
    name = _said(answer, "PatientName", charsets)
    return WorklistEntry(
        patient=_said(answer, "PatientID", charsets),
        name=name,
        person=name.text if name.is_flagged else person_from_text(name.text),
        study=_plain(answer, "StudyInstanceUID"),
        accession=_said(answer, "AccessionNumber", charsets),
        birth_date=_plain(answer, "PatientBirthDate"),
        date=_plain(step, "ScheduledProcedureStepStartDate"),
        time=_plain(step, "ScheduledProcedureStepStartTime"),
        modality=_plain(step, "Modality"),
        description=_said(answer, "RequestedProcedureDescription", charsets),
        charsets=charsets,
    )


def opening_from_entry(entry: WorklistEntry) -> dict[str, object]:
    """Fields of the order `open` for a scheduled examination.

    Raises:
        InputError: its Patient ID is not certain, or it names neither patient nor study.
    """
    if entry.patient.is_flagged or len(entry.patient.text) > MAX_KEY_LENGTH:
        raise InputError("The entry's Patient ID cannot be read for certain.", "Type the id that the scanner sends.")
    if not entry.patient.text and not entry.study:
        raise InputError("The entry names neither patient nor study.", "Ask who keeps the worklist.")
    return {"by": "", "patient": entry.patient.text, "study": entry.study, "fetuses": 1}


def _entries(answers: Iterator[tuple[Dataset, Dataset | None]], clock: Callable[[], float]) -> Iterator[WorklistEntry]:
    status, end_s = None, clock() + LONGEST_S
    for number, (state, answer) in enumerate(answers):
        status = state.get("Status")
        if status not in PENDING:
            continue
        if number >= MAX_ENTRIES:
            raise InputError(f"The worklist has more than {MAX_ENTRIES} entries.", "Ask for one day.")
        if clock() > end_s:
            raise PeerError(f"The worklist is not complete after {LONGEST_S:.0f} s.", "Ask for one day.")
        yield _entry(answer)
    if status != 0:  # an empty status is a broken connection
        told = "nothing" if status is None else f"status {status:04X}H"
        raise PeerError(f"The worklist server ended with {told}.", "Try again; look at the server.")


def _entry(answer: Dataset | None) -> WorklistEntry:
    """An answer that cannot be read is none to leave out: half a list is none."""
    try:
        if answer is None:
            raise ValueError("pynetdicom could not decode it")
        return entry_from_dataset(answer)
    except Exception as error:  # whatever a stranger's bytes do to a decoder
        raise PeerError("An entry of the worklist cannot be read.", "Look at the worklist server.") from error


def _identifier(question: Question) -> Dataset:
    """Matching keys with a value, return keys without."""
    from pydicom import Dataset

    step, asked = Dataset(), Dataset()
    step.ScheduledProcedureStepStartDate, step.Modality = question.date, question.modality
    step.ScheduledStationAETitle = question.station
    step.ScheduledProcedureStepStartTime = ""
    for name in (
        *("PatientName", "PatientID", "PatientBirthDate", "StudyInstanceUID", "AccessionNumber"),
        *("RequestedProcedureID", "RequestedProcedureDescription"),
    ):
        setattr(asked, name, "")
    asked.ScheduledProcedureStepSequence = [step]
    return asked


def _said(answer: Dataset, name: str, charsets: tuple[str, ...]) -> Text:
    """A text; flagged and cut where it is longer than any can be."""
    raw = bytes_from_element(answer, name)
    found = text_from_bytes(raw[:MAX_TEXT_BYTES], charsets)
    return Text(found.text, found.is_flagged or len(raw) > MAX_TEXT_BYTES)


def _plain(answer: Dataset | None, name: str) -> str:
    """A value of ASCII alone: a date, a code, a UID."""
    raw = bytes_from_element(answer, name) if answer is not None else b""
    found = text_from_bytes(raw, ())
    return "" if found.is_flagged or len(found.text) > MAX_KEY_LENGTH else found.text
