"""Anti-rollback: the highest release of every bundle name that this device has opened.

A signature stays valid for ever, so without a memory an old, flawed release could be put back. The counters lie beside
the keyring; whoever can write there can also trust any key.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from edge.errors import MachineError, TrustError
from edge.ledger import load_record, locked, save_record


@dataclass(frozen=True)
class Counters:
    """What releases.json holds: bundle name -> highest release."""

    highest: Mapping[str, int]


@dataclass(frozen=True)
class Releases:
    """The counters of one folder, which need not exist yet.

    Attributes:
        home: the keyring's folder.
    """

    home: Path

    def highest(self, name: str) -> int | None:
        """Highest release of a bundle name that was opened here, or None."""
        return self._counters().highest.get(name)

    def check(self, name: str, release: int) -> None:
        """Refuse a rollback.

        Raises:
            TrustError: a higher release of that name was opened here.
        """
        highest = self.highest(name)
        if highest is not None and release < highest:
            raise TrustError(
                f"Release {release} of {name!r} is older than installed: this device has opened release {highest}.",
                f"Use release {highest} or a later one.",
            )

    def record(self, name: str, release: int) -> bool:
        """Note that a release was opened.

        Returns:
            False where the folder cannot be written: a read-only device runs, but cannot remember.

        Raises:
            TrustError: a higher one has been opened meanwhile.
        """
        if self.highest(name) == release:
            return True
        try:
            with locked(self.home):
                self.check(name, release)
                save_record(self._file, Counters({**self._counters().highest, name: release}))
        except MachineError:
            return False
        return True

    @property
    def _file(self) -> Path:
        return self.home / "releases.json"

    def _counters(self) -> Counters:
        return load_record(self._file, Counters({}))
