"""The cart's lamps as text on a terminal: a document in, something that rich prints out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import RenderableType

LAMPS = {"captured": "●", "low_quality": "◐", "not_obtainable": "⊘", "not_covered": "·", "missing": "○"}
COLOURS = {"captured": "green", "low_quality": "yellow", "not_obtainable": "blue", "not_covered": "dim", "missing": ""}


def panel_from_document(document: Mapping[str, object]) -> RenderableType:
    """What a person at the cart sees.

    Args:
        document: of `sim_cart.SimCart`.
    """
    from rich.panel import Panel
    from rich.text import Text

    if document["event"] != "lamps":
        words = [f"{name} {value}" for name, value in document.items() if name != "event"]
        return Text(f"{document['event']}: {', '.join(words)}")
    text = Text()
    text.append(
        " AI OFF / AI 已关闭 " if document["ai_off"] else " AI on ", "reverse red" if document["ai_off"] else "green"
    )
    text.append("  SYNTHETIC" if document["synthetic"] else "", "bold magenta")
    text.append(f"  link {document['link']}, exam {document['exam']}, attention {document['attention']}\n")
    text.append(f" {document['answer']} {document['plane']} {document['confidence']}\n ")
    rows = document["rows"]
    for state in rows if isinstance(rows, list) else []:
        text.append(f"{LAMPS[state]} ", COLOURS[state])
    return Panel(text, title="cart", expand=False)
