"""What the runtime's own sources share: they open with the first frame, close with their iterator, and read a place."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import TypeVar

from edge.errors import ImageError, UsageError

T = TypeVar("T", bound="OwnSource")


class OwnSource:
    """A context manager that holds nothing itself.

    Attributes:
        credit: of its images; the runtime's own sources show the user's.
    """

    credit: str = ""

    def __enter__(self: T) -> T:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Nothing is open outside of the iterator."""


def path_from_where(kind: str, where: str) -> Path:
    """The place of a source that needs one.

    Args:
        kind: of the source.
        where: what follows the colon.

    Raises:
        UsageError: no path was given.
        ImageError: nothing is there.
    """
    if not where:
        raise UsageError(f"The source '{kind}' needs a path.", f"Write {kind}:PATH.")
    if not Path(where).exists():
        raise ImageError(f"{where} is not there.", "Correct the path of the source.")
    return Path(where)
