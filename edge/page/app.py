"""The two apps over one plane check: for browsers over TCP, for programs over the Unix socket.

::

    GET  /  /static/...                      page (TCP)
    GET  /healthz  /metrics                  both
    GET  /api/view  /api/events  /api/live.jpg  /api/attention.png  /api/exams/{exam}/frames/{frame}.jpg
    POST /api/orders/{name}                  both
    POST /api/frames  /api/signal            socket
    GET  /api/exams  /api/exams/{exam}/report.json  /api/exams/{exam}/stored/{sequence}.jpg      socket
    POST /login                              TCP with a PIN

In: a `Bedside` and the rules of a transport. Out: an ASGI app.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp

from edge.errors import UsageError
from edge.page.api import Api
from edge.page.assets import TOKEN, asset_from_name
from edge.page.entrance import LOGIN, Entrance
from edge.page.guard import Guard
from edge.page.login import answer_to_pin, login_page
from edge.page.pin import Doorkeeper
from edge.page.replies import ReplyError, missing, own_failure, reply_from_error

Answer = Callable[[Request], Awaitable[Response]]


def app_from_api(
    api: Api, entrance: Entrance, doorkeeper: Doorkeeper | None, failed: Callable[[Exception], None]
) -> ASGIApp:
    """The app of one transport.

    Args:
        api: what the addresses do.
        entrance: rules of the transport; decides which addresses there are.
        doorkeeper: asks for the PIN; None: there is none.
        failed: told of faults of this program, which the caller is not told of.
    """
    routes = [
        *_shared_routes(api),
        *(_socket_routes(api) if entrance.is_socket else _page_routes(entrance, doorkeeper)),
    ]
    handlers = {HTTPException: _refused, ReplyError: _replied, Exception: _failed}
    app = Starlette(routes=routes, exception_handlers=handlers)  # type: ignore[arg-type]  # handlers of subclasses
    app.router.redirect_slashes = False  # an address is right or it is not
    return Guard(app, entrance, doorkeeper, failed)


def _shared_routes(api: Api) -> list[Route]:
    return [
        Route("/healthz", api.health),
        Route("/metrics", api.metrics),
        Route("/api/view", api.view),
        Route("/api/events", api.events),
        Route("/api/live.jpg", api.live),
        Route("/api/attention.png", api.attention),
        Route("/api/exams/{exam}/frames/{frame}.jpg", api.picture),
        Route("/api/orders/{name}", api.order, methods=["POST"]),
    ]


def _socket_routes(api: Api) -> list[Route]:
    return [
        Route("/api/frames", api.frame, methods=["POST"]),
        Route("/api/signal", api.signal, methods=["POST"]),
        Route("/api/exams", api.exams),
        Route("/api/exams/{exam}/report.json", api.report),
        Route("/api/exams/{exam}/stored/{sequence}.jpg", api.stored),
    ]


def _page_routes(entrance: Entrance, doorkeeper: Doorkeeper | None) -> list[Route]:
    async def page(request: Request) -> Response:
        if doorkeeper is not None and not doorkeeper.knows(request.headers.raw):
            return login_page()
        return await run_in_threadpool(_asset, "index.html", entrance.token)

    def asset(request: Request) -> Response:  # not async: the framework calls it in a thread, since a disk may be slow
        return _asset(request.path_params["name"], "")

    routes = [Route("/", page), Route("/static/{name:path}", asset)]
    if doorkeeper is not None:
        routes.append(Route(LOGIN, _login(doorkeeper), methods=["POST"]))
    return routes


def _login(doorkeeper: Doorkeeper) -> Answer:
    async def login(request: Request) -> Response:
        return await answer_to_pin(doorkeeper, request)

    return login


def _asset(name: str, token: str) -> Response:
    found = asset_from_name(name)
    if found is None:
        raise missing("page")
    data, kind = found
    return Response(data.replace(TOKEN, token.encode()) if token else data, media_type=kind)


async def _refused(request: Request, error: HTTPException) -> Response:
    """What the router says: no such address, or not this method."""
    cause = UsageError("There is no such address.", "See docs/integrator.md for those of the API.")
    if error.status_code == 405:
        cause = UsageError("The address does not take this method.", "See docs/integrator.md.")
    response = reply_from_error(ReplyError(error.status_code, cause))
    for name, value in (error.headers or {}).items():
        response.headers[name] = value
    return response


async def _replied(request: Request, error: ReplyError) -> Response:
    return reply_from_error(error)


async def _failed(request: Request, error: Exception) -> Response:
    """A fault of this program; it is raised on to the guard, which tells the service."""
    return reply_from_error(own_failure())
