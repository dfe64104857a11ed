"""Units of systemd: a template and its values in, the file's text out.

Templates are data (units/*). `@NAME@` stands for a value; `@HARDENING@` for units/hardening.conf, which every unit of
this project shares, `@DEVICES@` for what it may touch below /dev.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from ipaddress import ip_network
from os.path import normpath
from pathlib import Path

from edge.errors import UsageError

FOLDER = Path(__file__).parent / "units"
PLACEHOLDER = re.compile(r"@([A-Z_]+)@")
PLAIN = re.compile(r"[A-Za-z0-9/:,._=@+-]+")  # words that systemd reads as they stand
USER_NAME = re.compile(r"[a-z_][a-z0-9_-]{0,30}")  # what useradd and systemd-sysusers both take
BRIDGE_NAME = re.compile(r"[a-z][a-z0-9-]{0,30}")
SERVICE_MEMORY = "2G"  # 1 GiB of it for the inference child, see edge/service/child_settings.py
BRIDGE_MEMORY = "512M"  # frames of 4K RGB are 25 MB, and a bridge keeps few
SERVICE_TASKS = BRIDGE_TASKS = 128  # the plane check has some 30 threads with two of the engine
HIDDEN = ("home", "root", "run", "tmp", "var/tmp", "dev", "proc", "sys")  # below /; a unit sees none or its own
# Kind of device -> kernel modules. A group of devices can only be permitted once its driver is loaded: without this, a
# grabber that is plugged in after the start would stay forbidden until the next one.
DRIVERS = {"none": (), "camera": ("videodev",), "serial": ("cdc_acm", "usbserial"), "gpu": ()}


@dataclass(frozen=True)
class Access:
    """What a unit may reach.

    Attributes:
        devices: of DRIVERS.
        addresses: networks besides the loopback, e.g. "192.168.7.0/24".
        memory: as MemoryMax takes it.
        tasks: threads and processes, at most.
    """

    devices: tuple[str, ...] = ("none",)
    addresses: tuple[str, ...] = ()
    memory: str = SERVICE_MEMORY
    tasks: int = SERVICE_TASKS


def service_unit(command: Sequence[str], user: str, access: Access) -> str:
    """The unit of the plane check.

    Args:
        command: absolute path of the program, then its arguments.
        user: the service's account.
        access: what it may reach.

    Raises:
        UsageError: a word, name or network that cannot stand in a unit.
    """
    values = {"COMMAND": command_line(command), "USER": checked_user(user)}
    return unit_from_template((FOLDER / "vmamba-edge.service").read_text("utf-8"), values, access)


def bridge_unit(name: str, description: str, command: Sequence[str], user: str, access: Access) -> str:
    """The unit of one bridge.

    Args:
        name: lower case, becomes the name of its state folder.
        description: one line for a person.
        command: absolute path of the program, then its arguments.
        user: the account of the plane check, whose group may open the API's socket.
        access: what it may reach.

    Raises:
        UsageError: a word, name or network that cannot stand in a unit.
    """
    if not BRIDGE_NAME.fullmatch(name) or "\n" in description:
        raise UsageError(f"{name!r} is no name of a bridge.", "Use lower-case letters, digits and dashes.")
    values = {"COMMAND": command_line(command), "USER": checked_user(user), "NAME": name, "DESCRIPTION": description}
    return unit_from_template((FOLDER / "bridge.service").read_text("utf-8"), values, access)


def users_file(user: str) -> str:
    """For systemd-sysusers: the account of the service."""
    return _filled((FOLDER / "users.conf").read_text("utf-8"), {"USER": checked_user(user)})


def unit_from_template(template: str, values: Mapping[str, str], access: Access) -> str:
    """Fill a template.

    Args:
        template: text with placeholders.
        values: placeholder -> text.
        access: what the unit may reach.

    Raises:
        UsageError: a network that is none.
    """
    shared = {
        "MEMORY": access.memory,
        "TASKS": str(access.tasks),
        "ADDRESSES": " ".join(("localhost", *(network_from_text(text) for text in access.addresses))),
        "NO_WRITABLE_CODE": "no" if "gpu" in access.devices else "yes",  # a GPU's driver compiles into memory
    }
    hardening = _filled((FOLDER / "hardening.conf").read_text("utf-8"), shared)
    devices = "".join((FOLDER / f"{name}.conf").read_text("utf-8") for name in access.devices)
    parts = {"HARDENING": hardening.strip(), "DEVICES": devices.strip(), "DRIVERS": _drivers(access.devices)}
    return _filled(template, {**values, **parts})


def command_line(words: Sequence[str]) -> str:
    """A command as `ExecStart=` reads it back.

    Source: systemd.service(5) "Command lines", systemd.syntax(7) "Quoting".

    Raises:
        UsageError: a word holds a control character.
    """
    return " ".join(_quoted(word) for word in words)


def checked_user(user: str) -> str:
    """The name of an account that a service may have.

    Raises:
        UsageError: it is unfit, or root.
    """
    if not USER_NAME.fullmatch(user) or user == "root":
        raise UsageError(
            f"{user!r} is no account for the service.", "Use lower-case letters, digits and dashes; not root."
        )
    return user


def is_seen(path: Path) -> bool:
    """Whether a unit sees what lies there."""
    place = Path(normpath(path))
    return path.is_absolute() and not any(place.is_relative_to(f"/{folder}") for folder in HIDDEN)


def _quoted(word: str) -> str:
    if not word.isprintable():
        raise UsageError(f"{word!r} cannot stand in a unit.", "Leave out line ends and control characters.")
    escaped = word.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%").replace("$", "$$")
    return word if PLAIN.fullmatch(word) else f'"{escaped}"'


def _drivers(devices: Sequence[str]) -> str:
    """Source: modprobe@.service, systemd 245."""
    units = " ".join(f"modprobe@{module}.service" for name in devices for module in DRIVERS[name])
    return f"Wants={units}\nAfter={units}" if units else "# No driver is needed."


def network_from_text(text: str) -> str:
    """A network as a unit takes it.

    Raises:
        UsageError: it is none.
    """
    try:
        return str(ip_network(text))
    except ValueError as error:
        raise UsageError(f"{text!r} is no network address.", "Give e.g. 192.168.7.0/24 or 192.168.7.20.") from error


def _filled(template: str, values: Mapping[str, str]) -> str:
    return PLACEHOLDER.sub(lambda match: values[match[1]], template)
