"""What a user can tell the plane check, one frozen dataclass an order; the API reads them, the desk carries them out.

In: a name and JSON that a page, a cart or a program sent: read strictly, as a stranger's. Out: an order, or one line of
cause and cure. An order names its exam, so that a page that shows an older one cannot act on the open one.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, fields

from edge.audit import OPERATOR
from edge.errors import InputError
from edge.exam_keys import MAX_KEY_LENGTH
from edge.exam_state import MAX_FETUSES
from edge.record import RecordError, record_from_json

MAX_TEXT = 200  # characters of a reason; a page offers short codes and one line


@dataclass(frozen=True)
class Order:
    """What every order carries.

    Attributes:
        by: operator's id, or "" for "unauthenticated"; where an exam has an operator, that one counts, but for the
            orders that name one: OpenExam, Acknowledge and NameOperator.
    """

    by: str


@dataclass(frozen=True)
class OpenExam(Order):
    """Open an exam; the one that is open stays stored and is put aside, not ended.

    Attributes:
        patient: id as typed; may be empty with a study.
        study: id as typed; may be empty with a patient.
        fetuses: how many are known.
    """

    patient: str
    study: str
    fetuses: int


@dataclass(frozen=True)
class ExamOrder(Order):
    """An order about one exam.

    Attributes:
        exam: its id.
    """

    exam: str


@dataclass(frozen=True)
class Pause(ExamOrder):
    """Ignore live frames."""


@dataclass(frozen=True)
class Continue(ExamOrder):
    """End the pause; an exam that was put aside becomes the open one again."""


@dataclass(frozen=True)
class End(ExamOrder):
    """End the exam for frames; corrections stay possible."""


@dataclass(frozen=True)
class Freeze(ExamOrder):
    """The freeze key."""


@dataclass(frozen=True)
class SwitchFetus(ExamOrder):
    """From now on frames are of this fetus."""

    fetus: int


@dataclass(frozen=True)
class Acknowledge(ExamOrder):
    """The user has seen the full-screen change to this exam; with `by` that one examines from now on."""


@dataclass(frozen=True)
class NameOperator(ExamOrder):
    """From now on `by`, which is not "", examines."""


@dataclass(frozen=True)
class Confirm(ExamOrder):
    """This plane is done."""

    plane: str
    fetus: int


@dataclass(frozen=True)
class GiveUp(ExamOrder):
    """This plane is not obtainable."""

    plane: str
    fetus: int
    reason: str


@dataclass(frozen=True)
class TakeBack(ExamOrder):
    """Take back a Confirm or a GiveUp."""

    plane: str
    fetus: int


@dataclass(frozen=True)
class Reassign(ExamOrder):
    """A stored frame shows another plane, or one from the tray shows this one."""

    frame: str
    plane: str
    fetus: int


@dataclass(frozen=True)
class Unassign(ExamOrder):
    """A stored frame does not show its plane."""

    frame: str


ORDERS: Mapping[str, type[Order]] = {
    "open": OpenExam,
    "pause": Pause,
    "continue": Continue,
    "end": End,
    "freeze": Freeze,
    "fetus": SwitchFetus,
    "acknowledge": Acknowledge,
    "operator": NameOperator,
    "confirm": Confirm,
    "not_obtainable": GiveUp,
    "take_back": TakeBack,
    "reassign": Reassign,
    "unassign": Unassign,
}


def order_from_json(name: str, data: object) -> Order:
    """Read an order.

    Args:
        name: of ORDERS.
        data: parsed JSON, an object with exactly the order's fields.

    Raises:
        InputError: there is no such order, or a field is missing, unknown, of a wrong type or too long.
    """
    cure = f"Send one of: {', '.join(ORDERS)}; fields as in docs/integrator.md."
    if name not in ORDERS:
        raise InputError(f"There is no order {name[:MAX_KEY_LENGTH]!r}.", cure, "no_order")
    try:
        order = record_from_json(ORDERS[name], data)
        for field in fields(order):
            _check_field(field.name, getattr(order, field.name))
    except RecordError as error:
        raise InputError(f"The order {name!r} is not valid: {error}.", cure, "order_invalid") from error
    return order


def _check_field(name: str, value: object) -> None:
    if isinstance(value, int):
        if not 1 <= value <= MAX_FETUSES:
            raise RecordError(f"{name} is {value}, expected 1 to {MAX_FETUSES}")
        return
    text = str(value)
    limit = MAX_TEXT if name == "reason" else MAX_KEY_LENGTH
    if len(text) > limit:
        raise RecordError(f"{name} has {len(text)} characters, expected at most {limit}")
    if any(unicodedata.category(letter) in ("Cc", "Cs", "Co", "Cn") for letter in text):
        raise RecordError(f"{name} holds a control character")
    if name == "by" and text and not OPERATOR.fullmatch(text):
        raise RecordError("by is no operator's id: letters, digits, dot, dash and underscore")
