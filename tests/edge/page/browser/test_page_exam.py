"""The page in Chromium over a scripted plane check: an exam as a sonographer runs it."""

from __future__ import annotations

import time

import pytest
from playwright.sync_api import expect

from edge.errors import MachineError
from edge.service.orders import Confirm, Freeze, GiveUp, OpenExam, Reassign, TakeBack, Unassign
from tests.edge.page.browser.conftest import Bed, Opener

pytestmark = pytest.mark.browser
BOUNCE_S = 0.75  # the page takes no second tap on a row within 0.7 s
# Sooner than anyone can have read it, and than a loaded machine lets this test tap.
TAP_AT_ONCE = """() => {
  const notice = document.getElementById("change");
  new MutationObserver((_, watch) => (watch.disconnect(), notice.querySelector(".strong").click()))
    .observe(notice, { attributes: true, attributeFilter: ["open"] });
}"""


def _orders(made: Bed) -> list[str]:
    return [type(order).__name__ for order in made.scene.orders]


def test_a_whole_exam_runs_from_empty_to_complete(bed: Opener) -> None:
    made = bed()
    page, scene = made.page, made.scene
    made.headline("idle")
    page.get_by_label("Patient id").fill("P-20417")
    page.get_by_label("Study or accession number").fill("US-8831")
    page.get_by_label("Operator id (optional)").fill("li.wei")
    page.get_by_role("button", name="Start exam").click()
    expect(page.locator(".left h2")).to_have_text("7left of 7")
    assert scene.orders == [OpenExam("li.wei", "P-20417", "US-8831", 1)]
    made.headline("not_standard")
    for left, plane in enumerate(reversed(scene.covered)):
        expect(page.locator(".left .number")).to_have_text(str(7 - left))
        scene.sees(plane)
        made.state(plane, "captured")
        expect(made.row(plane).locator("img")).to_have_js_property("complete", True)
    expect(page.locator(".left h2")).to_have_text("Complete")
    made.headline("plane")
    expect(page.locator("#headline h2")).to_have_text("Upper abdomen, transverse")
    expect(page.locator("#headline .confidence")).to_contain_text("High")
    assert "%" not in page.locator("body").inner_text()
    page.locator("#end").click()
    made.choose("End exam")
    made.headline("ended")
    assert page.evaluate("document.getElementById('live').width") == 640


def test_the_users_word_wins(bed: Opener) -> None:
    made = bed()
    page, scene = made.page, made.scene
    exam = scene.open()
    scene.scan("femur")
    scene.scan("abdomen")
    made.state("femur", "captured")
    made.place("femur", "confirm").click()
    made.state("femur", "confirmed")
    made.place("thorax", "give_up").click()
    made.choose("Fetal position")
    made.state("thorax", "not_obtainable")
    expect(made.row("thorax")).to_contain_text("Not obtainable: Fetal position")
    made.place("abdomen", "reassign").click()
    made.choose("Trans-cerebellar plane")
    made.state("brain_transcerebellar", "confirmed")
    made.state("abdomen", "missing")
    made.place("brain_transcerebellar", "reassign").click()
    made.choose("None of these")
    expect(page.locator(".tray li")).to_have_count(1)
    page.locator(".tray li button").click()
    made.choose("Upper abdomen")
    made.state("abdomen", "confirmed")
    made.place("thorax", "give_up").click()
    made.state("thorax", "missing")
    made.place("thorax", "confirm").click()
    expect(page.locator("#sheet")).to_contain_text("No picture is stored")
    made.choose("I saved it on the scanner")
    made.state("thorax", "confirmed")
    kinds = [Confirm, GiveUp, Reassign, Unassign, Reassign, TakeBack, Confirm]
    assert [type(order) for order in scene.orders] == kinds
    assert scene.orders[1] == GiveUp("op7", exam, "thorax", 1, "fetal_position")


def test_a_second_tap_of_a_wet_glove_takes_nothing_back(bed: Opener) -> None:
    made = bed()
    made.scene.open()
    made.scene.scan("femur")
    made.place("femur", "confirm").dblclick()
    made.state("femur", "confirmed")
    time.sleep(BOUNCE_S)
    assert _orders(made) == ["Confirm"]
    made.place("femur", "confirm").click()
    made.state("femur", "captured")


def test_an_order_that_fails_says_why_and_what_to_do(bed: Opener) -> None:
    made = bed()
    made.scene.open()
    made.scene.show(refusal=MachineError("The disk is full.", "Free some space."))
    made.page.locator("#pause").click()
    toast = made.page.locator("#toast")
    expect(toast).to_contain_text("Not done: The disk is full. What to do: Free some space.")
    made.headline("not_standard")
    made.scene.show(refusal=None)
    made.page.keyboard.press("l")
    toast.get_by_role("button").click()
    expect(toast).to_be_empty()


