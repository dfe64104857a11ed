"""What the API does, one method an address; who may call it was decided before (`edge/page/guard.py`).

In: requests. Out: responses, made of what the `Bedside` says. Calls into it run in threads (`edge/page/lanes.py`).
"""

from __future__ import annotations

import asyncio
import math
import re
from collections.abc import Callable
from functools import partial

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from edge.errors import EdgeError, ImageError, InputError, TrustError, UsageError
from edge.page.bodies import body_within
from edge.page.frames import MAX_FRAME_BYTES, frame_from_bytes, head_from_headers
from edge.page.lanes import Lanes
from edge.page.repeats import Repeats
from edge.page.replies import (
    JSON_TYPE,
    ReplyError,
    failed_engine,
    failed_order,
    missing,
    reply_from_json,
    utf8_from_json,
)
from edge.page.stream import Views
from edge.record import RecordError, json_from_bytes, json_from_record
from edge.service.bedside import Bedside
from edge.service.exam_reports import ExamReports
from edge.service.metrics_text import CONTENT_TYPE
from edge.service.orders import Order, order_from_json
from edge.service.signal_note import note_from_json

MAX_ORDER_BYTES = 4096  # the longest order has 200 characters of reason and some ids
ORDER_PATIENCE_S = 5.0  # for its body to come
FRAME_PATIENCE_S = 10.0  # 4K RGB over a local socket takes some 20 ms; a bridge that was stopped must not hold a place
FRAMES_AT_ONCE = 2  # bodies in memory for each of live frames and stills; others wait, unread
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,127}")  # ids of exams and frames; no personal data is in them
NUMBER = re.compile(r"-1|[0-9]{1,18}")
SEQUENCE = re.compile(r"[1-9][0-9]{0,8}")  # of an event in its exam
UNTIL = re.compile(r"[0-9]{1,10}(\.[0-9]{1,6})?")  # seconds of the clock


