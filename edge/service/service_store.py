"""Which exam store a service writes: the one that was named, the device's own, or a demo's that goes with it."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from edge.errors import MachineError, TrustError
from edge.exam_vault import load_vault, made_vault
from edge.service.service_settings import ServiceSettings
from edge.store import Store, open_store, store_path
from edge.store_lock import held

PREFIX, DEMO_STORE = "vmamba-edge-demo-", "exams.db"


@contextmanager
def service_store(settings: ServiceSettings, wall: Callable[[], str]) -> Iterator[tuple[Store, bool]]:
    """Open the store of a service; one that is encrypted is opened with the device's key without being asked to.

    Args:
        settings: of the service.
        wall: tells UTC as ISO text.

    Yields:
        The store, and whether it goes when the service ends.

    Raises:
        EdgeError: as of `edge.store.open_store`.
    """
    with ExitStack() as stack:
        is_temporary = settings.is_demo and settings.store is None
        path = settings.store or store_path(settings.home)
        if is_temporary:
            _remove_dead(Path(tempfile.gettempdir()))
            path = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix=PREFIX))) / DEMO_STORE
        vault = made_vault(settings.home) if settings.encrypt else None
        try:
            store = stack.enter_context(open_store(path, wall=wall, vault=vault))
        except TrustError:
            found = load_vault(settings.home)
            if vault is not None or found is None:
                raise
            store = stack.enter_context(open_store(path, wall=wall, vault=found))
        yield store, is_temporary


def _remove_dead(folder: Path) -> None:
    """Remove the stores of demos that were killed: a person may have typed a patient into one."""
    for left in folder.glob(f"{PREFIX}*"):
        with suppress(OSError, MachineError):  # another user's, or one of a demo that runs
            if left.is_symlink() or left.stat().st_uid != os.getuid() or not (left / DEMO_STORE).exists():
                continue
            with held(left / DEMO_STORE):
                shutil.rmtree(left)
