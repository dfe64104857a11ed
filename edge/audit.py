"""The audit chain, pure: who did what, when, with which bundle; every entry holds the digest of the one before it.

::

    entry 1 --sha256--> entry 2 --sha256--> ... --sha256--> head

An entry holds codes, numbers, digests and the time as it was told: never a patient's name, key or free text. So the
chain outlives the exams it speaks of: `content` is a digest over salted bytes, and the salt goes with the exam.
What a chain cannot show: that somebody wrote all of it anew, or cut its end off. Keep the head elsewhere for that.

In: entries. Out: the next entry, the head, or where the chain breaks.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from edge.errors import InputError, TrustError
from edge.files import sha256_from_bytes
from edge.record import bytes_from_record

UNAUTHENTICATED = "unauthenticated"
OPENED = "exam.opened"  # the store's own kinds hold a dot, which no event's kind may: they never collide
DELETED = "exam.deleted"

EXAM = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")  # RFC 9562, random
KIND = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,63}|exam\.(opened|deleted)")
OPERATOR = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")  # an id of the clinic's list, no name
WALL = re.compile(r"[0-9TZ:.+-]{1,40}")  # ISO 8601 by its letters: a clock may tell any year
DIGEST = re.compile(r"[0-9a-f]{64}")  # SHA-256


@dataclass(frozen=True)
class AuditEntry:
    """One link of the chain.

    Attributes:
        number: 1, 2, ... over the whole store; the order, whatever the times say.
        exam: random UUID.
        sequence: of the event within the exam; 0 where the exam was opened, one more than its last at its deletion.
        kind: of the event, or the store's own.
        operator: id of who did it, or "unauthenticated"; of what the machine does, who was named to examine.
        wall: UTC, as the clock told it; never used for an order or a decision.
        bundle: SHA-256 of the bundle.
        content: SHA-256 over the stored, salted bytes; of nothing at a deletion.
        previous: digest of the entry before; 64 zeros for the first.
    """

    number: int
    exam: str
    sequence: int
    kind: str
    operator: str
    wall: str
    bundle: str
    content: str
    previous: str


@dataclass(frozen=True)
class Head:
    """Where a chain ends: the last entry's number and digest."""

    number: int
    digest: str


START = Head(0, "0" * 64)


def digest_from_entry(entry: AuditEntry) -> str:
    """SHA-256 of the entry's canonical JSON."""
    return sha256_from_bytes(bytes_from_record(entry))


def check_entry(entry: AuditEntry) -> None:
    """Refuse whatever is no code, number, digest or time.

    Raises:
        InputError: a field could hold a name or free text.
    """
    rules = {"exam": EXAM, "kind": KIND, "operator": OPERATOR, "wall": WALL}
    rules |= {"bundle": DIGEST, "content": DIGEST, "previous": DIGEST}
    for name, rule in rules.items():
        value = getattr(entry, name)  # of a damaged store of any type
        if not isinstance(value, str) or not rule.fullmatch(value):
            raise InputError(
                f"The {name} of an audit entry is not of its form ({rule.pattern}).",
                "Give ids, codes and digests; the audit log holds no names and no free text.",
            )


def head_from_entries(entries: Iterable[AuditEntry], start: Head = START) -> Head:
    """Walk the chain.

    Args:
        entries: in the order of their numbers, the first one right after `start`.
        start: where the walk begins.

    Returns:
        The chain's head.

    Raises:
        TrustError: an entry is missing, altered, out of order or holds what it may not; it is named by its number.
    """
    head = start
    for entry in entries:
        if entry.number != head.number + 1:
            raise _broken(head.number + 1, f"is missing: number {entry.number} follows {head.number}")
        if entry.previous != head.digest:
            raise _broken(entry.number, "does not follow from the one before: one of both was altered")
        try:
            check_entry(entry)
        except InputError as error:
            raise _broken(entry.number, "holds what no entry may hold") from error
        head = Head(entry.number, digest_from_entry(entry))
    return head


def _broken(number: int, what: str) -> TrustError:
    return TrustError(
        f"The audit chain is broken: entry {number} {what}.", "Keep the file as it is and restore the store's backup."
    )
