"""Debian's Chromium, once a file, and the page over a scene in a fresh profile.

Where Chromium or Playwright is missing the tests are skipped, and fail where CI promises them.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import absent
from tests.edge.page.browser.scene import Scene, playing

CHROMIUM = Path("/usr/bin/chromium")
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]  # in a container, as root
CART = (1024, 600)
TICK_S = 0.05  # live frames twenty times a second: the exam wants several of a plane


@dataclass
class Bed:
    """The page and what stands behind it.

    Attributes:
        scene: the plane check.
        page: of Playwright.
        port: of the service.
        doors: close it and the service is gone.
        foreign: addresses outside the box that the page asked for; must stay empty.
        faults: errors of the page's own code and of its security policy; must stay empty.
    """

    scene: Scene
    page: Any
    port: int
    doors: contextlib.ExitStack
    foreign: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)

    def row(self, plane: str) -> Any:
        """A row of the list that is shown."""
        return self.page.locator(f'.row[data-plane="{plane}"]')

    def place(self, plane: str, name: str) -> Any:
        """One of the three buttons of a row: "confirm", "reassign", "give_up"."""
        return self.row(plane).locator(f'[data-place="{name}"]')

    def state(self, plane: str, state: str) -> None:
        """Wait for a row's state."""
        from playwright.sync_api import expect

        expect(self.row(plane)).to_have_attribute("data-state", state)

    def headline(self, kind: str) -> None:
        """Wait for what the large letters say."""
        from playwright.sync_api import expect

        expect(self.page.locator("#headline")).to_have_attribute("data-kind", kind, timeout=8000)

    def choose(self, text: str) -> None:
        """Tap a button of the dialog."""
        self.page.locator("#sheet .choices button", has_text=text).first.click()


Opener = Callable[..., Bed]


@pytest.fixture(scope="module")  # while it is there an event loop runs in this thread, and no other one may
def chromium() -> Iterator[Any]:
    """The browser."""
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        absent("playwright is not installed: pip install playwright")
    if not CHROMIUM.is_file():
        absent(f"{CHROMIUM} is not there: apt-get install chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def bed(chromium: Any) -> Iterator[Opener]:
    """Open the page: bed(scene=None, size=CART, locale="en-US", **context) -> Bed."""
    with contextlib.ExitStack() as stack:
        opened: list[Bed] = []

        def opener(scene: Scene | None = None, size: tuple[int, int] = CART, locale: str = "en-US", **more: Any) -> Bed:
            scene = scene or Scene(tick_s=TICK_S)
            doors = stack.enter_context(contextlib.ExitStack())
            box = doors.enter_context(playing(scene))
            context = chromium.new_context(viewport={"width": size[0], "height": size[1]}, locale=locale, **more)
            stack.callback(context.close)
            made = Bed(scene, context.new_page(), box.port or 0, doors)
            _watch(made, context, str(box.url))
            opened.append(made)
            made.page.goto(str(box.url))
            return made

        yield opener
        for made in opened:
            assert made.foreign == []
            assert made.faults == []


def _watch(made: Bed, context: Any, url: str) -> None:
    """Count what leaves the box, and what goes wrong inside the page."""

    def seen(request: Any) -> None:
        if not request.url.startswith(url):
            made.foreign.append(request.url)

    def said(message: Any) -> None:
        if message.type in ("error", "warning") and "status of" not in message.text and "net::ERR" not in message.text:
            made.faults.append(message.text)

    context.on("request", seen)
    made.page.on("console", said)
    made.page.on("pageerror", lambda error: made.faults.append(str(error)))
