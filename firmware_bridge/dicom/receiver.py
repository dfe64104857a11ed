"""Storage and verification as a server: what a scanner sends goes to the spool, or is refused with the reason's number.

::

    C-STORE -> in memory -> cut to the ultrasound region -> spool, durable -> 0000H success
    C-ECHO  -> 0000H

Statuses (PS3.4 table B.2-1, PS3.7 annex C): A700H disk or spool full, A900H the object is not what its request says,
C000H not readable or without an ultrasound region, 0111H another object has this identifier.
"""

from __future__ import annotations

import contextlib
import struct
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from edge.errors import EdgeError, MachineError, UsageError
from firmware_bridge.address import can_be_asked_for
from firmware_bridge.dicom.received import NoRegionError, Received, received_from_bytes
from firmware_bridge.dicom.spool import SameNameError, Spool

if TYPE_CHECKING:
    import ssl

    from pynetdicom import AE
    from pynetdicom.events import Event, EventHandlerType

    from firmware_bridge.dicom.door import Door

SUCCESS, SAME_NAME, FULL, MISMATCH, UNREADABLE = 0x0000, 0x0111, 0xA700, 0xA900, 0xC000
STORED = (
    "1.2.840.10008.5.1.4.1.1.6.1",  # Ultrasound Image Storage
    "1.2.840.10008.5.1.4.1.1.3.1",  # Ultrasound Multi-frame Image Storage
    "1.2.840.10008.5.1.4.1.1.7",  # Secondary Capture Image Storage
)
WELL_RECEIVED = ("stored", "known")
VERIFICATION = "1.2.840.10008.1.1"
PLAIN = ("1.2.840.10008.1.2.1", "1.2.840.10008.1.2")  # little-endian, explicit and implicit
ASK_S = 3.0  # for the request, which is here already when an association begins
IDLE_S = 30.0  # of an association; a scanner opens a new one
OBJECT_BYTES = 128 << 20  # 50 colour or 160 gray frames of 1024x768
ALL_BYTES = 256 << 20  # those that are decoded are in memory twice; the unit has 1 GB
DECODED_AT_ONCE = 4  # frames of 4K RGB take some 130 MB each; more threads would wait for two cores anyway
STOP_S = 3.0


@dataclass(frozen=True)
class ReceiverSettings:
    """Where and for whom.

    Attributes:
        host: to listen on.
        port: 0 takes a free one.
        ae_title: own title.
        is_own_title_asked: refuse associations that call another title.
        callers: titles that may call; empty: any.
        object_bytes: of one object at most.
    """

    host: str = "127.0.0.1"
    port: int = 11112
    ae_title: str = "VMAMBA_EDGE"
    is_own_title_asked: bool = False
    callers: tuple[str, ...] = ()
    object_bytes: int = OBJECT_BYTES


class Reception:
    """What came in; its methods may be called from any thread.

    Attributes:
        counts: by what became of them: stored, known, and the refused ones by reason.
    """

    def __init__(
        self,
        spool: Spool,
        on_object: Callable[[str], None],
        on_study: Callable[[Received], None] = lambda received: None,
    ) -> None:
        """Receive into a spool.

        Args:
            spool: open.
            on_object: told "stored", "known" or why one was refused, one word each.
            on_study: shown each object that is kept, before it is acknowledged, and none that is refused; may raise a
                MachineError, and the scanner sends the object again.
        """
        self.counts: Counter[str] = Counter()
        self._spool, self._on_object, self._on_study = spool, on_object, on_study
        self._turn = threading.Lock()
        self._places = threading.BoundedSemaphore(DECODED_AT_ONCE)

    def store(self, event: Event) -> int:
        """C-STORE; the status."""
        word, status = self._stored(event)
        with self._turn:
            self.counts[word] += 1
        self._on_object(word)
        return status

    def _stored(self, event: Event) -> tuple[str, int]:
        request: Any = event.request
        asked = (str(request.AffectedSOPClassUID), str(request.AffectedSOPInstanceUID))
        try:
            parts = (file_start(str(event.context.transfer_syntax)), request.DataSet.getbuffer())
            with self._places, received_from_bytes(*parts) as received:
                if received.uids != asked or asked[0] != event.context.abstract_syntax:
                    return "mismatch", MISMATCH
                is_new = self._spool.put(received.frames(), received.head)
                self._on_study(received)
        except SameNameError:
            return "same_name", SAME_NAME
        except (MachineError, MemoryError, OSError):
            return "full", FULL
        except NoRegionError:
            return "no_region", UNREADABLE
        except EdgeError:
            return "unreadable", UNREADABLE
        except Exception:  # noqa: BLE001  # whatever a stranger's bytes do to a decoder; the scanner keeps the object
            return "failed", UNREADABLE
        return ("stored" if is_new else "known"), SUCCESS


