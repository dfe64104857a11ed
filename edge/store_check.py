"""Is the store what the audit chain says: every row in the chain, every entry's row there or deleted by an entry.

In: a reader. Out: the chain's head and what was counted, or the first place where store and chain disagree.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from edge.audit import DELETED, AuditEntry, Head, digest_from_entry, head_from_entries
from edge.errors import TrustError
from edge.store_reader import ExamReader
from edge.store_rows import StoredContent


@dataclass(frozen=True)
class StoreCheck:
    """A store that agrees with its chain.

    Attributes:
        head: of the chain: note it elsewhere, and a later check tells whether the past was rewritten.
        exams: that are there.
        records: exams and events, each compared with its entry.
        deleted: exams that an entry says were deleted.
    """

    head: Head
    exams: int
    records: int
    deleted: int


def check_store(reader: ExamReader, noted: Head | None = None) -> StoreCheck:
    """Walk the chain and every row; memory for the ids of the exams only.

    Args:
        reader: of the store; a service may write meanwhile.
        noted: a head from an earlier check, which the chain must still pass through.

    Raises:
        TrustError: the chain is broken, or a row is missing, altered or not in it.
        InputError: the file is damaged.
        MachineError: it cannot be read.
    """
    with reader.snapshot():
        reader.check_pages()
        live = {exam.exam for exam in reader.exams()}
        deleted: set[str] = set()
        head = head_from_entries(_watched(reader.audit(), deleted, noted))
        if noted is not None and head.number < noted.number:
            raise _differ(f"ends at entry {head.number}, entry {noted.number} was noted: its end was cut off")
        if back := live & deleted:
            raise _differ(f"says that exam {min(back)} was deleted, and it is there")
        records = _compared(reader, live, deleted)
    return StoreCheck(head, len(live), records, len(deleted))


def check_exam(reader: ExamReader, exam: str) -> Head:
    """Walk the chain and compare the records of one exam with it; the others' records are not read.

    Args:
        reader: of the store; call it inside its `snapshot` where more is read of the same moment.
        exam: its id.

    Returns:
        Number and digest of the newest entry that speaks of the exam.

    Raises:
        UsageError: there is no such exam.
        TrustError: the chain is broken, or a record of the exam is missing, altered or not in it.
    """
    stored = iter(reader.contents_of(exam))
    newest = Head(0, "")

    def passed() -> Iterator[AuditEntry]:
        nonlocal newest
        for entry in reader.audit():
            if entry.exam == exam:
                if next(stored, None) != _content_from_entry(entry):
                    raise _differ(f"and record {entry.sequence} of exam {exam} disagree (entry {entry.number})")
                newest = Head(entry.number, digest_from_entry(entry))
            yield entry

    head_from_entries(passed())
    for left in stored:
        raise _differ(f"knows nothing of record {left.sequence} of exam {exam}")
    return newest


def _watched(entries: Iterable[AuditEntry], deleted: set[str], noted: Head | None) -> Iterator[AuditEntry]:
    """Pass entries on, gather deletions, compare the one that was noted."""
    for entry in entries:
        if noted is not None and entry.number == noted.number and digest_from_entry(entry) != noted.digest:
            raise _differ(f"no longer holds the noted entry {noted.number}: it was rewritten")
        if entry.kind == DELETED:
            deleted.add(entry.exam)
        yield entry


def _compared(reader: ExamReader, live: set[str], deleted: set[str]) -> int:
    """Rows and entries side by side: both stand in the order in which they were written."""
    exams, events = reader.exam_contents(), reader.event_contents()
    count = 0
    for entry in reader.audit():
        if entry.kind == DELETED or entry.exam in deleted:
            continue
        if entry.exam not in live:
            raise _differ(f"speaks of exam {entry.exam}, which is not there and was never deleted")
        stored = next(exams if entry.sequence == 0 else events, None)
        if stored != _content_from_entry(entry):
            raise _differ(f"and record {entry.sequence} of exam {entry.exam} disagree (entry {entry.number})")
        count += 1
    for left in (*exams, *events):
        raise _differ(f"knows nothing of record {left.sequence} of exam {left.exam}")
    return count


def _content_from_entry(entry: AuditEntry) -> StoredContent:
    return StoredContent(
        entry.exam, entry.sequence, entry.kind, entry.operator, entry.bundle, entry.wall, entry.content
    )


def _differ(what: str) -> TrustError:
    return TrustError(f"The audit chain {what}.", "Keep the file as it is and restore the store's backup.")
