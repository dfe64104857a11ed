from __future__ import annotations

from pathlib import Path

import pytest

from edge.errors import EdgeError, UsageError
from edge.protocol import load_protocol, protocol_from_name, protocol_from_text, protocol_names

STUDENT = (
    "abdomen", "brain_transthalamic", "brain_transventricular", "brain_transcerebellar", "femur", "thorax",
    "profile_standard", "not_standard",
)  # fmt: skip


def test_prenatal21_has_the_21_planes_in_their_order() -> None:
    planes = [plane.id for plane in load_protocol("prenatal21").planes]
    expected = "TTV TV TCV Eyes CTSP LSSP 4C LVOT RVOT 3VT AB CI Kidneys BL HL UR FL TF MFP DI ICO"
    assert planes == expected.split()


def test_the_student_covers_five_of_the_21() -> None:
    coverage = load_protocol("prenatal21").coverage_from_labels(STUDENT)
    assert coverage.covered == ("TTV", "TV", "TCV", "AB", "FL")
    assert len(coverage.not_covered) == 16


@pytest.mark.parametrize("label", ["profile_standard", "thorax", "not_standard"])
def test_what_only_looks_alike_is_not_equated(label: str) -> None:
    assert load_protocol("prenatal21").plane_from_label(label) is None


def test_the_student_covers_the_demo_protocol() -> None:
    coverage = load_protocol("demo").coverage_from_labels(STUDENT)
    assert (len(coverage.covered), coverage.not_covered) == (7, ())


@pytest.mark.parametrize("name", protocol_names())
def test_every_plane_has_both_names_and_a_source(name: str) -> None:
    for plane in load_protocol(name).planes:
        assert plane.en.isascii()
        assert any("\u4e00" <= character <= "\u9fff" for character in plane.zh), plane.id
        assert plane.source


def test_a_label_without_a_plane_keeps_its_id() -> None:
    label = load_protocol("demo").label_from_id("class_0")
    assert (label.id, label.en, label.zh) == ("class_0", "class_0", "class_0")


@pytest.mark.parametrize("name", ["none", "../demo"])
def test_an_unknown_protocol_is_a_usage_error(name: str) -> None:
    with pytest.raises(UsageError, match="no protocol"):
        load_protocol(name)


HEAD = 'id = "x"\nen = "x"\nzh = "x"\nsource = "x"\nrefused = []\n'
PLANE = '[[planes]]\nid = "a"\nen = "a"\nzh = "a"\nregion = "a"\nrequired = true\nsource = "a"\nlabels = ["l"]\n'


@pytest.mark.parametrize(
    ("text", "message"), [("=", "not valid"), (HEAD, "planes is missing"), (HEAD + 2 * PLANE, "plane 'a' twice")]
)
def test_a_broken_protocol_is_told(text: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        protocol_from_text(text)


def test_a_protocol_is_named_or_a_file(tmp_path: Path) -> None:
    assert protocol_from_name("demo").id == "demo"
    own = tmp_path / "own.toml"
    own.write_text(Path("edge/protocols/demo.toml").read_text("utf-8").replace('id = "demo"', 'id = "own"', 1), "utf-8")
    assert protocol_from_name(str(own)).id == "own"
    own.write_bytes(b"\xff")
    with pytest.raises(EdgeError, match="cannot be read"):
        protocol_from_name(str(own))
