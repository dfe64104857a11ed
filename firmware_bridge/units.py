"""What the unit of each bridge must let through, from the options that its command reads.

In: options of `edge bridge NAME`, read. Out: its devices, networks, memory and threads, and no others.
"""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import ip_address
from typing import Any

from edge.deploy.configured import BridgeNeeds
from edge.deploy.unit import BRIDGE_MEMORY, BRIDGE_TASKS, Access
from edge.errors import UsageError
from firmware_bridge.dicom.outbox_service import destination_from_text
from firmware_bridge.dicom.tls import files_from_options
from firmware_bridge.igtl.settings import IgtlSettings

DICOM_MEMORY = "1G"  # 256 MB of objects, each three times in memory while it is decoded
DICOM_TASKS = 256  # 64 associations of two threads each
CAMERAS = ("camera", "gst")  # of a pipeline only its text is known: it may read a grabber


def cart(options: Mapping[str, Any]) -> BridgeNeeds:
    """A serial line, or the address of one."""
    kind, _, rest = str(options["port"]).partition(":")
    devices = ("serial",) if kind.startswith("/") else ("none",)
    networks = networks_of("cart.port", rest.rpartition(":")[0]) if kind == "tcp" else ()
    access = Access(devices, networks, BRIDGE_MEMORY, BRIDGE_TASKS)
    return BridgeNeeds("vmamba-edge: the cart's lamps, bell and keys", ("bridge", "cart"), access)


def dicom(options: Mapping[str, Any]) -> BridgeNeeds:
    """The networks of the scanners, which no option names, and of the archives that reports go to.

    Raises:
        UsageError: some of the three files of TLS, or an archive that is none.
    """
    files_from_options(options["tls_cert"], options["tls_key"], options["tls_ca"])  # all three or none
    archives = [destination_from_text(text, options["ae_title"]) for text in options["send"] or ()]
    networks = [network for archive in archives for network in networks_of("dicom.send", archive.host)]
    access = Access(("none",), tuple(networks), DICOM_MEMORY, DICOM_TASKS)
    is_open = not is_loopback(str(options["host"]))
    return BridgeNeeds("vmamba-edge: the scanner's DICOM images", ("bridge", "dicom"), access, is_open)


def igtl(options: Mapping[str, Any]) -> BridgeNeeds:
    """Those that may connect, and the peer that is a server.

    Raises:
        UsageError: there is no peer, or anybody may be one.
    """
    allowed, server = tuple(options["allow"] or ()), options["connect"]
    IgtlSettings(options["socket"], options["listen"], server, allowed)  # refuses what is open to everybody
    networks = (*map(str, allowed), *(networks_of("igtl.connect", server[0]) if server else ()))
    access = Access(("none",), networks, BRIDGE_MEMORY, BRIDGE_TASKS)
    return BridgeNeeds("vmamba-edge: a research scanner over OpenIGTLink", ("bridge", "igtl"), access)


def video(options: Mapping[str, Any]) -> BridgeNeeds:
    """The grabber."""
    is_camera = str(options["source"]).partition(":")[0] in CAMERAS
    access = Access(("camera",) if is_camera else ("none",), (), BRIDGE_MEMORY, BRIDGE_TASKS)
    return BridgeNeeds("vmamba-edge: the scanner's video output", ("bridge", "video"), access)


def networks_of(place: str, host: str) -> tuple[str, ...]:
    """What a unit must reach for a host; nothing for this machine.

    Args:
        place: the key that names it.
        host: as it stands in the file.

    Raises:
        UsageError: it is a name: a unit lets addresses through, and asks no name server.
    """
    if is_loopback(host):
        return ()
    try:
        return (str(ip_address(host.strip("[]"))),)
    except ValueError as error:
        raise UsageError(f"The config's {place} names the host {host!r}.", "Give its address in numbers.") from error


def is_loopback(host: str) -> bool:
    """Whether it is this machine."""
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"
