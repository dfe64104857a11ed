"""The rule by which a test does without what this machine lacks."""

from __future__ import annotations

import pytest

from tests.conftest import absent


def test_what_is_absent_skips_with_its_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CI_REQUIRES_PEERS", raising=False)
    with pytest.raises(pytest.skip.Exception, match="no qemu"):
        absent("no qemu")


def test_what_is_absent_fails_where_all_is_promised(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CI_REQUIRES_PEERS", "1")
    with pytest.raises(pytest.fail.Exception, match="no qemu"):
        absent("no qemu")
