"""The plane check's local API, as a bridge calls it: HTTP over its Unix socket, answers read strictly.

::

    view, order, put_frame --one connection, opened again where it is old--> the service
    events                 --a connection of its own, opened again for ever--> View | None

In: values. Out: views, or an error that says who can act: `PeerError` where the service is away or silent (try again),
any other where it refused (do not). A client belongs to one thread; open another one for another thread.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from edge.errors import DeviceError, EdgeError, GateError, InputError, MachineError, PeerError, TrustError, UsageError
from edge.record import RecordError, json_from_bytes, record_from_json
from edge.service.view import SCHEMA, View

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from edge.exam_keys import ExamKey
    from edge.service.signal_note import SignalNote

PATIENCE_S = 10.0  # for one answer; an order is durable in some ms, a full queue of stills takes longer
IDLE_S = 5.0  # the service ends an idle connection after 10 s; a request must not meet that end
SILENCE_S = 2.0  # the service sends a view at least each second; silent for longer is lost (docs/integrator.md)
RETRY_S = 0.25  # between two tries to open the stream: well below the two seconds of "AI off"
MAX_ANSWER_BYTES = 4 << 20  # a view of 9 fetuses with 21 planes has some 100 kB
KINDS: Mapping[int, type[EdgeError]] = {
    1: MachineError,
    2: UsageError,
    3: InputError,
    4: DeviceError,
    5: GateError,
    6: TrustError,
}  # exit code -> class; the answer names no class


class ServiceClient:
    """A context manager; nothing is opened before the first call."""

    def __init__(self, path: Path, patience_s: float = PATIENCE_S, clock: Callable[[], float] = time.monotonic) -> None:
        """Talk to the service behind a socket.

        Args:
            path: of `edge serve --socket`.
            patience_s: for each answer, seconds.
            clock: monotonic, seconds.
        """
        self._path = path
        self._patience_s = patience_s
        self._clock = clock
        self._connection: _UnixConnection | None = None
        self._used_s = 0.0

    def __enter__(self) -> ServiceClient:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection; the next call opens one."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def view(self) -> View:
        """Everything to show, now.

        Raises:
            PeerError: the service is away, silent, or says what this version does not know.
        """
        return view_from_json(self._request("GET", "/api/view"))

    def order(self, name: str, fields: Mapping[str, object], press: str = "", until_s: float | None = None) -> View:
        """Give an order; returns when it is durable.

        Args:
            name: of `edge.service.orders.ORDERS`.
            fields: exactly the order's, "by" included.
            press: the same whenever it is sent again: carried out once; letters, digits, dashes; "": none.
            until_s: of the clock of both (CLOCK_BOOTTIME): the service carries it out no later; None: whenever it can.

        Raises:
            PeerError: the service is away: whether it took the order is not known.
            EdgeError: it refused, with its own cause and cure.
        """
        headers = {"X-Press": press.encode(), "X-Until": b"" if until_s is None else f"{until_s:.3f}".encode()}
        answer = self._request("POST", f"/api/orders/{name}", json.dumps(fields).encode(), headers)
        return view_from_json(answer.get("view") if isinstance(answer, dict) else None)

    def put_frame(
        self,
        pixels: NDArray[np.uint8],
        source: str,
        key: ExamKey | None = None,
        machine: str = "",
        is_still: bool = False,
    ) -> bool:
        """Hand a frame over.

        Args:
            pixels: (H,W) gray or (H,W,3) RGB; already cut to what may be kept.
            source: kind of the bridge, 1 to 16 letters a-z.
            key: patient and study; None: the frame goes to the exam that a person opened.
            machine: scanner model, or "".
            is_still: somebody sent this very picture; it waits while the queue is full.

        Returns:
            Whether it was taken.

        Raises:
            PeerError: the service is away: whether it took the frame is not known.
            EdgeError: it refused, with its own cause and cure.
        """
        import numpy as np

        height, width = pixels.shape[:2]
        texts = {
            "Width": str(width),
            "Height": str(height),
            "Channels": "1" if pixels.ndim == 2 else "3",
            "Source": source,
            "Machine": machine,
            "Patient": key.patient if key else "",
            "Study": key.study if key else "",
            "Still": "1" if is_still else "0",
        }
        headers = {f"X-{name}": text.encode() for name, text in texts.items()}
        body = np.ascontiguousarray(pixels).reshape(-1).data
        answer = self._request("POST", "/api/frames", body, headers)
        taken = answer.get("taken") if isinstance(answer, dict) else None
        if not isinstance(taken, bool):
            raise _nonsense("it does not say whether it took a frame")
        return taken

    def tell_signal(self, note: SignalNote) -> None:
        """Say what the bridge knows of its signal.

        Args:
            note: with texts of at most 200 characters.

        Raises:
            PeerError: the service is away.
            EdgeError: it refused, e.g. since its frames come from elsewhere.
        """
        fields = {"source": note.source, "signal": note.signal.value, "cause": note.cause, "cure": note.cure}
        self._request("POST", "/api/signal", json.dumps(fields).encode())

    def events(self, silence_s: float = SILENCE_S) -> Iterator[View | None]:
        """Views as they change, at least one a second, for ever.

        Args:
            silence_s: after which the service is taken for lost, seconds.

        Yields:
            A view, or None each time the service is away or silent: whoever shows results shows "AI off" then.
        """
        while True:
            try:
                yield from _views(self._path, silence_s, self._clock)
            except (OSError, http.client.HTTPException, EdgeError):  # a refusal too: too many pages are open
                yield None
                time.sleep(RETRY_S)

    def _request(
        self,
        method: str,
        address: str,
        body: bytes | memoryview | None = None,
        headers: Mapping[str, bytes] | None = None,
    ) -> Any:
        if self._connection is not None and self._clock() - self._used_s > IDLE_S:
            self.close()
        if self._connection is None:
            self._connection = _UnixConnection(self._path, self._patience_s)
        try:
            self._connection.request(method, address, body, dict(headers or {}))
            reply = self._connection.getresponse()
            content = reply.read(MAX_ANSWER_BYTES + 1)
        except (OSError, http.client.HTTPException) as error:
            self.close()
            raise _away(self._path, error) from error
        self._used_s = self._clock()
        if reply.status != 200 or len(content) > MAX_ANSWER_BYTES:
            self.close()
        return _answer(reply.status, content)


class _UnixConnection(http.client.HTTPConnection):
    """HTTP over a Unix socket."""

    def __init__(self, path: Path, patience_s: float) -> None:
        super().__init__("localhost", timeout=patience_s)
        self._path = path

    def connect(self) -> None:
        """Open it, the time-out included."""
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        try:
            self.sock.connect(str(self._path))
        except OSError:
            self.close()
            raise


def view_from_json(data: object) -> View:
    """Read a view.

    Args:
        data: parsed JSON.

    Raises:
        PeerError: it is none, or one of another version of this package.
    """
    schema = data.get("schema") if isinstance(data, dict) else None
    if schema != SCHEMA:
        raise _nonsense(f"its view has schema {schema!r}, expected {SCHEMA}")
    try:
        return record_from_json(View, data)
    except RecordError as error:
        raise _nonsense(f"its view is not valid: {error}") from error


def _views(path: Path, silence_s: float, clock: Callable[[], float]) -> Iterator[View]:
    """Views of one connection, until it ends, or until this side slept: then what waits is old, and does not say so."""
    with contextlib.closing(_UnixConnection(path, silence_s)) as connection:
        connection.request("GET", "/api/events")
        reply = connection.getresponse()
        if reply.status != 200:
            _answer(reply.status, reply.read(MAX_ANSWER_BYTES))
        read_s = clock()
        while line := reply.readline(MAX_ANSWER_BYTES):
            if clock() - read_s > silence_s:
                raise _nonsense("its views were not read in time")
            read_s = clock()
            if not line.endswith(b"\n"):
                raise _nonsense("an event is too long or cut off")
            if line.startswith(b"data: "):
                yield view_from_json(_json(line[len(b"data: ") :]))
    raise _nonsense("its stream ended")


def _answer(status: int, content: bytes) -> Any:
    data = _json(content)
    if status == 200:
        return data
    told = data if isinstance(data, dict) else {}
    cause, cure, code = (told.get(name) for name in ("error", "cure", "exit_code"))
    if not isinstance(cause, str) or not isinstance(cure, str) or not isinstance(code, int) or code not in KINDS:
        raise _nonsense(f"it answered {status} without a cause")
    raise KINDS[code](cause, cure)


def _json(content: bytes) -> Any:
    try:
        return json_from_bytes(content)
    except RecordError as error:
        raise _nonsense(f"its answer is {error}") from error


def _away(path: Path, error: Exception) -> PeerError:
    reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return PeerError(
        f"The plane check does not answer at {path}: {reason}.", "Start `edge serve ... --socket PATH` with this path."
    )


def _nonsense(what: str) -> PeerError:
    return PeerError(
        f"The plane check was not understood: {what}.", "Install the same version of vmamba-edge on both sides."
    )
