"""The page in Chromium over the real `edge serve --source demo`: shipped bundle, engine, desk, store and all."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.conftest import Made
from tests.edge.serving import captured, serving

pytestmark = pytest.mark.browser
SOME = 3  # planes that the machine captures before the user says the rest; the demo's pass takes 44 s
PASS_S = 90.0  # on a loaded machine
WAIT_MS = 15_000
READ_MS = 900  # a notice takes no tap for 0.8 s, a row no second one for 0.7 s


def test_a_newcomers_demo_runs_from_empty_to_complete(chromium: Any, shipped: Made, tmp_path: Path) -> None:
    options = ("--source", "demo", "--port", 0, "--socket", tmp_path / "api.sock")
    with serving(shipped.home, shipped.bundle, *options) as service:
        context = chromium.new_context(viewport={"width": 1024, "height": 600}, locale="en-US")
        asked: list[str] = []
        context.on("request", lambda request: asked.append(request.url))
        page = context.new_page()
        page.goto(service.ready["page"])
        page.locator("#change[open] button").wait_for(timeout=WAIT_MS)
        page.wait_for_timeout(READ_MS)
        page.locator("#change button").click()
        expect(page.locator("#notes")).to_contain_text("Demo pictures, no patient")
        kept = service.wait_view(lambda view: len(captured(view)) >= SOME and captured(view), PASS_S)

        os.kill(service.child(), signal.SIGKILL)
        service.wait_view(lambda view: view["engine"]["restarts"] == 1 and view["engine"]["ai_on"])
        assert kept.items() <= captured(service.view()).items()

        page.locator("#switch-language").click()
        expect(page.locator("html")).to_have_attribute("lang", "zh-Hans")
        page.locator("#switch-language").click()
        while (left := page.locator('.row[data-state="missing"], .row[data-state="candidate"]')).count():
            left.first.locator('[data-place="give_up"]').click()
            page.locator("#sheet .choices button", has_text="Fetal position").first.click()
            page.wait_for_timeout(READ_MS)
        expect(page.locator(".left h2")).to_contain_text("Complete", timeout=WAIT_MS)
        page.locator("#end").click()
        page.locator("#sheet .choices button", has_text="End exam").click()
        expect(page.locator("#headline")).to_have_attribute("data-kind", "ended", timeout=WAIT_MS)

        assert service.view()["exam"]["checklist"]["phase"] == "ended"
        assert [url for url in asked if not url.startswith(service.ready["page"])] == []
        context.close()
        assert service.end()[0] == 0
