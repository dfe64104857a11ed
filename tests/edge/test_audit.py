from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.audit import START, UNAUTHENTICATED, AuditEntry, Head, check_entry, digest_from_entry, head_from_entries
from edge.errors import InputError, TrustError

EXAM = "0f8fad5b-d9cb-469f-a165-70867728950e"
DIGEST = "ab" * 32


def chain(count: int) -> list[AuditEntry]:
    entries: list[AuditEntry] = []
    head = START
    for number in range(1, count + 1):
        wall = "2026-03-01T08:00:00Z"
        entry = AuditEntry(number, EXAM, number, "capture", UNAUTHENTICATED, wall, DIGEST, DIGEST, head.digest)
        entries.append(entry)
        head = Head(number, digest_from_entry(entry))
    return entries


def test_an_unbroken_chain_ends_at_its_last_entry() -> None:
    entries = chain(5)
    assert head_from_entries(entries) == Head(5, digest_from_entry(entries[-1]))
    assert head_from_entries([]) == START


def test_a_chain_can_be_walked_on_from_a_head() -> None:
    entries = chain(5)
    assert head_from_entries(entries[2:], head_from_entries(entries[:2])) == head_from_entries(entries)


def test_the_digest_of_an_entry_never_changes() -> None:
    assert digest_from_entry(chain(1)[0]) == "e189b58090ba33babb9781345363d34c8dc0ea26e1ea23c9a0b60687db5bc1d2"


CHANGES = {"exam": EXAM.replace("0", "1"), "sequence": 7, "kind": "other", "operator": "op1", "wall": "2027-01-01"}
CHANGES |= {"bundle": "cd" * 32, "content": "cd" * 32}


@pytest.mark.parametrize("field", CHANGES)
def test_an_altered_field_breaks_the_chain_behind_it(field: str) -> None:
    entries = chain(4)
    entries[1] = replace(entries[1], **{field: CHANGES[field]})  # type: ignore[arg-type]
    with pytest.raises(TrustError, match="entry 3 does not follow"):
        head_from_entries(entries)


@given(st.permutations(range(5)), st.integers(0, 5))
def test_entries_out_of_order_or_missing_break_the_chain(order: list[int], kept: int) -> None:
    entries = chain(5)
    shuffled = [entries[at] for at in order][:kept]
    if shuffled == entries[:kept]:
        assert head_from_entries(shuffled).number == kept
    else:
        with pytest.raises(TrustError, match="audit chain is broken"):
            head_from_entries(shuffled)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("exam", "Wang Fang"),
        ("exam", EXAM.upper()),
        ("kind", "Wang Fang"),
        ("kind", "exam.other"),
        ("operator", "Anna Schmidt"),
        ("operator", "王芳"),
        ("operator", ""),
        ("wall", "yesterday"),
        ("bundle", ""),
        ("content", "Wang"),
        ("previous", "0"),
    ],
)
def test_names_and_free_text_find_no_place_in_an_entry(field: str, value: str) -> None:
    entry = replace(chain(1)[0], **{field: value})  # type: ignore[arg-type]
    with pytest.raises(InputError, match=f"The {field} of an audit entry"):
        check_entry(entry)
    with pytest.raises(TrustError):
        head_from_entries([entry])
