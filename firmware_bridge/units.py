"""What the unit of each bridge must let through, from the options that its command reads.

In: options of `edge bridge NAME`, read. Out: its devices, networks, memory and threads, and no others.
"""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import ip_address
from os.path import normpath
from pathlib import Path
from typing import Any

from edge.deploy.configured import BridgeNeeds
from edge.deploy.unit import BRIDGE_MEMORY, BRIDGE_TASKS, Access
from edge.errors import UsageError
from firmware_bridge.dicom.outbox_service import destination_from_text
from firmware_bridge.dicom.send import check_title
from firmware_bridge.dicom.tls import files_from_options
from firmware_bridge.igtl.settings import IgtlSettings

DICOM_MEMORY = "1G"  # 256 MB of objects, each three times in memory while it is decoded
DICOM_TASKS = 256  # 64 associations of two threads each
DICOM_STATE = Path("/var/lib/vmamba-edge-dicom")  # of its unit, which writes nowhere else
LEAST_PORT = 1024  # a unit without capabilities gets none below, ip(7)
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
        UsageError: options with which the bridge would not start, or not in its unit.
    """
    _check_had(options)
    files_from_options(options["tls_cert"], options["tls_key"], options["tls_ca"], options["tls_name"])  # or none
    archives = [destination_from_text(text, options["ae_title"]) for text in options["send"] or ()]
    networks = [network for archive in archives for network in networks_of("dicom.send", archive.host)]
    access = Access(("none",), tuple(networks), DICOM_MEMORY, DICOM_TASKS)
    is_open = not is_loopback(str(options["host"]))
    return BridgeNeeds("vmamba-edge: the scanner's DICOM images", ("bridge", "dicom"), access, is_open)


def _check_had(options: Mapping[str, Any]) -> None:
    """Refuse titles, folders and a port with which the unit would never start."""
    for title in (options["ae_title"], *(options["caller"] or ())):
        check_title(title)
    if options["outbox"] is not None and not options["send"]:
        raise UsageError("The config's dicom.outbox is of reports, and dicom.send is not there.", "Add it.")
    for name in ("spool", "outbox"):
        if options[name] is not None and not Path(normpath(options[name])).is_relative_to(DICOM_STATE):
            cause = f"The config's dicom.{name} lies where the unit cannot write."
            raise UsageError(cause, f"Leave it out, or name a place below {DICOM_STATE}.")
    _check_port("dicom.port", options["port"], "Take 11112, the registered port of DICOM, and tell the scanner.")


def _check_port(place: str, port: int, cure: str) -> None:
    if 0 < port < LEAST_PORT:
        raise UsageError(f"The config's {place} is {port}, which takes root's rights.", cure)


def igtl(options: Mapping[str, Any]) -> BridgeNeeds:
    """Those that may connect, and the peer that is a server.

    Raises:
        UsageError: there is no peer, anybody may be one, or the unit could not have its port.
    """
    allowed, server = tuple(options["allow"] or ()), options["connect"]
    IgtlSettings(options["socket"], options["listen"], server, allowed)  # refuses what is open to everybody
    if options["listen"] is not None:
        _check_port("igtl.listen", options["listen"][1], "Take 18944, the usual port of OpenIGTLink.")
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
