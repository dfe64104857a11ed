"""Ended exams from the plane check into the outbox, over the service's Unix socket.

::

    GET /api/exams                                 which exams there are, how many events, ended or not
    GET /api/exams/{exam}/report.json              the document, after the audit chain was compared
    GET /api/exams/{exam}/stored/{sequence}.jpg    a kept picture
        --> Report --> outbox_from_exam

An exam that grew since it was put (a user corrected it) is put again; one that the service no longer has (deleted,
purged) is withdrawn from the outbox. In: the socket. Out: objects in the outbox.
"""

from __future__ import annotations

import http.client
import math
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from edge.errors import EdgeError, InputError, PeerError, UsageError
from edge.files import sha256_from_bytes
from edge.record import RecordError, json_from_bytes, record_from_json
from edge.reports.gather import Report
from edge.reports.schema_json import document_from_bytes
from firmware_bridge.dicom.outbox import Outbox
from firmware_bridge.dicom.outbox_exam import outbox_from_exam

PATIENCE_S = 30.0  # the audit chain of a full store is compared first
LOOK_BACK_S = 600.0  # a deleted exam leaves the outbox within so much
MAX_ANSWER_BYTES = 1 << 23  # as edge.store_rows.MAX_JPEG_BYTES; a document of 9 fetuses has some 200 kB

Get = Callable[[str], bytes]


class ExamFaultError(PeerError):
    """The plane check is there and fails over one exam: it is asked again, and the others are not held up."""


@dataclass(frozen=True)
class ExamMark:
    """An exam as the service lists it, without anything of its patient.

    Attributes:
        exam: id.
        events: how many it has.
        is_ended: whether it was ended.
    """

    exam: str
    events: int
    is_ended: bool


@dataclass(frozen=True)
class ExamList:
    """The answer to `GET /api/exams`: the newest exams, newest last."""

    exams: tuple[ExamMark, ...]


@dataclass
class Gatherer:
    """Puts ended exams into the outbox, each time they changed.

    Attributes:
        outbox: where they go.
        get: address -> body, from the service.
        destinations: names.
        clock: monotonic, seconds.
        given_up: exam -> events with which it could not be put; tried again when it grows or the bridge starts.
    """

    outbox: Outbox
    get: Get
    destinations: Sequence[str]
    clock: Callable[[], float]
    given_up: dict[str, int] = field(default_factory=dict)
    _looked_back_s: float = -math.inf

    def gather(self) -> tuple[int, int]:
        """Look once.

        Returns:
            How many exams were put, and how many could not be.

        Raises:
            PeerError: the service is away: try again.
            ExamFaultError: it failed over an exam: that one was passed over.
            MachineError: the outbox is full or cannot be written: try again.
        """
        put, failed, fault, listed = 0, 0, None, _exams(self.get)
        for mark in listed:
            known = max(self.outbox.events_of(mark.exam), self.given_up.get(mark.exam, 0))
            if not mark.is_ended or mark.events <= known:
                continue
            try:
                report = report_from_service(self.get, mark.exam)
                outbox_from_exam(self.outbox, report, self.destinations, events=mark.events)
                put += 1
            except ExamFaultError as error:
                fault = error
            except EdgeError as error:
                if error.exit_code == 1:  # the machine, the service: another try may find it mended
                    raise
                self.given_up[mark.exam], failed = mark.events, failed + 1
        if self.clock() - self._looked_back_s >= LOOK_BACK_S:
            self._look_back(frozenset(mark.exam for mark in listed))
            self._looked_back_s = self.clock()
        if fault is not None:
            raise fault
        return put, failed

    def _look_back(self, listed: frozenset[str]) -> None:
        """Give up what the service has given up, and names that are too old."""
        for exam in self.outbox.exams_held() - listed:
            try:
                self.get(f"/api/exams/{exam}/report.json")  # the list has the newest only
            except UsageError:
                self.outbox.withdraw(exam)
            except (InputError, ExamFaultError):  # it is there, and cannot be reported any more
                continue
        self.outbox.names.forget_old()


def report_from_service(get: Get, exam: str) -> Report:
    """An exam's document and its pictures.

    Raises:
        PeerError: the service is away.
        ExamFaultError: it fails over this exam, or a picture is not the one that the document names.
        InputError: the document is of another version.
    """
    document = document_from_bytes(get(f"/api/exams/{exam}/report.json"))
    jpegs = {}
    for picture in document.pictures:
        if picture.sequence is not None and picture.frame not in jpegs:
            jpeg = get(f"/api/exams/{exam}/stored/{picture.sequence}.jpg")
            if sha256_from_bytes(jpeg) != picture.sha256:
                raise ExamFaultError("A picture changed while the exam was read.", "It is read again.")
            jpegs[picture.frame] = jpeg
    return Report(document, jpegs)


def get_from_socket(path: Path, patience_s: float = PATIENCE_S) -> Get:
    """A function that asks the service; one connection a question, so it may be called from any thread.

    Args:
        path: of `edge serve --socket`.
        patience_s: for each answer, seconds.
    """

    def get(address: str) -> bytes:
        connection = http.client.HTTPConnection("localhost", timeout=patience_s)
        try:
            connection.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            connection.sock.settimeout(patience_s)
            connection.sock.connect(str(path))
            connection.request("GET", address)
            reply = connection.getresponse()
            body = reply.read(MAX_ANSWER_BYTES + 1)
        except (OSError, http.client.HTTPException) as error:
            raise PeerError("The plane check does not answer.", "Start `edge serve` with this socket.") from error
        finally:
            connection.close()
        if reply.status != 200 or len(body) > MAX_ANSWER_BYTES:
            raise _refused(reply.status)
        return body

    return get


def _exams(get: Get) -> tuple[ExamMark, ...]:
    try:
        return record_from_json(ExamList, json_from_bytes(get("/api/exams"))).exams
    except RecordError as error:
        raise PeerError("The plane check's list of exams was not understood.", "Install one version.") from error


def _refused(status: int) -> EdgeError:
    if status == 404:
        return UsageError("The plane check has no such exam.", "See: edge exam list.")
    if status == 400:
        return InputError("The plane check cannot report this exam.", "See: edge exam verify.")
    kind = ExamFaultError if status == 500 else PeerError
    return kind(f"The plane check answered {status}.", "It is asked again.")