class Api:
    """The addresses below /api, and what machines ask of a service."""

    def __init__(
        self,
        bedside: Bedside,
        views: Views,
        lanes: Lanes,
        clock: Callable[[], float],
        reports: ExamReports | None = None,
    ) -> None:
        """Answer for a plane check.

        Args:
            bedside: the plane check.
            views: its event stream.
            lanes: threads to call it in.
            clock: monotonic, seconds: when a frame came, until when an order holds.
            reports: of its stored exams; None: it tells of none.
        """
        self._bedside = bedside
        self._reports = reports
        self._views = views
        self._lanes = lanes
        self._clock = clock
        self._places = {still: asyncio.Semaphore(FRAMES_AT_ONCE) for still in (False, True)}
        self._map: asyncio.Future[bytes] | None = None
        self._repeats = Repeats()

    async def health(self, request: Request) -> Response:
        """That the process answers; whether the AI is on stands in the view."""
        return reply_from_json({"ok": True})

    async def metrics(self, request: Request) -> Response:
        """Prometheus text."""
        text = await self._lanes.run("quick", self._bedside.metrics)
        return Response(text, media_type=CONTENT_TYPE)

    async def view(self, request: Request) -> Response:
        """Everything to show, now."""
        view = await self._lanes.run("quick", self._bedside.view)
        return Response(utf8_from_json(json_from_record(view)), media_type=JSON_TYPE)

    async def events(self, request: Request) -> Response:
        """Views as they change; a HEAD has no stream."""
        if request.method == "HEAD":
            return Response(media_type="text/event-stream")
        if self._views.is_full:
            raise ReplyError(503, UsageError("Too many pages are open.", "Close one of them."), 5)
        return StreamingResponse(self._views.events(), media_type="text/event-stream")

    async def live(self, request: Request) -> Response:
        """The newest live frame, where it is newer than the caller's."""
        after = request.query_params.get("after", "-1")
        if NUMBER.fullmatch(after) is None:
            raise ReplyError(400, InputError("'after' is no number of a frame.", "Send the last X-Frame, or -1."))
        newest = await self._lanes.run("quick", lambda: self._bedside.live_jpeg(int(after)))
        if newest is None:
            return Response(status_code=204)
        number, jpeg = newest
        return Response(jpeg, media_type="image/jpeg", headers={"X-Frame": str(number)})

    async def attention(self, request: Request) -> Response:
        """The map over the newest frame; who asks while one is made gets that one."""
        if self._map is None:
            work = self._lanes.run("engine", self._bedside.attention_png)
            self._map = asyncio.ensure_future(work)
            self._map.add_done_callback(self._forget_map)
        try:
            png = await asyncio.shield(self._map)
        except EdgeError as error:
            raise failed_engine(error) from error
        return Response(png, media_type="image/png")

    async def picture(self, request: Request) -> Response:
        """JPEG of a stored capture."""
        exam, frame = (request.path_params[name] for name in ("exam", "frame"))
        if NAME.fullmatch(exam) is None or NAME.fullmatch(frame) is None:
            raise missing("picture")
        try:
            jpeg = await self._lanes.run("store", lambda: self._bedside.picture(exam, frame))
        except UsageError as error:
            raise ReplyError(404, error) from error
        except EdgeError as error:
            raise failed_order(error) from error
        return Response(jpeg, media_type="image/jpeg")

    async def order(self, request: Request) -> Response:
        """What the user said, once however often it is sent; answered when it is durable, with the view after it."""
        body = await body_within(request, MAX_ORDER_BYTES, ORDER_PATIENCE_S)
        try:
            order = order_from_json(request.path_params["name"], json_from_bytes(body))
            until_s = _until_from_text(request.headers.get("x-until", ""))
            carry_out = partial(self._lanes.run, "store", partial(self._carry_out, order, until_s))
            await self._repeats.once(request.headers.get("x-press", ""), carry_out)
        except RecordError as error:
            cause = InputError(f"The order is {error}.", "Send one JSON object; fields as in docs/integrator.md.")
            raise ReplyError(400, cause) from error
        except EdgeError as error:
            raise failed_order(error) from error
        view = await self._lanes.run("quick", self._bedside.view)
        return Response(utf8_from_json({"view": json_from_record(view)}), media_type=JSON_TYPE)

    def _carry_out(self, order: Order, until_s: float) -> None:
        """In a thread; a press that lay in a socket while this process stood still is about another picture."""
        if self._clock() > until_s:
            raise UsageError("The order came too late.", "Give it again, if it still holds.")
        self._bedside.carry_out(order)

    async def frame(self, request: Request) -> Response:
        """A picture of a bridge, as old as its first byte here; one with a name is answered when it is settled."""
        captured_s = self._clock()
        try:
            head = head_from_headers(request.headers.raw)
            async with self._places[head.is_still]:
                body = await body_within(request, MAX_FRAME_BYTES, FRAME_PATIENCE_S)
                frame = frame_from_bytes(head, body, captured_s)
                lane = "stills" if head.is_still else "live"
                if head.name:
                    taken, settled = await self._lanes.run(lane, lambda: self._bedside.settle_frame(frame))
                    return reply_from_json({"taken": taken, "settled": settled})
                taken = await self._lanes.run(lane, lambda: self._bedside.put_frame(frame))
        except ImageError as error:
            raise ReplyError(400, error) from error
        except EdgeError as error:
            raise failed_order(error) from error
        return reply_from_json({"taken": taken})

    async def signal(self, request: Request) -> Response:
        """What a bridge says of its signal."""
        body = await body_within(request, MAX_ORDER_BYTES, ORDER_PATIENCE_S)
        try:
            note = note_from_json(json_from_bytes(body))
            await self._lanes.run("quick", lambda: self._bedside.tell_signal(note))
        except RecordError as error:
            cause = InputError(f"The signal is {error}.", "Send one JSON object; fields as in docs/integrator.md.")
            raise ReplyError(400, cause) from error
        except EdgeError as error:
            raise failed_order(error) from error
        return reply_from_json({"ok": True})

    async def exams(self, request: Request) -> Response:
        """Which exams are stored."""
        return Response(await self._reported(lambda reports: reports.exams()), media_type=JSON_TYPE)

    async def report(self, request: Request) -> Response:
        """What an exam came to."""
        exam = request.path_params["exam"]
        if NAME.fullmatch(exam) is None:
            raise missing("exam")
        return Response(await self._reported(lambda reports: reports.report(exam)), media_type=JSON_TYPE)

    async def stored(self, request: Request) -> Response:
        """JPEG of an event, of an exam that is ended as well."""
        exam, sequence = (request.path_params[name] for name in ("exam", "sequence"))
        if NAME.fullmatch(exam) is None or SEQUENCE.fullmatch(sequence) is None:
            raise missing("picture")
        jpeg = await self._reported(lambda reports: reports.stored(exam, int(sequence)))
        return Response(jpeg, media_type="image/jpeg")

    async def _reported(self, ask: Callable[[ExamReports], bytes]) -> bytes:
        reports = self._reports
        if reports is None:
            raise missing("exam")
        try:
            return await self._lanes.run("reports", lambda: ask(reports))
        except UsageError as error:
            raise ReplyError(404, error) from error
        except TrustError as error:  # what the exam holds cannot be told; another try finds the same
            raise ReplyError(400, error) from error
        except EdgeError as error:
            raise failed_order(error) from error

    def _forget_map(self, done: asyncio.Future[bytes]) -> None:
        self._map = None
        if not done.cancelled():
            done.exception()  # looked at, in case everybody who asked has gone


def _until_from_text(text: str) -> float:
    """Of X-Until; without one an order holds whenever it is carried out."""
    if text and UNTIL.fullmatch(text) is None:
        raise ReplyError(400, InputError("X-Until is not valid.", "Send seconds of CLOCK_BOOTTIME, e.g. 1234.5."))
    return float(text) if text else math.inf