def file_start(syntax: str) -> bytes:
    """Preamble and the meta information that a reader of the dataset needs: its transfer syntax.

    Source: PS3.10 section 7.1.
    """
    uid = syntax.encode("ascii") + b"\0" * (len(syntax) % 2)
    element = struct.pack("<HH2sH", 0x0002, 0x0010, b"UI", len(uid)) + uid
    return bytes(128) + b"DICM" + struct.pack("<HH2sHI", 0x0002, 0x0000, b"UL", 4, len(element)) + element


def transfer_syntaxes() -> tuple[str, ...]:
    """Uncompressed ones, and the compressed ones that an installed decoder reads."""
    from pydicom.pixels.decoders.base import get_decoder
    from pydicom.uid import AllTransferSyntaxes

    found = []
    for uid in AllTransferSyntaxes:
        with contextlib.suppress(NotImplementedError):
            if uid.is_encapsulated and get_decoder(uid).is_available:
                found.append(str(uid))
    return (*PLAIN, *found)


@contextlib.contextmanager
def open_receiver(settings: ReceiverSettings, reception: Reception, tls: ssl.SSLContext | None) -> Iterator[Door]:
    """Listen until the end of the block.

    Args:
        settings: where.
        reception: what becomes of objects.
        tls: of the server; None: plain.

    Raises:
        UsageError: a title or the host is none.
        MachineError: the port cannot be had.
    """
    from pynetdicom import evt

    from firmware_bridge.dicom.door import Budget, Door, note_answered, note_asked

    if not can_be_asked_for(settings.host):
        raise UsageError(f"{settings.host!r} is no host.", "Give --host an address of this machine.")
    handlers: list[EventHandlerType] = [
        (evt.EVT_C_STORE, reception.store),
        (evt.EVT_C_ECHO, lambda event: SUCCESS),
        (evt.EVT_DIMSE_RECV, note_asked),
        (evt.EVT_DIMSE_SENT, note_answered),
    ]
    entity = _entity(settings)
    budget = Budget(settings.object_bytes, max(ALL_BYTES, settings.object_bytes))
    try:
        door = Door(entity, (settings.host, settings.port), handlers, tls, budget)
    except OSError as error:
        cure = "Stop what listens there, or choose another --port or --host."
        raise MachineError(f"Port {settings.port} of {settings.host}: {error.strerror}.", cure) from error
    entity._servers.append(door)  # as start_server does: its shutdown takes it out again
    thread = threading.Thread(target=door.serve_forever, args=(0.1,), name="dicom-door", daemon=True)
    with door.lobby:
        thread.start()
        try:
            yield door
        finally:
            door.shutdown()
            thread.join()
            _end_associations(door)


def _entity(settings: ReceiverSettings) -> AE:
    from pynetdicom import AE

    from firmware_bridge.dicom.door import MAX_PDU_BYTES, SLOTS

    try:
        entity = AE(settings.ae_title)
        entity.require_calling_aet = list(settings.callers)
    except (ValueError, TypeError) as error:
        raise UsageError("An AE title is not valid.", "Give 1 to 16 characters, no backslash.") from error
    entity.require_called_aet = settings.is_own_title_asked
    entity.maximum_associations = SLOTS + 1  # the door counts
    entity.maximum_pdu_size = MAX_PDU_BYTES
    entity.acse_timeout, entity.dimse_timeout, entity.network_timeout = ASK_S, IDLE_S, IDLE_S
    syntaxes = list(transfer_syntaxes())
    for stored in STORED:
        entity.add_supported_context(stored, syntaxes)
    entity.add_supported_context(VERIFICATION, list(PLAIN))
    return entity


def _end_associations(door: Door) -> None:
    """Let objects that are being written be finished; then cut."""
    for assoc in door.active_associations:
        assoc.abort(block=False)
    for assoc in door.active_associations:
        assoc.join(STOP_S)
