"""Makes docs/pictures/page-*.png: the page in each of its states, over a scripted plane check.

    python -m tests.edge.page.browser.pictures [--out docs/pictures] [--only exam]

The sample images are real (their credit stands on the page), the answers are scripted: whoever shows one of these
pictures says so. There is none of the map, which only an engine can make.
"""

from __future__ import annotations

import argparse
import io
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from edge.errors import MachineError
from edge.exam_events import NotObtainable
from edge.files import write_atomic
from tests.edge.page.browser.conftest import CART, CHROMIUM, FLAGS
from tests.edge.page.browser.scene import Scene, playing
from tests.edge.page.scripted_bedside import WALL
from tests.edge.page.scripted_states import DEVELOPMENT

PHONE, WIDE = (390, 844), (1920, 1080)
SETTLED_MS = 700  # views come ten times a second; pictures and thumbnails after them
LAST_MS = 350  # a candidate lasts half a second
COLOURS = 256


@dataclass(frozen=True)
class Shot:
    """One picture: `docs/pictures/page-NAME.png`.

    Attributes:
        set_up: what the plane check is doing.
        act: what the user does then.
        last: what happens just before the picture.
    """

    name: str
    set_up: Callable[[Scene], object]
    act: Callable[[Any], object] = lambda page: None
    last: Callable[[Scene], object] = lambda scene: None
    size: tuple[int, int] = CART
    locale: str = "en-US"


def _exam(scene: Scene, fetuses: int = 1) -> str:
    """In the midst: captured, confirmed, weak, not obtainable, missing, and one that is seen."""
    exam = scene.open("P-20417", "US-8831", fetuses, "li.wei")
    scene.scan("femur")
    scene.keeps("thorax", low_quality=True, confidence="medium")
    scene.fold(NotObtainable(exam, time.monotonic(), WALL, "li.wei", "profile_standard", 1, "fetal_position"))
    scene.scan("brain_transthalamic", probability=0.7)
    scene.sees("abdomen")
    return exam


def _midst(**changes: Any) -> Callable[[Scene], object]:
    def set_up(scene: Scene) -> None:
        _exam(scene)
        scene.show(**changes)

    return set_up


def _answer(answer: str | None, picture: str) -> Callable[[Scene], object]:
    def set_up(scene: Scene) -> None:
        _exam(scene)
        scene.sees(answer, picture=picture)

    return set_up


def _tray(scene: Scene) -> None:
    _exam(scene)
    scene.keeps(None, "cervix")
    scene.keeps(None, "other")


def _twins(scene: Scene) -> None:
    _exam(scene, fetuses=2)


def _complete(scene: Scene) -> None:
    scene.open("P-20417", "US-8831", by="li.wei")
    for plane in scene.covered:
        if plane == "profile_standard":
            scene.fold(NotObtainable(_shown(scene), time.monotonic(), WALL, "li.wei", plane, 1, "gestational_age"))
        else:
            scene.scan(plane)
    scene.sees("femur")


def _changed(scene: Scene) -> None:
    scene.put_up(scene.open("P-20999", "US-9001", by=""), changed=True)


def _shown(scene: Scene) -> str:
    exam = scene.view().exam
    return exam.checklist.exam if exam else ""


def _full(scene: Scene) -> None:
    _exam(scene)
    refusal = MachineError("The disk is full: 12 MB are free, 200 MB are kept.", "Delete old exams: edge exam purge.")
    scene.show(store__state="full", store__reason="12 MB are free.", store__refused=3, refusal=refusal)


def _tap(*selectors: str) -> Callable[[Any], object]:
    def act(page: Any) -> None:
        for selector in selectors:
            page.locator(selector).first.click()

    return act


