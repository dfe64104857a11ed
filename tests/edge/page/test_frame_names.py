"""A frame with a name: what the API reads of it, and how it is answered."""

from __future__ import annotations

import pytest

from edge.errors import ImageError
from tests.edge.page.conftest import Apps
from tests.edge.page.test_frames import head, sent

NAME = "dicom-" + "0123456789abcdef" * 2


def test_a_frame_with_a_name_is_answered_with_what_became_of_it(apps: Apps) -> None:
    assert sent(apps, x_name=NAME).json == {"taken": True, "settled": "kept"}
    assert apps.box.taken[0].name == NAME


@pytest.mark.parametrize("name", ["", "run1-7", "a1b2c3d4-0123456789abcdef", "dicom-short", "dicom-" + "A" * 20])
def test_a_name_that_is_none_or_the_services_own_is_refused(name: str) -> None:
    with pytest.raises(ImageError, match="X-Name"):
        head(name=name)


def test_the_name_may_be_missing() -> None:
    assert head().name == ""
