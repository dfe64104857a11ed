"""The steps of an erasure, each small enough for a disk that is all but full: a connection in, whether it had work out.

::

    exam's row deleted --> orphaned events and images, four at a time --> free pages, 64 at a time --> a smaller file

secure_delete overwrites what a row held; the log still has it until it is emptied: the store does so after each step.
What this cannot reach: copies that a file system or a flash disk keeps of blocks it has given up. Encrypt for that.
"""

from __future__ import annotations

import sqlite3

SOME_ORPHANS = "SELECT number FROM events WHERE exam NOT IN (SELECT number FROM exams) LIMIT 4"
STEP_PAGES = 64  # 256 KiB of log
TRUNCATE = "TRUNCATE"  # the checkpoint that leaves an empty log


def remove_some(connection: sqlite3.Connection) -> bool:
    """Delete some events that belong to no exam any more, with their images.

    Args:
        connection: in a transaction.
    """
    rows = connection.execute(SOME_ORPHANS).fetchall()
    for row in rows:
        connection.execute("DELETE FROM jpegs WHERE event = ?", row)
        connection.execute("DELETE FROM events WHERE number = ?", row)
    return bool(rows)


def shrink_some(connection: sqlite3.Connection) -> bool:
    """Give some free pages back to the disk.

    Args:
        connection: in a transaction.
    """
    (free,) = connection.execute("PRAGMA freelist_count").fetchone()
    for _ in range(min(free, STEP_PAGES)):
        connection.execute(
            "PRAGMA incremental_vacuum(1)"
        )  # sqlite3 runs a statement without columns one step: one page
    return bool(free)
