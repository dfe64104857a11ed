"""Storage SCU: an association with a PACS, one object after the other, and what each came to.

::

    Destination --associate (TCP, TLS, presentation contexts)--> Line --C-STORE--> status --send_status.py--> Verdict

In: destination and DICOM files. Out: verdicts; a destination that cannot be reached is an error of its own. Nothing of
an object is ever logged.
"""

from __future__ import annotations

import contextlib
import io
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from edge.errors import PeerError, UsageError
from firmware_bridge.dicom.images import JPEG_BASELINE, SECONDARY_CAPTURE, uncompressed_image
from firmware_bridge.dicom.kos import KEY_OBJECTS
from firmware_bridge.dicom.outbox_study import EXPLICIT_LITTLE
from firmware_bridge.dicom.send_status import Verdict, verdict_from_status
from firmware_bridge.dicom.sr import COMPREHENSIVE_SR
from firmware_bridge.dicom.tls import TlsFiles, client_context

if TYPE_CHECKING:
    from pydicom import Dataset
    from pynetdicom.association import Association

IMPLICIT_LITTLE = "1.2.840.10008.1.2"  # every application entity takes it, PS3.5 section 10.1
PLAIN = (EXPLICIT_LITTLE, IMPLICIT_LITTLE)
CONNECT_S = 5.0  # a PACS in the same building answers in milliseconds
ASSOCIATE_S = 10.0  # for the answer to an association request, ARTIM of PS3.8 section 9.1.5
RESPONSE_S = 60.0  # for the answer to a C-STORE: an archive may compress, index and copy before it
MAX_AE = 16  # characters of an AE title, PS3.5 table 6.2-1


@dataclass(frozen=True)
class Destination:
    """Where objects go.

    Attributes:
        name: in this box's configuration and outbox.
        host: name or address.
        port: TCP.
        called: its AE title.
        calling: this box's AE title.
        tls: mutual; None: in the clear, for a network of its own only.
        tls_name: that must stand in the destination's certificate; "": its host.
        response_s: how long a C-STORE may take, seconds.
    """

    name: str
    host: str
    port: int
    called: str
    calling: str
    tls: TlsFiles | None = None
    tls_name: str = ""
    response_s: float = RESPONSE_S


class UnreachableError(PeerError):
    """A destination that takes no association now: nothing is wrong with what waits for it."""


class Line:
    """An association; `open_line` makes it."""

    def __init__(self, association: Association) -> None:
        self._association = association

    @property
    def is_up(self) -> bool:
        """Whether it takes another object."""
        return bool(self._association.is_established)

    def store(self, body: bytes) -> tuple[Verdict, int | None]:
        """Send one object.

        Args:
            body: a DICOM file.

        Returns:
            What became of it, and the status of the response; None: none came.
        """
        from pydicom import dcmread

        data: Dataset = dcmread(io.BytesIO(body))
        accepted = self._accepted(str(data.SOPClassUID))
        if not accepted:
            return Verdict.FAILED, None  # this association has no place for its class; a later one may
        if data.file_meta.TransferSyntaxUID == JPEG_BASELINE and JPEG_BASELINE not in accepted:
            data = uncompressed_image(data)
        try:
            response = self._association.send_c_store(data)  # writes implicit VR itself where only that is accepted
        except (RuntimeError, OSError):  # the peer has gone since
            return Verdict.LOST, None
        except (ValueError, AttributeError):  # no place for it, or it cannot be written: its own fault
            return Verdict.FAILED, None
        status = response.get("Status")
        return verdict_from_status(status), status

    def _accepted(self, sop_class: str) -> set[str]:
        contexts = self._association.accepted_contexts
        return {str(one.transfer_syntax[0]) for one in contexts if one.abstract_syntax == sop_class}


@contextlib.contextmanager
def open_line(destination: Destination) -> Iterator[Line]:
    """Associate with a destination; released at the end, aborted where that fails.

    Raises:
        UnreachableError: there is no connection, or it was refused.
        UsageError: an AE title is none.
        InputError: certificate, key or authority cannot be loaded.
    """
    from pynetdicom.ae import ApplicationEntity

    check_destination(destination)
    entity = ApplicationEntity(ae_title=destination.calling)
    entity.connection_timeout, entity.acse_timeout = CONNECT_S, ASSOCIATE_S
    entity.dimse_timeout = entity.network_timeout = destination.response_s
    entity.add_requested_context(SECONDARY_CAPTURE, JPEG_BASELINE)
    for sop_class in (SECONDARY_CAPTURE, COMPREHENSIVE_SR, KEY_OBJECTS):
        entity.add_requested_context(sop_class, list(PLAIN))
    try:
        association = entity.associate(
            destination.host, destination.port, ae_title=destination.called, tls_args=_secured(destination)
        )
    except OSError as error:  # the host's name is not known now
        raise _unreachable(destination) from error
    if not association.is_established:
        raise _unreachable(destination)
    try:
        yield Line(association)
    finally:
        if association.is_established:
            association.release()


def check_destination(destination: Destination) -> None:
    """Refuse what can be no destination.

    Raises:
        UsageError: an AE title or port is none.
    """
    for title in (destination.called, destination.calling):
        check_title(title)
    if not 1 <= destination.port <= 65535:
        raise UsageError(f"{destination.port} is no port.", "Use 1 to 65535; PACS often listen on 104 or 11112.")


def check_title(title: str) -> None:
    """Refuse what can be no AE title.

    Raises:
        UsageError: it is none.
    """
    if not 1 <= len(title.strip()) <= MAX_AE or not title.isascii() or not title.isprintable() or "\\" in title:
        raise UsageError(f"{title!r} is no AE title.", f"Use 1 to {MAX_AE} printable ASCII characters.")


def _secured(destination: Destination) -> tuple[ssl.SSLContext, str] | None:
    """TLS of the association: this box shows its certificate and believes one authority."""
    if destination.tls is None:
        return None
    return client_context(destination.tls), destination.tls_name or destination.host


def _unreachable(destination: Destination) -> UnreachableError:
    return UnreachableError(
        f"DICOM destination {destination.name} takes no association.", "Check that it runs and knows this box."
    )
