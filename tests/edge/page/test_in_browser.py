"""What only a browser decides: that the policy lets the page work, and that the login's cookie and Origin fit."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from edge.page.doors import ServerSettings
from tests.edge.page.conftest import Live, serving
from tests.edge.page.scripted_bedside import ScriptedBedside

CHROMIUM = Path("/usr/bin/chromium")

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(not CHROMIUM.exists(), reason="Chromium is not installed: apt install chromium"),
]


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as started:
        opened = started.chromium.launch(executable_path=str(CHROMIUM), args=["--no-sandbox"])
        yield opened
        opened.close()


def opened(browser: Any, url: str | None, **options: Any) -> tuple[Any, list[str]]:
    """A page of its own profile, and what it complained of."""
    page = browser.new_context(ignore_https_errors=True, **options).new_page()
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto(url)
    return page, complaints


def test_the_page_works_under_its_own_policy(browser: Any, live: Live) -> None:
    page, complaints = opened(browser, live.page.url)
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


def test_another_site_reads_and_does_nothing(browser: Any, live: Live, box: ScriptedBedside) -> None:
    with serving(box, ServerSettings(port=0)) as other:  # another port is another origin, and the same site
        page, _ = opened(browser, other.page.url, bypass_csp=True)  # a site that forbids itself nothing
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


def test_the_login_form_opens_the_page(browser: Any, box: ScriptedBedside, certificate: tuple[Path, Path]) -> None:
    cert, key = certificate
    with serving(box, ServerSettings("127.0.0.1", 0, tls_cert=cert, tls_key=key, pin="2468")) as running:
        page, complaints = opened(browser, running.page.url)
        page.fill("#pin", "1111")
        page.click("button")
        page.wait_for_selector(".wrong:visible")
        page.fill("#pin", "2468")
        page.click("button")
        page.wait_for_selector('body[data-link="ok"]')
        assert [text for text in complaints if "401" not in text] == []
        page.context.close()
