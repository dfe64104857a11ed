"""The line of a key, however TOML lets it be written."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.config.lines import lines_from_text

TEXT = '''# a comment
[serve]
port = 1
roi = """
[cart]
port = 2
"""

[ "cart" ]
"foot"='x'
list = [
  # [igtl]
  "a=b",
]
dicom.host = "x"
[[video]]
source = "x"
'''


@pytest.mark.parametrize(
    ("path", "line"),
    [
        (("serve",), 2), (("serve", "port"), 3), (("serve", "roi"), 4), (("cart",), 9), (("cart", "foot"), 10),
        (("cart", "list"), 11), (("cart", "dicom"), 15), (("video",), 16), (("video", "source"), 17),
    ],
)  # fmt: skip
def test_a_key_is_found_where_it_stands(path: tuple[str, ...], line: int) -> None:
    assert lines_from_text(TEXT)[path] == line
    assert lines_from_text(TEXT.replace("\n", "\r\n"))[path] == line
    assert ("cart", "port") not in lines_from_text(TEXT)
    assert ("igtl",) not in lines_from_text(TEXT)


@pytest.mark.parametrize("text", ["serve.port = 1", "serve = {port = 1}", "[serve.port]", "'serve'.'port' = 1"])
def test_every_way_to_write_a_key_is_seen(text: str) -> None:
    assert lines_from_text(f"\n{text}\n")[("serve", "port")] == 2


@settings(max_examples=50)
@given(st.lists(st.sampled_from(["", "# x", "b = 1", "c = '''\n'''", "d = [\n]"]), unique=True))
def test_what_stands_before_a_key_does_not_move_it(before: list[str]) -> None:
    text = "\n".join(["[s]", *before, "key = 1"])
    assert lines_from_text(text)[("s", "key")] == text.count("\n") + 1
