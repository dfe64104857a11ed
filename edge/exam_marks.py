"""What must stand beside every result of an exam and is no event of it: the model's name and watermark, the source.

::

    manifest, source --service--> Marks --about["marks"] of Store.new_exam--> report

In: what the service knows when it opens an exam. Out: JSON for the store's `about`, and the value back. An exam that
was stored without them has none: a report then says so, since a missing watermark must not look like a clean model.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from edge.errors import InputError
from edge.record import RecordError, json_from_record, record_from_json

KEY = "marks"


@dataclass(frozen=True)
class Marks:
    """Beside every result.

    Attributes:
        model: name of the bundle that opened the exam.
        watermark: of its manifest, or None.
        source: kind of the frames' source, e.g. "camera"; never a path.
        is_demo: the frames are synthetic or a slideshow of stored images.
        credit: attribution of a demo's images; "" otherwise.
        scanner: its model; "" where it is not known.
        is_measured: the bundle was measured on that scanner; None where the scanner is not known.
    """

    model: str
    watermark: str | None
    source: str
    is_demo: bool
    credit: str
    scanner: str
    is_measured: bool | None


def about_from_marks(marks: Marks) -> dict[str, Any]:
    """What the store's `about` gains."""
    return {KEY: json_from_record(marks)}


def marks_from_about(about: Mapping[str, Any]) -> Marks | None:
    """The marks of a stored exam; None where it was stored without.

    Raises:
        InputError: they are not of their form.
    """
    if KEY not in about:
        return None
    try:
        return record_from_json(Marks, about[KEY], KEY)
    except RecordError as error:
        raise InputError(
            f"The exam's marks are not valid: {error}.", "The store may be of a newer version; update."
        ) from error