def test_frames_of_twins_go_to_the_fetus_on_the_tab(bed: Opener) -> None:
    made = bed()
    page, scene = made.page, made.scene
    scene.open(fetuses=2)
    tabs = page.locator(".fetuses button")
    expect(tabs).to_have_count(2)
    expect(tabs.nth(0)).to_have_attribute("aria-pressed", "true")
    tabs.nth(1).click()
    expect(tabs.nth(1)).to_have_attribute("aria-pressed", "true")
    scene.sees("femur")
    made.state("femur", "captured")
    expect(tabs.nth(0)).to_contain_text("7 left")
    expect(tabs.nth(1)).to_contain_text("6 left")
    made.place("femur", "give_up").click()
    expect(page.locator("#sheet-title")).to_have_text("Fetus 2: Femur, long axis")
    page.keyboard.press("Escape")
    page.locator("#open-exams").click()
    page.get_by_role("button", name="Add fetus 3").click()
    expect(tabs).to_have_count(3)
    expect(page.locator(".left .number")).to_have_text("20")


def test_a_change_of_exam_fills_the_screen_until_it_is_acknowledged(bed: Opener) -> None:
    made = bed()
    page, scene = made.page, made.scene
    first = scene.open("P-0001", "S-1")
    made.place("femur", "give_up").click()
    expect(page.locator("#sheet")).to_be_visible()
    page.evaluate(TAP_AT_ONCE)
    scene.put_up(scene.open("P-0002", "S-9"), changed=True)
    notice = page.locator("#change")
    expect(notice).to_be_visible()
    expect(page.locator("#sheet")).to_be_hidden()
    box = notice.bounding_box()
    assert box is not None and (box["width"], box["height"]) == (1024, 600)
    expect(notice).to_contain_text("P-0001")
    expect(notice).to_contain_text("P-0002")
    page.keyboard.press("Escape")
    page.keyboard.press("Escape")
    page.keyboard.press("f")
    expect(notice).to_be_visible()
    time.sleep(0.9)
    assert _orders(made) == []
    notice.get_by_role("button").click()
    expect(notice).to_be_hidden()
    page.locator("#open-exams").click()
    page.get_by_role("button", name="Continue P-0001").click()
    expect(page.locator("#who")).to_contain_text("P-0001")
    shown = scene.view().exam
    assert shown is not None and shown.checklist.exam == first


def test_the_first_exam_that_pictures_open_is_told_as_well(bed: Opener) -> None:
    made = bed()
    made.scene.put_up(made.scene.open("P-0001", "S-1"), changed=True)
    notice = made.page.locator("#change")
    expect(notice).to_contain_text("An exam was opened")
    expect(notice.locator(".one")).to_have_count(1)
    made.scene.put_up(made.scene.open("P-0002", "S-9"), changed=True)
    expect(notice.locator(".one")).to_have_count(2)
    made.page.reload()
    expect(notice).to_contain_text("P-0001")
    expect(notice).to_contain_text("P-0002")


def test_the_freeze_key_and_the_map(bed: Opener) -> None:
    made = bed()
    page, scene = made.page, made.scene
    exam = scene.open()
    page.locator("#freeze").click()
    expect(page.locator("#freeze")).to_contain_text("Kept")
    assert scene.orders == [Freeze("op7", exam)]
    expect(page.locator("#freeze")).to_contain_text("Freeze")
    page.locator("#map").click()
    expect(page.get_by_role("img", name="Live picture with the engine's map over it")).to_be_visible()
    expect(page.locator("#sheet")).to_contain_text("The map outlines nothing")
    page.keyboard.press("Escape")
    scene.show(engine_away=True)
    page.locator("#map").click()
    expect(page.locator("#sheet")).to_contain_text("The engine is not there now.")


def test_a_picture_is_said_to_be_kept_once_it_is_on_the_disk(bed: Opener) -> None:
    """Bug: "Kept" stood there as soon as the key was pressed; with an engine that is away nothing was on the disk."""
    made = bed()
    page, scene = made.page, made.scene
    scene.open()
    scene.show(engine__state="starting", engine__ai_on=False)
    made.headline("ai_off")
    page.locator("#freeze").click()
    expect(page.locator("#freeze")).to_contain_text("Keeping")
    scene.show(engine__state="ready", engine__ai_on=True)
    expect(page.locator("#freeze")).to_contain_text("Kept")
    expect(page.locator("#freeze")).to_contain_text("Freeze")
    scene.show(engine__state="starting", engine__ai_on=False)
    made.headline("ai_off")
    page.locator("#freeze").click()
    expect(page.locator("#freeze")).to_contain_text("Keeping")
    scene.forgets_the_press()
    expect(page.locator("#freeze")).to_contain_text("Not kept")


def test_a_form_without_an_id_is_not_sent(bed: Opener) -> None:
    made = bed()
    page = made.page
    page.get_by_role("button", name="Start exam").click()
    expect(page.get_by_text("Enter a patient id or a study.")).to_be_visible()
    page.get_by_label("Study or accession number").fill("US-1")
    page.get_by_label("Operator id (optional)").fill("Li Wei")
    page.get_by_role("button", name="One fetus more").click()
    page.get_by_role("button", name="Start exam").click()
    expect(page.get_by_text("Letters, digits, dot")).to_be_visible()
    assert made.scene.orders == []
    page.get_by_label("Operator id (optional)").fill("")
    page.keyboard.press("Enter")
    expect(page.locator("#who")).to_contain_text("not signed in")
    assert made.scene.orders == [OpenExam("", "", "US-1", 2)]
