"""Which exam store a service writes: the one that was named, the device's own, or a demo's that goes with it."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from edge.errors import TrustError
from edge.exam_vault import load_vault, made_vault
from edge.service.service_settings import ServiceSettings
from edge.store import Store, open_store, store_path


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
            path = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="vmamba-edge-demo-"))) / "exams.db"
        vault = made_vault(settings.home) if settings.encrypt else None
        try:
            store = stack.enter_context(open_store(path, wall=wall, vault=vault))
        except TrustError:
            found = load_vault(settings.home)
            if vault is not None or found is None:
                raise
            store = stack.enter_context(open_store(path, wall=wall, vault=found))
        yield store, is_temporary
