"""The page's files, read without a browser: one table of texts, nothing inline, nothing from elsewhere."""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path

EDGE = Path(__file__).parents[4] / "edge"
STATIC = EDGE / "page" / "static"
ORDERED = ("desk.py", "desk_orders.py", "desk_keeper.py", "orders.py", "attention_request.py")  # what a tap may meet
ENTRY = re.compile(r'^  (\w+): (\["(?:[^"\\]|\\.)*", "(?:[^"\\]|\\.)*"\]),$')
BUILT = ("state_", "lamp_", "engine_", "confidence_", "reason_", "store_", "error_")  # keys with a part of the box
ACTIONS = {"confirm", "take_back", "reassign", "reassign_long", "give_up", "give_up_long"}
OF_THE_BOX = {"not_standard", "not_covered"}


def _texts() -> dict[str, list[str]]:
    lines = (STATIC / "texts.js").read_text("utf-8").splitlines()
    begin = lines.index("export const TEXTS = {") + 1
    body = [line for line in lines[begin : lines.index("};")] if not line.lstrip().startswith("//")]
    found = [ENTRY.match(line) for line in body]
    assert None not in found, [line for line, match in zip(body, found, strict=True) if match is None]
    return {match[1]: json.loads(match[2]) for match in found if match}


def _code() -> str:
    files = [path for path in STATIC.iterdir() if path.suffix in (".js", ".html") and path.name != "texts.js"]
    return "\n".join(path.read_text("utf-8") for path in files)


def _errors(path: Path) -> list[ast.Call]:
    """Where a file makes an error of the tree, or of a function that makes one with a word."""
    calls = [node for node in ast.walk(ast.parse(path.read_text("utf-8"))) if isinstance(node, ast.Call)]
    return [call for call in calls if re.fullmatch(r"[A-Z]\w*Error", getattr(call.func, "id", ""))]


def _word(call: ast.Call) -> set[str]:
    given = call.args[2] if len(call.args) > 2 else None
    if isinstance(given, ast.JoinedStr):  # of the store's state
        return {"store_full", "store_failed"}
    return {str(given.value)} if isinstance(given, ast.Constant) else set()


def test_every_word_of_a_failure_has_its_text_and_no_text_has_none() -> None:
    files = [path for path in EDGE.rglob("*.py") if "commands" not in path.parts]
    words = {word for path in files for call in _errors(path) if call.func.id != "ReplyError" for word in _word(call)}  # type: ignore[attr-defined]
    assert {f"error_{word}" for word in words} == {key for key in _texts() if key.startswith("error_")}


def test_whatever_a_tap_may_be_refused_for_has_a_word() -> None:
    for name in ORDERED:
        for call in _errors(EDGE / "service" / name):
            assert call.func.id == "RecordError" or _word(call), f"{name}:{call.lineno}"  # type: ignore[attr-defined]


def test_every_text_stands_in_both_languages() -> None:
    for key, (english, chinese) in _texts().items():
        assert english and chinese, key
        assert sorted(re.findall(r"\{\d\}", english)) == sorted(re.findall(r"\{\d\}", chinese)), key


def test_every_text_is_used_and_every_used_text_is_there() -> None:
    code, texts = _code(), _texts()
    used = set(re.findall(r'"(\w+)"', code))
    built = {key for key in texts if key.startswith(BUILT)} | ACTIONS | OF_THE_BOX
    assert set(texts) - used - built == set()
    asked = set(re.findall(r'\bt\("(\w+)"', code)) | set(re.findall(r'data-(?:text|label)="(\w+)"', code))
    assert asked - set(texts) == set()


def test_nothing_is_inline_and_nothing_comes_from_elsewhere() -> None:
    for path in STATIC.iterdir():
        text = path.read_text("utf-8")
        assert len(text.splitlines()) < 300, path.name
        addresses = set(re.findall(r"https?://[^\"'\s)]+", text)) - {"http://www.w3.org/2000/svg"}
        assert addresses == set(), path.name
        assert "innerHTML" not in text and "eval(" not in text, path.name
    page = (STATIC / "index.html").read_text("utf-8")
    assert re.search(r"<script(?![^>]*\ssrc=)|<style|\sstyle=|\son\w+=", page) is None
