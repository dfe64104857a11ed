"""What only a browser decides: that the policy lets the page work, and that the login's cookie and Origin fit."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from edge.page.doors import ServerSettings
from tests.edge.page.conftest import Live, serving
from tests.edge.page.scripted_bedside import ScriptedBedside

pytestmark = pytest.mark.browser


def opened(chromium: Any, url: str | None, **options: Any) -> tuple[Any, list[str]]:
    """A page of its own profile, and what it complained of."""
    page = chromium.new_context(ignore_https_errors=True, **options).new_page()
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto(url)
    return page, complaints


def test_the_page_works_under_its_own_policy(chromium: Any, live: Live) -> None:
    page, complaints = opened(chromium, live.page.url)
    page.wait_for_selector('body[data-link="ok"]')
    status = page.evaluate(
        """async (exam) => {
            const token = document.querySelector('meta[name="token"]').content;
            const body = JSON.stringify({ by: "", exam });
            return (await fetch("/api/orders/pause", { method: "POST", headers: { "X-Token": token }, body })).status;
        }""",
        live.box.view().exam.checklist.exam,  # type: ignore[union-attr]  # the fixture opened one
    )
    assert (status, complaints) == (200, [])
    page.context.close()


def test_another_site_reads_and_does_nothing(chromium: Any, live: Live, box: ScriptedBedside) -> None:
    with serving(box, ServerSettings(port=0)) as other:  # another port is another origin, and the same site
        page, _ = opened(chromium, other.page.url, bypass_csp=True)  # a site that forbids itself nothing
        address = f"http://127.0.0.1:{live.page.port}/api/"
        asked = """async ([url, options]) => { try { return (await fetch(url, options)).status } catch { return 0 } }"""
        exam = live.box.open()
        order = {"method": "POST", "body": json.dumps({"by": "", "exam": exam})}
        assert page.evaluate(asked, [address + "view", {}]) == 0
        for extra in ({}, {"mode": "no-cors"}, {"headers": {"X-Token": live.page.token}}):
            assert page.evaluate(asked, [address + "orders/pause", {**order, **extra}]) == 0
        shown = """(url) => new Promise((end) => {
            const image = new Image();
            image.onload = () => end(1);
            image.onerror = () => end(0);
            image.src = url;
        })"""
        assert page.evaluate(shown, address + "live.jpg") == 0
        page.context.close()
    assert live.box.orders == []


def test_the_login_form_opens_the_page(chromium: Any, box: ScriptedBedside, certificate: tuple[Path, Path]) -> None:
    cert, key = certificate
    with serving(box, ServerSettings("127.0.0.1", 0, tls_cert=cert, tls_key=key, pin="2468")) as running:
        page, complaints = opened(chromium, running.page.url)
        page.fill("#pin", "1111")
        page.click("button")
        page.wait_for_selector(".wrong:visible")
        page.fill("#pin", "2468")
        page.click("button")
        page.wait_for_selector('body[data-link="ok"]')
        assert [text for text in complaints if "401" not in text] == []
        page.context.close()