SHOTS = (
    Shot("start", lambda scene: scene.sees(None, picture="brain_transventricular")),
    Shot("exam", _midst()),
    Shot("exam-chinese", _midst(), locale="zh-CN"),
    Shot("exam-phone", _midst(), size=PHONE),
    Shot("exam-wide", _midst(), size=WIDE),
    Shot("hold-still", _answer(None, "other"), last=lambda scene: scene.glimpses("brain_transventricular")),
    Shot("complete", _complete),
    Shot("twins", _twins),
    Shot("tray", _tray, _tap(".tray button")),
    Shot("not-standard", _answer(None, "other")),
    Shot("not-covered", _answer("not_covered", "cervix")),
    Shot("not-obtainable", _midst(), _tap('[data-plane="brain_transventricular"] [data-place="give_up"]')),
    Shot("wrong-plane", _midst(), _tap('[data-plane="femur"] [data-place="reassign"]')),
    Shot("paused", _midst(), _tap("#pause")),
    Shot("end", _midst(), _tap("#end")),
    Shot("help", _midst(), _tap("#open-help")),
    Shot("no-signal", _midst(), last=lambda scene: scene.show(source__signal="lost", engine__ai_on=False)),
    Shot("frozen", _midst(), last=lambda scene: scene.show(source__signal="frozen")),
    Shot("ai-off", _midst(engine__ai_on=False, engine__state="waiting")),
    Shot("store-full", _full, _tap("#freeze")),
    Shot(
        "marks",
        _midst(
            model__watermark="TRAINED ON PHANTOMS", source__scanner="HS60", source__is_measured=False,
            source__is_demo=True, model__notices=(DEVELOPMENT,),
        ),
    ),
)  # fmt: skip


def main() -> None:
    """Make them all, or one."""
    parser = argparse.ArgumentParser(description="Pictures of the page.")
    parser.add_argument("--out", type=Path, default=Path("docs/pictures"))
    parser.add_argument("--only", action="append", choices=[shot.name for shot in SHOTS] + ["changed", "link-lost"])
    options = parser.parse_args()
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=FLAGS)
        for shot in SHOTS:
            if not options.only or shot.name in options.only:
                _take(browser, shot, options.out)
        if not options.only or {"changed", "link-lost"} & set(options.only):
            _take_story(browser, options.out)
        browser.close()


def _take(browser: Any, shot: Shot, out: Path) -> None:
    """A picture of one state."""
    scene = Scene()
    with playing(scene) as box:
        page = _open(browser, shot, str(box.url))
        shot.set_up(scene)
        page.wait_for_timeout(SETTLED_MS)
        shot.act(page)
        page.wait_for_timeout(SETTLED_MS)
        shot.last(scene)
        page.wait_for_timeout(LAST_MS)
        _save(page, out, shot.name)
        page.context.close()


def _take_story(browser: Any, out: Path) -> None:
    """Pictures of what the page itself must have lived through: a change of exam, the end of the service."""
    scene = Scene()
    with playing(scene) as box:
        page = _open(browser, Shot("", _exam), str(box.url))
        _exam(scene)
        page.wait_for_timeout(2 * SETTLED_MS)
        first = _shown(scene)
        _changed(scene)
        page.wait_for_timeout(SETTLED_MS)
        _save(page, out, "changed")
        scene.put_up(first)
        page.wait_for_timeout(SETTLED_MS)
    page.wait_for_timeout(3500)
    _save(page, out, "link-lost")
    page.context.close()


def _open(browser: Any, shot: Shot, url: str) -> Any:
    size = {"width": shot.size[0], "height": shot.size[1]}
    page = browser.new_context(viewport=size, locale=shot.locale, reduced_motion="reduce").new_page()
    page.goto(url)
    page.wait_for_timeout(SETTLED_MS)
    return page


def _save(page: Any, out: Path, name: str) -> None:
    """As a PNG with a palette: a third of the bytes, and no eye sees it."""
    picture = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
    stream = io.BytesIO()
    picture.quantize(COLOURS, dither=Image.Dither.NONE).save(stream, "PNG", optimize=True)
    write_atomic(out / f"page-{name}.png", stream.getvalue())


if __name__ == "__main__":
    main()
