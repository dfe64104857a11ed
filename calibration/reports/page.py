"""Sections -> one HTML page that needs nothing else: pictures and style inside it, no request to anywhere."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from calibration.reports.markup import paragraph, picture, text
from edge.manifest import Notice

STYLE = Path(__file__).with_name("page.css")
POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"  # the browser refuses any request


@dataclass(frozen=True)
class Section:
    """A titled part of the page; `body` is HTML made by calibration/reports/markup.py."""

    title: str
    body: str


@dataclass(frozen=True)
class Chapter:
    """The sections of one model; a page of several models folds all but the first."""

    title: str
    sections: tuple[Section, ...]


def picture_section(title: str, png: bytes, caption: str, alt: str, credit: str = "") -> Section:
    """A section that is one sheet of pictures.

    Args:
        title: of the section.
        png: bytes.
        caption: what is to be seen, plain text.
        alt: the same for who cannot see it.
        credit: whose images these are, and the research-use line; empty for drawings.
    """
    return Section(title, picture(png, alt, caption, wide=True) + (paragraph(credit, "quiet") if credit else ""))


def page_from_chapters(
    title: str, notice: Notice, watermark: str | None, opening: Sequence[Section], chapters: Sequence[Chapter]
) -> str:
    """The whole page.

    Args:
        title: of the page.
        notice: the research-use line, at its top and at its end.
        watermark: of a model trained on phantoms, or None.
        opening: sections about all models.
        chapters: one a model.
    """
    banner = f'<p class="watermark">{text(watermark)}</p>' if watermark else ""
    line = paragraph(f"{notice.en} {notice.zh}", "quiet")
    several = len(chapters) > 1
    parts = [
        "<!DOCTYPE html>",
        '<html lang="en"><head><meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">',
        f"<title>{text(title)}</title>",
        f"<style>\n{STYLE.read_text('utf-8')}</style></head><body>",
        f"<header>{banner}<h1>{text(title)}</h1>{line}{_contents(chapters)}</header><main>",
        *(_section(section, "") for section in opening),
        *(_chapter(chapter, number, several) for number, chapter in enumerate(chapters)),
        f"</main><footer>{banner}{line}</footer></body></html>\n",
    ]
    return "\n".join(parts)


def _contents(chapters: Sequence[Chapter]) -> str:
    """Links to the sections of the first model, which is the one unfolded."""
    links = (
        f'<a href="#{_anchor(0, number)}">{text(section.title)}</a>'
        for number, section in enumerate(chapters[0].sections)
    )
    return f'<nav aria-label="Sections">{" ".join(links)}</nav>'


def _chapter(chapter: Chapter, number: int, several: bool) -> str:
    sections = "\n".join(_section(section, _anchor(number, index)) for index, section in enumerate(chapter.sections))
    if not several:
        return sections
    state = "" if number else " open"
    return f"<details{state}><summary>{text(chapter.title)}</summary>\n{sections}\n</details>"


def _section(section: Section, anchor: str) -> str:
    mark = f' id="{anchor}"' if anchor else ""
    return f"<section{mark}><h2>{text(section.title)}</h2>\n{section.body}</section>"


def _anchor(chapter: int, section: int) -> str:
    return f"m{chapter + 1}-{section + 1}"
