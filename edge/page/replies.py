"""What the API answers: JSON, and every failure as one line of cause and one of cure.

In: a value, or an error of `edge/errors.py`. Out: a response; none holds a traceback, a path or an address of the box.
"""

from __future__ import annotations

import json
from typing import Any

from starlette.responses import Response

from edge.errors import EdgeError, InputError, MachineError, UsageError

JSON_TYPE = "application/json"


class ReplyError(Exception):
    """A request that is answered with this failure at once.

    Args:
        status: HTTP status.
        error: what is wrong, why and the cure.
        retry_after_s: when another try makes sense; None: no hint.
    """

    def __init__(self, status: int, error: EdgeError, retry_after_s: int | None = None) -> None:
        super().__init__(str(error))
        self.status = status
        self.error = error
        self.retry_after_s = retry_after_s


def utf8_from_json(value: Any) -> bytes:
    """JSON on one line, Chinese as it is.

    A text may hold half a surrogate pair, which no UTF-8 has: Python makes one of every byte of a file name that is no
    UTF-8 (a folder that was written under GBK). It becomes JSON's own escape: one such name must not silence the page.
    """
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return text.encode("utf-8", "backslashreplace")


def reply_from_json(value: Any, status: int = 200) -> Response:
    """JSON as a response.

    ASCII, since a text that somebody sent may come back in an error and hold half a surrogate pair, which no UTF-8 has.
    """
    body = json.dumps(value, separators=(",", ":"), allow_nan=False).encode("ascii")
    return Response(body, status, media_type=JSON_TYPE)


def reply_from_error(error: ReplyError) -> Response:
    """A failure as a response; the connection ends with it, since a body may be left that nobody reads."""
    told = error.error
    fields = {"error": told.cause, "cure": told.cure, "exit_code": told.exit_code, "word": told.word}
    response = reply_from_json(fields, error.status)
    response.headers["connection"] = "close"
    if error.retry_after_s is not None:
        response.headers["retry-after"] = str(error.retry_after_s)
    return response


def failed_order(error: EdgeError) -> ReplyError:
    """An order that was not carried out."""
    if isinstance(error, InputError):
        return ReplyError(400, error)
    if isinstance(error, UsageError):
        return ReplyError(409, error)
    return ReplyError(507, error) if isinstance(error, MachineError) else ReplyError(503, error)


def failed_engine(error: EdgeError) -> ReplyError:
    """A map that cannot be made now."""
    return ReplyError(409 if isinstance(error, UsageError) else 503, error)


def missing(what: str) -> ReplyError:
    """There is no such thing."""
    return ReplyError(404, UsageError(f"There is no such {what}.", "See docs/integrator.md for what the API has."))


def own_failure() -> ReplyError:
    """A fault of this program; what it was goes to the service's own log, never to whoever asked."""
    cure = "Try again; if it comes back, restart the service and report it. The exam is stored."
    return ReplyError(500, MachineError("The service failed at this request.", cure, "service_failed"))
