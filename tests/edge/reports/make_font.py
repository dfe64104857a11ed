"""Make `edge/reports/fonts/report-sc.ttf`: the glyphs of a report's own Chinese texts, out of Noto Sans CJK SC.

Run it after a Chinese text of a protocol, a region, a report or the attention map's caption has changed:
python tests/edge/reports/make_font.py NotoSansCJK-Regular.ttc (Debian: fonts-noto-cjk).
Outlines become quadratic, since reportlab embeds no others.
"""

from __future__ import annotations

import sys
from pathlib import Path

from fontTools import subset
from fontTools.pens.cu2quPen import Cu2QuPen
from fontTools.pens.ttGlyphPen import TTGlyphPen
from fontTools.ttLib import TTFont, newTable

from compile.bundle import SYNTHETIC
from edge.checklist import REGIONS_ZH
from edge.manifest import RESEARCH_USE
from edge.protocol import load_protocol, protocol_names
from edge.reports import words
from edge.service.attention_map import CERTAINTY, MOST_PROBABLE, ORANGE, REFUSALS

TARGET = Path(__file__).parents[3] / "edge" / "reports" / "fonts" / "report-sc.ttf"
NAME = "Edge Report SC"  # not the original's name: OFL 1.1, section 3
MAX_ERROR = 0.5  # of 1000 units an em: a tenth of a hair at any size on paper
SIMPLIFIED = 2  # number of the face "Noto Sans CJK SC" in the collection


def texts() -> str:
    """Every Chinese text that a report or the caption of an attention map writes by itself."""
    protocols = [load_protocol(name) for name in protocol_names()]
    planes = [text for protocol in protocols for text in (protocol.zh, *(plane.zh for plane in protocol.planes))]
    tables = (words.STATES, words.CONFIDENCES, words.SOURCES, words.REASONS, words.PHASES, words.LABELS)
    told = [zh for table in tables for _, zh in table.values()]
    lines = (words.TITLE[1], words.SUBTITLE[1], words.STEPS_NOTE[1], RESEARCH_USE.zh, SYNTHETIC, *caption_texts())
    return "".join([*planes, *told, *lines, *REGIONS_ZH.values()])


def caption_texts() -> list[str]:
    """Of the map's caption."""
    told = (*CERTAINTY.values(), *REFUSALS, ORANGE, MOST_PROBABLE)
    return [text.zh for text in told]


def made_font(source: Path) -> TTFont:
    """The subset with quadratic outlines."""
    font = TTFont(source, fontNumber=SIMPLIFIED, recalcTimestamp=False)
    options = subset.Options(layout_features=[], name_IDs=[0, 13, 14], notdef_outline=True, hinting=False)
    options.drop_tables += ["vhea", "vmtx", "VORG", "BASE", "GSUB", "GPOS", "DSIG"]
    cutter = subset.Subsetter(options)
    cutter.populate(text="".join(sorted(set(texts()))) + " ")
    cutter.subset(font)
    glyphs, outlines = font.getGlyphSet(), {}
    for name in font.getGlyphOrder():
        pen = TTGlyphPen(None)
        glyphs[name].draw(Cu2QuPen(pen, MAX_ERROR, reverse_direction=True))
        outlines[name] = pen.glyph()
    _make_quadratic(font, outlines)
    for number, text in ((1, NAME), (2, "Regular"), (4, NAME), (6, NAME.replace(" ", ""))):
        font["name"].setName(text, number, 3, 1, 0x409)
    return font


def _make_quadratic(font: TTFont, outlines: dict[str, object]) -> None:
    font["loca"], font["glyf"] = newTable("loca"), newTable("glyf")
    font["glyf"].glyphOrder, font["glyf"].glyphs = font.getGlyphOrder(), outlines
    for name in ("CFF ", "VORG"):
        if name in font:
            del font[name]
    font["glyf"].compile(font)
    widths = font["hmtx"].metrics
    font["hmtx"].metrics = {name: (width, getattr(outlines[name], "xMin", 0)) for name, (width, _) in widths.items()}
    table = font["maxp"]
    table.tableVersion = 0x00010000
    for name, value in {
        **dict.fromkeys(("maxZones",), 1),
        **dict.fromkeys(
            ("maxTwilightPoints", "maxStorage", "maxFunctionDefs", "maxInstructionDefs", "maxStackElements",
             "maxSizeOfInstructions", "maxPoints", "maxContours", "maxCompositePoints", "maxCompositeContours",
             "maxComponentElements", "maxComponentDepth"), 0
        ),
    }.items():  # fmt: skip
        setattr(table, name, value)
    font["post"].formatType = 3.0
    font.sfntVersion = "\000\001\000\000"


if __name__ == "__main__":
    made_font(Path(sys.argv[1])).save(TARGET)
    print(f"{TARGET.name}: {TARGET.stat().st_size} bytes")
