"""The page in Chromium: what must be unmistakable when something is away, and that it comes back by itself."""

from __future__ import annotations

import time

import pytest
from playwright.sync_api import expect

from tests.edge.page.browser.conftest import TICK_S, Bed, Opener
from tests.edge.page.browser.looking import faults
from tests.edge.page.browser.scene import Scene, playing
from tests.edge.page.scripted_states import DEVELOPMENT

pytestmark = pytest.mark.browser


def _old(made: Bed) -> None:
    expect(made.page.locator("#stage")).to_have_attribute("data-old", "true")


def _fresh(made: Bed) -> None:
    expect(made.page.locator("#stage")).not_to_have_attribute("data-old", "true")


def test_signal_and_ai_go_and_come_back(bed: Opener) -> None:
    made = bed()
    page, scene = made.page, made.scene
    scene.open()
    made.headline("not_standard")
    alarm = page.locator("#alarmed")
    scene.show(source__signal="lost", engine__cause="The camera is gone.")
    made.headline("no_signal")
    expect(page.locator("#headline")).to_contain_text("The camera is gone.")
    expect(page.locator(".lamp").first).to_have_text("Signallost")
    expect(alarm).to_contain_text("No signal")
    _old(made)
    scene.show(source__signal="frozen", engine__cause="", answered_age_s=0.1)
    expect(page.locator("#picture-state")).to_have_text("Frozen picture")
    _fresh(made)
    scene.show(source__signal="running", engine__ai_on=False, engine__state="waiting")
    made.headline("ai_off")
    expect(page.locator("#headline h2")).to_have_css("text-transform", "uppercase")
    expect(page.locator("#headline")).to_contain_text("The exam is safe")
    expect(page.locator('.lamp[data-tone="alarm"]')).to_have_text("AIoff")
    expect(alarm).to_contain_text("AI off")
    scene.show(engine__ai_on=True, engine__state="ready", answered_age_s=None)
    scene.sees("femur")
    made.headline("plane")
    expect(alarm).to_be_empty()
    expect(page.locator("#said")).to_contain_text("Captured")
    scene.show(engine__ai_on=True, answered_age_s=9.0)  # alive, but its answers are old
    scene.stands_still()
    made.headline("ai_off")


def test_the_service_dies_and_another_run_of_it_takes_over(bed: Opener) -> None:
    made = bed()
    page, scene = made.page, made.scene
    scene.open()
    made.headline("not_standard")
    held = made.doors.pop_all()
    started = time.monotonic()
    held.close()
    made.headline("link_lost")
    assert time.monotonic() - started < 5  # closing takes up to 2 s of it, the watch 2 s more
    expect(page.locator("#headline h2")).to_have_text("AI off")
    expect(page.locator("#headline")).to_contain_text("Connection to the box lost")
    expect(page.locator(".lamp")).to_have_text("Boxlost")
    _old(made)
    expect(page.locator("#freeze")).to_have_attribute("aria-disabled", "true")
    page.locator("#freeze").click(force=True)
    expect(page.locator("#toast")).to_contain_text("Connection to the box lost")
    assert faults(page, "link lost") == []
    again = Scene(tick_s=TICK_S)
    again.open("P-0777")
    with playing(again, made.port):  # another token, another exam
        made.headline("not_standard")
        _fresh(made)
        expect(page.locator("#who")).to_contain_text("P-0777")
        page.locator("#freeze").click()
        expect(page.locator("#freeze")).to_contain_text("Kept")
        expect(page.locator("#toast")).to_be_empty()
        page.close()


def test_what_must_be_told_is_on_the_screen(bed: Opener) -> None:
    made = bed(Scene("prenatal21", TICK_S))
    page, scene = made.page, made.scene
    scene.open()
    scene.show(
        model__watermark="TRAINED ON PHANTOMS", model__notices=(DEVELOPMENT,),
        source__is_demo=True, source__scanner="HS60", source__is_measured=False,
        store__state="full", store__reason="No space.", store__refused=3, late_stills=2,
    )  # fmt: skip
    notes = page.locator("#notes")
    for text in ("TRAINED ON PHANTOMS", "Demo pictures", "Not measured on this scanner (HS60)", "CC BY 4.0"):
        expect(notes).to_contain_text(text)
    expect(page.locator("#watermark")).to_be_visible()
    expect(page.locator("footer")).to_contain_text("Not a medical device")
    expect(page.locator("#banners")).to_contain_text("Disk full: new captures are refused")
    expect(page.locator("#banners")).to_contain_text("3 refused so far.")
    expect(page.locator(".late")).to_contain_text("2 still images")
    made.state("LVOT", "not_covered")
    expect(made.row("LVOT")).to_contain_text("Not covered by this model")
    page.get_by_role("button", name="Understood").click()
    expect(page.locator("#banners .banner")).to_have_count(1)
    scene.show(source__is_measured=None, source__scanner="", source__is_demo=False)
    expect(notes).to_contain_text("Scanner model not known")


def test_an_answer_that_is_no_plane_is_as_large_as_a_plane(bed: Opener) -> None:
    made = bed()
    page, scene = made.page, made.scene
    scene.open()
    made.headline("not_standard")
    expect(page.locator("#headline h2")).to_have_text("Not a standard plane")
    expect(page.locator("#headline .confidence")).to_have_count(0)
    scene.show(model__has_threshold=False)
    scene.sees("not_covered")
    made.headline("not_covered")
    expect(page.locator("#headline h2")).to_have_text("Not covered by this model")
    expect(page.locator("#headline")).to_contain_text("No threshold was measured")


def test_a_plane_that_is_nearly_there_says_hold_still(bed: Opener) -> None:
    made = bed()
    made.scene.open()
    made.scene.glimpses("femur")
    made.state("femur", "candidate")
    expect(made.page.locator("#headline .now")).to_have_text("Hold still")
    made.scene.goes_on()
    made.state("femur", "captured")
    expect(made.page.locator("#headline .now")).to_have_text("Captured")


def test_a_paused_exam_captures_nothing_and_goes_on(bed: Opener) -> None:
    made = bed()
    page, scene = made.page, made.scene
    scene.open()
    page.locator("#pause").click()
    made.headline("paused")
    expect(page.locator("#freeze")).to_have_attribute("aria-disabled", "true")
    page.wait_for_timeout(750)  # a tap sooner than that is the same tap
    page.get_by_role("button", name="Continue").click()
    made.headline("not_standard")
    expect(page.locator("#pause")).to_have_text("Pause")
