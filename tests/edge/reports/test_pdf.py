from __future__ import annotations

import io
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pypdf import PdfReader

from edge.errors import InputError
from edge.protocol import load_protocol
from edge.reports import pdf_fonts
from edge.reports.gather import Report
from edge.reports.pdf import A4, pdf_from_report
from edge.reports.pdf_cells import thumbnail_from_jpeg
from edge.reports.pdf_fonts import LATIN, NOT_EMBEDDED, SHIPPED, load_fonts
from edge.reports.pdf_pen import Pen
from edge.reports.words import REASONS, reason_text
from tests.edge.reports.conftest import MakeReport
from tests.edge.reports.exams import DEMO_MARKS, jpeg
from tests.edge.reports.make_font import texts
from tests.edge.stored import BUNDLE


@pytest.fixture(autouse=True)
def bare(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine without a Chinese font."""
    monkeypatch.setattr(pdf_fonts, "FONT_FILES", ())


def read(report: Report) -> list[str]:
    """The text of each page without spaces and line ends, which the change of fonts inside a line adds."""
    pages = PdfReader(io.BytesIO(pdf_from_report(report).data)).pages
    return ["".join(page.extract_text().split()) for page in pages]


def holds(page: str, text: str) -> bool:
    return "".join(text.split()) in page


def test_one_fetus_is_one_page_of_a4(made: MakeReport) -> None:
    (page,) = PdfReader(io.BytesIO(pdf_from_report(made(protocol=load_protocol("prenatal21"))).data)).pages
    assert (float(page.mediabox.width), float(page.mediabox.height)) == pytest.approx(A4, abs=0.01)


def test_twins_have_a_page_each(made: MakeReport) -> None:
    pages = read(made(fetuses=2))
    assert [holds(pages[0], "Fetus 胎儿 1 / 2"), holds(pages[1], "Fetus 胎儿 2 / 2"), len(pages)] == [True, True, 2]


def test_a_longer_protocol_goes_on_a_second_page(made: MakeReport) -> None:
    protocol = load_protocol("prenatal21")
    twice = replace(
        protocol, planes=(*protocol.planes, *(replace(p, id=f"{p.id}-2", labels=()) for p in protocol.planes))
    )
    pages = read(made(protocol=twice))
    assert len(pages) == 2
    assert all(holds(page, "of 42 required planes still open") for page in pages)


def test_the_page_says_all_that_must_be_said(made: MakeReport) -> None:
    report = made()
    (page,) = read(report)
    document = report.document
    told = [
        "HN-2201", "ACC-77", "op7", document.exam, BUNDLE, document.protocol.sha256, document.research_use.en,
        document.research_use.zh, "3 of 7 required planes still open", "7项必需切面中3项未完成",
        "It says nothing about normal or abnormal", "not obtainable", "无法获取", "fetal position 胎位",
        "by op9, 10:06", "captured, low quality", "not covered by this model", "本模型未覆盖",
        "Trans-thalamic plane", "经丘脑横切面",
    ]  # fmt: skip
    assert [text for text in told if not holds(page, text)] == []
    assert "%" not in page


def test_demonstration_and_watermark_stand_on_every_page(made: MakeReport) -> None:
    for page in read(made(marks=DEMO_MARKS, fetuses=2)):
        assert holds(page, "DEMONSTRATION: not a patient's examination")
        assert page.count("SYNTHETIC:trainedonphantoms") == 2  # the bar and across the page
        assert holds(page, "Images: X")


def test_missing_marks_are_told(made: MakeReport) -> None:
    (page,) = read(made(marks=None))
    assert holds(page, "model's watermark was not recorded")
    (page,) = read(made(later_bundle="c" * 64))
    assert holds(page, "watermark of a later model was not recorded")
    assert holds(page, "c" * 64)


def test_the_same_exam_gives_the_same_bytes(made: MakeReport) -> None:
    report = made()
    assert pdf_from_report(report).data == pdf_from_report(report).data


def test_a_damaged_picture_does_not_stop_the_report(made: MakeReport) -> None:
    report = made()
    damaged = replace(report, jpegs=dict.fromkeys(report.jpegs, b"\xff\xd8 no picture"))
    assert holds(read(damaged)[0], "no picture 无图像")
    assert thumbnail_from_jpeg(b"\xff\xd8", 100, 100) is None


def test_a_picture_is_printed_no_larger_than_the_paper_shows() -> None:
    small = thumbnail_from_jpeg(jpeg(1, 1600, 1200), 100, 80)
    assert small is not None
    assert len(small) < 60_000


def embedded(data: bytes) -> set[str]:
    """Names of the embedded fonts."""
    fonts: dict[str, Any] = {}
    for page in PdfReader(io.BytesIO(data)).pages:
        fonts |= {name: font.get_object() for name, font in page["/Resources"]["/Font"].items()}
    told = [font for font in fonts.values() if "/FontFile2" in font.get("/FontDescriptor", {})]
    return {str(font["/BaseFont"]).partition("+")[2] for font in told}


def test_own_chinese_is_embedded_on_a_machine_without_a_font(made: MakeReport) -> None:
    done = pdf_from_report(made(reason="fetal position"))
    assert done.is_embedded
    assert "EdgeReportSC" in embedded(done.data)


def test_the_shipped_font_has_every_letter_that_a_report_writes() -> None:
    fonts = load_fonts()
    assert {font for font, _ in fonts.runs(texts())} == {SHIPPED, LATIN} - ({LATIN} if texts().isascii() else set())


def test_typed_chinese_that_no_font_has_is_told(made: MakeReport) -> None:
    done = pdf_from_report(made(reason="孕妇疲惫"))
    assert not done.is_embedded
    assert load_fonts().runs("op 疲") == [(LATIN, "op "), (NOT_EMBEDDED, "疲")]


def test_a_given_font_must_be_one(tmp_path: Path) -> None:
    (tmp_path / "no.ttf").write_bytes(b"no font")
    for path in (tmp_path / "no.ttf", tmp_path / "absent.ttf"):
        with pytest.raises(InputError, match="can be embedded"):
            load_fonts(path)


def test_a_broken_font_of_the_system_is_passed_over(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "no.ttf").write_bytes(b"no font")
    monkeypatch.setattr(pdf_fonts, "FONT_FILES", (str(tmp_path / "no.ttf"),))
    assert [name for name, _ in load_fonts().coverage] == [SHIPPED]


def test_text_is_wrapped_and_cut_to_its_width() -> None:
    pen = Pen(None, load_fonts())
    for text in ("a few words that go over lines", "x" * 90, "切面" * 40):
        lines = pen.lines(text, 8, 60, 3)
        assert 2 <= len(lines) <= 3
        assert all(pen.fonts.width(line, 8) <= 60 for line in lines)
    assert pen.lines("x" * 90, 8, 60, 1)[0].endswith("...")
    assert pen.lines("", 8, 60, 1) == []


def test_every_reason_that_the_page_offers_is_written_in_both_languages() -> None:
    page = Path(pdf_fonts.__file__).parents[1] / "page" / "static" / "texts.js"
    offered = re.findall(r"^  reason_(\w+): \[", page.read_text("utf-8"), re.MULTILINE)
    assert set(offered) - {"words"} == set(REASONS)
    assert reason_text("fetal_position") == "fetal position 胎位影响"
    assert reason_text("as typed") == "as typed"


def test_all_who_examined_are_named_and_nobody_in_both_languages(made: MakeReport) -> None:
    report = made()
    for operators, told in ((("op7", "op9"), "op7, op9"), ((), "unauthenticated / 未登记")):
        document = replace(report.document, operators=operators)
        assert holds(read(replace(report, document=document))[0], told)
