"""A bridge's word about its signal over the socket, and only there."""

from __future__ import annotations

import json

import pytest

from tests.edge.page.asking import Reply, ask
from tests.edge.page.conftest import Apps

NOTE = {"source": "video", "signal": "lost", "cause": "The cable is out.", "cure": "Plug it in."}


def said(apps: Apps, note: object = NOTE) -> Reply:
    body = note if isinstance(note, bytes) else json.dumps(note).encode()
    return ask(apps.unix, "POST", "/api/signal", body, host="localhost", x_token=None)


def test_a_lost_signal_reaches_the_plane_check(apps: Apps) -> None:
    assert said(apps).json == {"ok": True}
    view = apps.box.view()
    assert (view.source.signal, view.engine.cause) == ("lost", "The cable is out.")


@pytest.mark.parametrize("body", [b"", b"{", b"[]", json.dumps({**NOTE, "signal": "good"}).encode(), b"x" * 5000])
def test_what_is_no_note_is_refused(apps: Apps, body: bytes) -> None:
    reply = said(apps, body)
    assert reply.status in (400, 413)
    assert set(reply.json) == {"error", "cure", "exit_code", "word"}


def test_the_page_has_no_such_address(apps: Apps) -> None:
    assert ask(apps.tcp, "POST", "/api/signal").status == 404
