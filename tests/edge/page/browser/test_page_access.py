"""The page in Chromium: every size, every state, both languages, no pointer, no colour alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest
from playwright.sync_api import expect

from edge.service.orders import Confirm, Freeze, GiveUp, TakeBack
from tests.edge.page.browser.conftest import Bed, Opener
from tests.edge.page.browser.looking import faults
from tests.edge.page.browser.scene import Scene
from tests.edge.page.scripted_states import DEVELOPMENT, STATES

pytestmark = pytest.mark.browser


def _all_marks(scene: Scene) -> None:
    STATES["twins"](scene)
    scene.keeps(None)
    scene.show(
        model__watermark="TRAINED ON PHANTOMS", model__notices=(DEVELOPMENT,),
        source__is_demo=True, source__scanner="HS60", source__is_measured=False,
        store__state="full", store__reason="No space.", store__refused=3, late_stills=2,
    )  # fmt: skip


SHOWN: Mapping[str, Callable[[Scene], object]] = {
    "empty": lambda scene: None,
    "marks": _all_marks,
    "complete": STATES["complete"],
    "changed": STATES["changed"],
    "paused": STATES["paused"],
    "ended": STATES["ended"],
    "no_signal": lambda scene: (STATES["exam"](scene), STATES["no_signal"](scene)),
    "frozen": lambda scene: (STATES["exam"](scene), STATES["frozen"](scene)),
    "ai_off": lambda scene: (STATES["exam"](scene), STATES["ai_off"](scene)),
    "no_threshold": lambda scene: (STATES["no_threshold"](scene), STATES["exam"](scene)),
}
DIALOGS = {
    "reason": '.row[data-plane="abdomen"] [data-place="give_up"]',
    "reassign": '.row[data-plane="abdomen"] [data-place="reassign"]',
    "picture": '.row[data-plane="abdomen"] .thumb',
    "bare": '.row[data-plane="brain_transventricular"] [data-place="confirm"]',
    "end": "#end",
    "map": "#map",
    "exams": "#open-exams",
    "help": "#open-help",
}


def _each_state(made: Bed, check: Callable[[str], None]) -> None:
    """Bring the page into each state and dialog."""
    scene, page = made.scene, made.page
    for name, set_up in SHOWN.items():
        scene.clear(set_up)
        number = scene.view().number + 1
        page.wait_for_function("(number) => Number(document.body.dataset.number) >= number", arg=number)
        check(name)
    scene.clear()
    STATES["exam"](scene)
    made.state("abdomen", "captured")
    for name, opener in DIALOGS.items():
        page.locator(opener).first.click()
        expect(page.locator("#sheet")).to_be_visible()
        check(name)
        page.keyboard.press("Escape")


@pytest.mark.parametrize("locale", ["en-US", "zh-CN"])
def test_every_state_is_accessible_and_fits_every_screen(bed: Opener, locale: str) -> None:
    made = bed(Scene(tick_s=0.5), locale=locale)  # few frames: what costs time here is looking
    found: list[str] = []
    _each_state(made, lambda name: found.extend(faults(made.page, name)))
    assert found == []


def test_the_language_is_switched_and_remembered(bed: Opener) -> None:
    made = bed()
    page = made.page
    made.scene.open()
    expect(page.locator("html")).to_have_attribute("lang", "en")
    page.locator("#switch-language").click()
    expect(page.locator("html")).to_have_attribute("lang", "zh-Hans")
    expect(page.locator("#headline h2")).to_have_text("非标准切面")
    expect(made.row("femur")).to_contain_text("股骨长轴切面")
    expect(page.locator("footer")).to_have_text("仅供科研，不用于临床诊断。")
    page.reload()
    expect(page.locator("#headline h2")).to_have_text("非标准切面")
    assert page.title() == "切面检查"
    page.keyboard.press("l")
    expect(page.locator("#headline h2")).to_have_text("Not a standard plane")


def test_an_exam_needs_no_pointer(bed: Opener) -> None:
    made = bed()
    page, scene = made.page, made.scene
    page.keyboard.press("Tab")
    expect(page.locator(".skip")).to_be_focused()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    page.keyboard.type("P-1")
    page.keyboard.press("Enter")
    made.state("femur", "missing")
    exam = scene.view().exam
    assert exam is not None
    name = exam.checklist.exam
    page.keyboard.press("Space")
    expect(page.locator("#freeze")).to_contain_text("Kept")
    scene.scan("abdomen")
    made.state("abdomen", "captured")
    page.keyboard.press("ArrowDown")  # the first that is left
    expect(made.row("brain_transthalamic")).to_be_focused()
    page.keyboard.press("n")
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    made.state("brain_transthalamic", "not_obtainable")
    page.keyboard.press("ArrowUp")
    page.keyboard.press("c")
    made.state("abdomen", "confirmed")
    page.keyboard.press("t")
    made.state("abdomen", "captured")
    page.keyboard.press("?")
    expect(page.locator("#sheet-title")).to_have_text("Help and keys")
    page.get_by_role("switch").press("Enter")
    page.keyboard.press("Escape")
    page.keyboard.press("p")  # single keys are off now
    page.keyboard.press("f")
    kinds = [Freeze("", name), GiveUp("", name, "brain_transthalamic", 1, "fetal_position"),
             Confirm("", name, "abdomen", 1), TakeBack("", name, "abdomen", 1)]  # fmt: skip
    assert scene.orders[1:] == kinds


def test_nothing_moves_for_those_who_asked_for_that(bed: Opener) -> None:
    made = bed(reduced_motion="reduce")
    made.scene.open()
    made.scene.glimpses("femur")
    expect(made.page.locator(".now")).to_have_text("Hold still")
    assert made.page.evaluate("document.getAnimations().length") == 0


def test_a_picture_is_never_asked_for_more_than_ten_times_a_second(bed: Opener) -> None:
    made = bed(Scene(tick_s=0.02))
    asked: list[Any] = []
    made.headline("idle")
    made.page.on("request", lambda request: asked.append(request) if "live.jpg" in request.url else None)
    made.page.wait_for_timeout(1000)
    assert 2 <= len(asked) <= 11
