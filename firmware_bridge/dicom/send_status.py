"""C-STORE status -> what to do with the object: one table.

==============  =================================================  ==========
status          meaning (PS3.4 table B.2-1, PS3.7 annex C)         verdict
==============  =================================================  ==========
0000            success                                            TAKEN
0001, 0107,     warning: stored, something coerced or dropped      TAKEN
0116, Bxxx
0111            duplicate SOP instance: it is there already        TAKEN
A7xx            out of resources                                   BUSY
A9xx            data set does not match SOP class                  REFUSED
0112, 0117,     no such instance, invalid instance UID,            REFUSED
0118, 0122      no such class, SOP class not supported
Cxxx, 01xx,     cannot understand, processing failure, not         FAILED
02xx, others    authorised, unknown
none            no response: connection lost, aborted, time-out    LOST
==============  =================================================  ==========

Cxxx says that the object is at fault, and real archives answer it when their database is: so it is tried again, long
and slowly, before it is given up.
"""

from __future__ import annotations

from enum import Enum


class Verdict(Enum):
    """What became of an attempt."""

    TAKEN = "taken"  # the destination has it
    BUSY = "busy"  # the destination takes nothing now: wait with everything
    FAILED = "failed"  # of this object: try it again, some times
    REFUSED = "refused"  # of this object, for good
    LOST = "lost"  # nobody knows: send it again


def verdict_from_status(status: int | None) -> Verdict:
    """What a status means.

    Args:
        status: 0..0xFFFF; None where no response came (pynetdicom's empty dataset).
    """
    if status is None:
        return Verdict.LOST
    if status in (0x0000, 0x0001, 0x0107, 0x0111, 0x0116) or 0xB000 <= status <= 0xBFFF:
        return Verdict.TAKEN
    if 0xA700 <= status <= 0xA7FF:
        return Verdict.BUSY
    if status in (0x0112, 0x0117, 0x0118, 0x0122) or 0xA900 <= status <= 0xA9FF:
        return Verdict.REFUSED
    return Verdict.FAILED
