"""What each bridge's unit lets through follows from its own options."""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest

from edge.deploy.configured import BridgeNeeds
from edge.errors import UsageError
from firmware_bridge import units

SOCKET = Path("/run/vmamba-edge/api.sock")
DICOM: dict[str, Any] = {
    "host": "127.0.0.1",
    "ae_title": "BOX",
    "port": 11112,
    "spool": None,
    "outbox": None,
    "send": None,
    "tls_cert": None,
    "tls_key": None,
    "tls_ca": None,
    "tls_name": "",
    "caller": None,
}
IGTL: dict[str, Any] = {"socket": SOCKET, "listen": None, "connect": None, "allow": None}
NETWORK = ip_network("10.0.0.0/24")


@pytest.mark.parametrize(
    ("bridge", "options", "devices", "addresses", "is_open"),
    [
        (units.cart, {"port": "/dev/ttyACM0"}, "serial", (), False),
        (units.cart, {"port": "tcp:127.0.0.1:7000"}, "none", (), False),
        (units.cart, {"port": "tcp:192.168.7.9:7000"}, "none", ("192.168.7.9",), False),
        (units.cart, {"port": "tcp:[fd00::9]:7000"}, "none", ("fd00::9",), False),
        (units.dicom, DICOM, "none", (), False),
        (units.dicom, {**DICOM, "host": "0.0.0.0", "send": ["10.0.0.4:104:PACS"]}, "none", ("10.0.0.4",), True),
        (units.igtl, {**IGTL, "listen": ("127.0.0.1", 18944)}, "none", (), False),
        (units.igtl, {**IGTL, "listen": ("0.0.0.0", 18944), "allow": [NETWORK]}, "none", ("10.0.0.0/24",), False),
        (units.igtl, {**IGTL, "connect": ("10.0.0.5", 18944)}, "none", ("10.0.0.5",), False),
        (units.video, {"source": "camera:/dev/video0"}, "camera", (), False),
        (units.video, {"source": "gst:v4l2src ! videoconvert"}, "camera", (), False),
        (units.video, {"source": "pipe:/srv/pipe"}, "none", (), False),
    ],
)  # fmt: skip
def test_a_unit_reaches_what_its_options_name_and_nothing_more(
    bridge: Callable[[Any], BridgeNeeds], options: Any, devices: str, addresses: tuple[str, ...], is_open: bool
) -> None:
    needs = bridge(options)
    assert (needs.access.devices, needs.access.addresses, needs.is_open) == ((devices,), addresses, is_open)


def test_pictures_of_a_scanner_get_more_memory_and_threads_than_a_lamp() -> None:
    dicom, cart = units.dicom(DICOM).access, units.cart({"port": "/dev/ttyUSB0"}).access
    assert (dicom.memory, dicom.tasks) == ("1G", 256)
    assert (cart.memory, cart.tasks) == ("512M", 128)


def test_a_host_that_is_a_name_cannot_be_let_through() -> None:
    with pytest.raises(UsageError, match=r"'pacs\.ward'"):
        units.dicom({**DICOM, "send": ["pacs.ward:104:PACS"]})


@pytest.mark.parametrize(
    ("name", "value", "fits"),
    [
        ("spool", Path("/srv/spool"), False),
        ("spool", Path("/var/lib/vmamba-edge-dicom/../vmamba-edge"), False),
        ("outbox", Path("/var/lib/vmamba-edge/outbox.db"), False),
        ("outbox", Path("/var/lib/vmamba-edge-dicom/reports.db"), False),  # and nowhere to send them
        ("spool", Path("/var/lib/vmamba-edge-dicom/pictures"), True),
        ("port", 104, False),
        ("port", 2762, True),
    ],
)
def test_what_the_unit_of_the_scanner_could_not_have_is_refused(name: str, value: object, fits: bool) -> None:
    if fits:
        assert units.dicom({**DICOM, name: value}).words == ("bridge", "dicom")
        return
    with pytest.raises(UsageError, match=rf"dicom\.{name}"):
        units.dicom({**DICOM, name: value})


@pytest.mark.parametrize(
    ("changes", "cause"),
    [
        ({"ae_title": "A" * 17}, "no AE title"),
        ({"caller": ["SCANNER", ""]}, "no AE title"),
        ({"tls_name": "pacs"}, "three files"),
    ],
)
def test_options_with_which_the_bridge_would_not_start_are_refused(changes: dict[str, object], cause: str) -> None:
    with pytest.raises(UsageError, match=cause):
        units.dicom({**DICOM, **changes})


def test_a_port_that_the_unit_could_not_have_is_refused() -> None:
    with pytest.raises(UsageError, match=r"igtl\.listen is 944"):
        units.igtl({**IGTL, "listen": ("127.0.0.1", 944)})
