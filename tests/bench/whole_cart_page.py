"""The page in headless Chromium, with a user who acknowledges what covers it, and a count of what went wrong in it."""

from __future__ import annotations

import threading
import time
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any

from tests.conftest import absent

CHROMIUM = Path("/usr/bin/chromium")
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]  # in a container, as root
LOOK_MS = 200
OPEN_S = 60.0
FRESH_S = 1.5  # a view comes each second at least
SILENT = ("", "ai_off", "link_lost", "no_signal", "connecting", "source_ended", "idle")
COUNT = """(() => {
  const Own = window.EventSource;
  window.seen = {views: 0, at: 0};
  window.EventSource = class extends Own {
    constructor(...words) {
      super(...words);
      this.addEventListener("view", () => { window.seen.views += 1; window.seen.at = Date.now(); });
    }
  };
})()"""
LOOK = """() => ({...window.seen, age_ms: Date.now() - window.seen.at,
  kind: document.getElementById("headline")?.dataset.kind ?? ""})"""


class Page:
    """A page that is open for as long as the block runs; a context manager.

    Attributes:
        views: that came to it.
        taps: how often its user acknowledged a change.
        faults: errors of its own code and of its security policy.
        foreign: addresses outside the box that it asked for.
        headline: kind of what stands there in the largest letters.
        view_s: when its last view came, monotonic.
    """

    def __init__(self, address: str) -> None:
        """Nothing is opened.

        Args:
            address: of the page.
        """
        self.views = self.taps = 0
        self.faults: list[str] = []
        self.foreign: list[str] = []
        self.headline, self.view_s = "", 0.0
        self._address = address
        self._ends, self._is_open = threading.Event(), threading.Event()
        self._errors: list[BaseException] = []
        self._thread = threading.Thread(target=self._run, name="page", daemon=True)

    def __enter__(self) -> Page:
        if not CHROMIUM.is_file():
            absent(f"{CHROMIUM} is not there: apt-get install chromium")
        self._thread.start()
        self._is_open.wait(OPEN_S)
        self.check()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ends.set()
        self._thread.join()

    def check(self) -> None:
        """Raise what ended the browser."""
        if self._errors:
            raise self._errors[0]

    def is_well(self, after_s: float) -> bool:
        """Whether it shows a view from after a moment, and an answer."""
        now_s = time.monotonic()
        return self.headline not in SILENT and self.view_s > max(after_s, now_s - FRESH_S)

    def figures(self) -> dict[str, Any]:
        """Counts."""
        return {"views": self.views, "taps": self.taps, "faults": self.faults, "foreign_requests": self.foreign}

    def _run(self) -> None:
        try:
            from playwright.sync_api import Error, sync_playwright

            with sync_playwright() as playwright:
                browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=FLAGS)
                context = browser.new_context(viewport={"width": 1024, "height": 600}, locale="en-US")
                context.add_init_script(COUNT)
                page = context.new_page()
                self._listen(context, page)
                page.goto(self._address)
                before = 0
                while not self._ends.is_set():
                    with suppress(Error):  # while it reloads there is nothing to look at
                        before = self._look(page, before)
                    page.wait_for_timeout(LOOK_MS)
                browser.close()
        except BaseException as error:  # noqa: BLE001  # raised where somebody asks for the page
            self._errors.append(error)
        finally:
            self._is_open.set()

    def _look(self, page: Any, before: int) -> int:
        """Note what it shows, and tap what covers it; its own count of views."""
        seen = page.evaluate(LOOK)
        views = int(seen["views"])
        self.views += views - before if views >= before else views  # a page that reloaded counts anew
        self.headline, self.view_s = seen["kind"], time.monotonic() - seen["age_ms"] / 1e3
        if views:
            self._is_open.set()
        button = page.locator("#change[open] button")
        if button.count():
            page.wait_for_timeout(900)  # the notice takes no tap for 0.8 s
            button.click(timeout=1000)
            self.taps += 1
        return views

    def _listen(self, context: Any, page: Any) -> None:
        def requested(request: Any) -> None:
            if not request.url.startswith(self._address):
                self.foreign.append(request.url)

        def said(message: Any) -> None:
            is_of_network = "status of" in message.text or "net::ERR" in message.text
            if message.type in ("error", "warning") and not is_of_network:
                self.faults.append(message.text)

        context.on("request", requested)
        page.on("console", said)
        page.on("pageerror", lambda error: self.faults.append(str(error)))
