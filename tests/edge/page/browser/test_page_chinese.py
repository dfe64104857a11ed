"""The page in Chromium in Chinese: what fails or must be told is said in Chinese, the technical line small below it."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from edge.errors import MachineError, UsageError
from edge.service.orders import Acknowledge, NameOperator
from tests.edge.page.browser.conftest import TICK_S, Opener
from tests.edge.page.browser.looking import faults
from tests.edge.page.browser.scene import Scene
from tests.edge.page.scripted_states import DEVELOPMENT

pytestmark = pytest.mark.browser
CHINESE = re.compile(r"[\u4e00-\u9fff]")
CAMERA = "The camera /dev/video0 gives no picture."
CALM_MS = 900  # the full-screen change takes no tap within 0.8 s


@pytest.mark.parametrize(
    ("changes", "kind", "lead"),
    [
        ({"source__signal": "lost"}, "no_signal", "未收到超声仪图像"),
        ({"source__signal": "ended"}, "source_ended", "图像来源出现故障"),
        ({"engine__state": "waiting"}, "ai_off", "AI 引擎无法启动"),
    ],
)
def test_why_something_is_down_has_a_chinese_lead_and_its_technical_line(
    bed: Opener, changes: dict[str, str], kind: str, lead: str
) -> None:
    made = bed(locale="zh-CN")
    made.scene.open()
    made.scene.show(**changes, engine__ai_on=False, engine__cause=CAMERA, answered_age_s=5.0)
    made.headline(kind)
    headline = made.page.locator("#headline")
    expect(headline.locator(".why")).to_contain_text(lead)
    expect(headline.locator(".detail")).to_have_text(CAMERA)
    expect(headline.locator(".detail")).to_have_attribute("lang", "en")
    assert faults(made.page, kind) == []


def test_notices_and_the_store_speak_chinese(bed: Opener) -> None:
    made = bed(locale="zh-CN")
    made.scene.open()
    made.scene.show(model__notices=(DEVELOPMENT,), store__state="full", store__reason="No space.")
    banners = made.page.locator("#banners")
    expect(banners).to_contain_text(DEVELOPMENT.zh)
    expect(banners).not_to_contain_text(DEVELOPMENT.en)
    expect(banners).to_contain_text("磁盘已满")
    expect(banners.locator("small").first).to_have_text("No space.")
    made.page.locator("#open-help").click()
    expect(made.page.locator("#sheet")).to_contain_text(DEVELOPMENT.zh)
    made.page.keyboard.press("Escape")
    made.page.locator("#switch-language").click()
    expect(banners).to_contain_text(DEVELOPMENT.en)


def test_a_refusal_with_a_word_is_told_in_the_language_of_the_page(bed: Opener) -> None:
    made = bed(locale="zh-CN")
    page, scene = made.page, made.scene
    scene.open()
    scene.show(refusal=UsageError("The exam is paused.", "Continue it.", "exam_paused"))
    page.locator("#freeze").click()
    toast = page.locator("#toast")
    expect(toast).to_contain_text("检查已暂停")
    expect(toast).not_to_contain_text("paused")
    scene.show(refusal=MachineError("Sector 12 of exams.db is bad.", "Check the disk."))
    page.wait_for_timeout(CALM_MS)
    page.locator("#freeze").click()
    expect(toast.locator("p")).to_contain_text("主机未能完成操作")
    expect(toast.locator("small")).to_have_text("Sector 12 of exams.db is bad. Check the disk.")
    scene.show(engine_away=True, refusal=None)
    page.locator("#map").click()
    expect(page.locator("#sheet .wrong b")).to_have_text(CHINESE)


def test_who_acknowledges_the_change_may_say_who_examines(bed: Opener) -> None:
    made = bed(locale="zh-CN")
    page, scene = made.page, made.scene
    scene.open("P-0001", "S-1", by="li.wei")
    made.headline("not_standard")
    scene.put_up(scene.open("P-0002", "S-9", by=""), changed=True)
    change = page.locator("#change")
    expect(change).to_contain_text("操作者：li.wei")
    assert faults(page, "change") == []
    page.wait_for_timeout(CALM_MS)
    change.get_by_label("操作者工号").fill("li wei")
    change.locator(".strong").click()
    expect(change.locator(".wrong")).to_contain_text("仅限字母")
    scene.show(refusal=UsageError("Another exam is shown.", "Look.", "not_shown"))
    change.get_by_role("button", name="仍为 li.wei").click()
    change.locator(".strong").click()
    expect(change.locator(".failed")).to_contain_text("当前显示的已是另一检查")
    assert faults(page, "change refused") == []
    scene.show(refusal=None)
    change.locator(".strong").click()
    expect(change).to_be_hidden()
    expect(page.locator("#who")).to_contain_text("li.wei")
    assert [(type(order), order.by) for order in scene.orders] == [(Acknowledge, "li.wei")]


def test_the_name_may_be_skipped_and_given_later(bed: Opener) -> None:
    made = bed(Scene(tick_s=TICK_S))
    page, scene = made.page, made.scene
    scene.put_up(scene.open("P-0002", "S-9", by=""), changed=True)
    expect(page.locator("#change")).to_be_visible()
    page.wait_for_timeout(CALM_MS)
    page.keyboard.press("Enter")  # the focus is where it was before there was a field
    expect(page.locator("#change")).to_be_hidden()
    expect(page.locator("#who")).to_contain_text("not signed in")
    page.locator("#open-exams").click()
    page.get_by_role("button", name="Change operator").click()
    sheet = page.locator("#sheet")
    expect(sheet.locator("#this-operator")).to_be_visible()
    page.wait_for_timeout(400)  # a dialog takes no tap sooner
    sheet.locator(".strong").click()
    expect(sheet.locator(".wrong")).to_contain_text("Enter an operator id")
    sheet.locator("#this-operator").fill("op5")
    sheet.locator(".strong").click()
    expect(page.locator("#who")).to_contain_text("op5")
    assert [(type(order), order.by) for order in scene.orders] == [(Acknowledge, ""), (NameOperator, "op5")]
