"""The outermost layer of an app: who may come in, what every answer carries, and no failure without an answer.

::

    request -> Entrance -> Doorkeeper (PIN) -> app -> + security headers -> answer

In: an ASGI app and the rules of its transport. Out: an ASGI app.
Source: W3C Content Security Policy Level 3; OWASP Secure Headers Project.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from edge.page.entrance import Entrance
from edge.page.pin import Doorkeeper
from edge.page.replies import ReplyError, own_failure, reply_from_error

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; font-src 'self'; "
    "img-src 'self' blob:; manifest-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)  # blob: the live picture is fetched with its number and shown from memory
HEADERS: Mapping[str, str] = {
    "cache-control": "no-store",
    "content-security-policy": POLICY,
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), display-capture=(), geolocation=(), microphone=(), payment=(), usb=()",
    "referrer-policy": "same-origin",  # "no-referrer" would make the login form's Origin "null" (Fetch, 3.2)
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
}
RAW_HEADERS = [(name.encode(), value.encode()) for name, value in HEADERS.items()]


class Guard:
    """An app behind its entrance."""

    def __init__(
        self,
        app: ASGIApp,
        entrance: Entrance,
        doorkeeper: Doorkeeper | None,
        failed: Callable[[Exception], None],
    ) -> None:
        """Put the guard before an app.

        Args:
            app: the API.
            entrance: rules of the transport.
            doorkeeper: asks for a PIN; None: nobody does.
            failed: told of what the app raises and did not mean to.
        """
        self._app = app
        self._entrance = entrance
        self._doorkeeper = doorkeeper
        self._failed = failed

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request; WebSockets are not spoken."""
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1003})
            return
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = False

        async def guarded_send(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                message = {**message, "headers": [*message["headers"], *RAW_HEADERS]}
            await send(message)

        try:
            self._entrance.check(scope["method"], scope["path"], scope["headers"])
            if self._doorkeeper is not None:
                self._doorkeeper.check(scope["path"], scope["headers"])
            await self._app(scope, receive, guarded_send)
        except ReplyError as refusal:
            if not started:
                await reply_from_error(refusal)(scope, receive, guarded_send)
        except Exception as error:  # noqa: BLE001  # whatever it is, the service lives and nobody sees a traceback
            self._failed(error)
            if not started:
                await reply_from_error(own_failure())(scope, receive, guarded_send)
