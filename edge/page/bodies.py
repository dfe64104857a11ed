"""Bodies of requests, read within a size and a time, whatever their headers promise.

In: a request. Out: its bytes, or a failure before more than the limit was kept.
"""

from __future__ import annotations

import asyncio

from starlette.requests import ClientDisconnect, Request

from edge.errors import InputError
from edge.page.replies import ReplyError


async def body_within(request: Request, limit_bytes: int, patience_s: float) -> bytes:
    """The whole body.

    Args:
        request: whose body nobody has read.
        limit_bytes: the most it may have.
        patience_s: in which it must have come, seconds.

    Raises:
        ReplyError: 413 too long, 408 too slow, 400 the sender went away in the middle of it.
    """
    promised = request.headers.get("content-length", "")
    if promised.isascii() and promised.isdigit() and (len(promised) > 18 or int(promised) > limit_bytes):
        raise _too_long(limit_bytes)
    try:
        return await asyncio.wait_for(_read(request, limit_bytes), patience_s)
    except (TimeoutError, asyncio.TimeoutError) as error:  # two classes until Python 3.11
        raise ReplyError(408, InputError("The body came too slowly.", "Send it at once.", "cut_off")) from error
    except ClientDisconnect as error:
        raise ReplyError(400, InputError("The body ended too early.", "Send all of it.", "cut_off")) from error


async def _read(request: Request, limit_bytes: int) -> bytes:
    chunks, size_bytes = [], 0
    async for chunk in request.stream():
        chunks.append(chunk)
        size_bytes += len(chunk)
        if size_bytes > limit_bytes:
            raise _too_long(limit_bytes)
    return b"".join(chunks)


def _too_long(limit_bytes: int) -> ReplyError:
    return ReplyError(413, InputError(f"The body is longer than {limit_bytes} bytes.", "Send less."))
