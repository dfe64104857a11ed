"""What an installation puts on a machine: verified bundle and settings in, files and commands out. Nothing is written.

::

    /etc/systemd/system/vmamba-edge.service     the unit
    /etc/systemd/system/vmamba-edge-NAME.service  one for each bridge of the config file
    /etc/sysusers.d/vmamba-edge.conf            its account
    /etc/vmamba-edge/bundles/NAME-DIGEST.edge   the bundle; the running service keeps its own until it is restarted
    /etc/vmamba-edge/config.toml                the config file, where one is given
    /etc/vmamba-edge/sbom.cdx.json              every package that is installed
    /var/lib/vmamba-edge/keys.json              whom the service believes; exams and counters come beside it
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from edge.bundle import Bundle
from edge.deploy.configured import Configured
from edge.deploy.unit import Access, bridge_unit, is_seen, service_unit, users_file
from edge.errors import UsageError
from edge.keyring import Keys
from edge.packages import install_cure
from edge.record import bytes_from_record

SERVICE = "vmamba-edge"
UNIT = PurePosixPath(f"etc/systemd/system/{SERVICE}.service")
USERS = PurePosixPath(f"etc/sysusers.d/{SERVICE}.conf")
FOLDER = PurePosixPath(f"etc/{SERVICE}")
BUNDLES = FOLDER / "bundles"
CONFIG = FOLDER / "config.toml"
SBOM = FOLDER / "sbom.cdx.json"
STATE = PurePosixPath(f"var/lib/{SERVICE}")
KEYS = STATE / "keys.json"
SOCKET = f"/run/{SERVICE}/api.sock"
PUBLIC, PRIVATE = 0o644, 0o600
DIGEST_DIGITS = 16


@dataclass(frozen=True)
class Settings:
    """How the service shall run.

    Attributes:
        program: absolute path of the `edge` command on the machine where it runs.
        source: where frames come from, see `edge serve`: decides about devices.
        options: of `edge serve` that stand in the unit, behind bundle and socket.
        config: the config file and its bridges; None: there is none.
        user: account of the service.
        addresses: networks that it may reach besides the loopback.
        enable: start all of it now and at every start of the machine.
    """

    program: str
    source: str
    options: tuple[str, ...]
    config: Configured | None = None
    user: str = SERVICE
    addresses: tuple[str, ...] = ()
    enable: bool = False


@dataclass(frozen=True)
class NewFile:
    """One file to be.

    Attributes:
        path: below the root of the machine.
        data: what it holds.
        mode: permission bits.
    """

    path: PurePosixPath
    data: bytes
    mode: int


@dataclass(frozen=True)
class Installation:
    """Files first, then commands.

    Attributes:
        files: in this order.
        commands: of the running system, for its own root only.
        offline: the same for a root that is not running.
        service: the words of `ExecStart`.
    """

    files: tuple[NewFile, ...]
    commands: tuple[tuple[str, ...], ...]
    offline: tuple[tuple[str, ...], ...]
    service: tuple[str, ...]


def installation_from_bundle(bundle: Bundle, data: bytes, settings: Settings, keys: Keys, sbom: bytes) -> Installation:
    """Everything that an installation writes and runs.

    Args:
        bundle: verified.
        data: its bytes.
        settings: how the service shall run.
        keys: whom it shall believe.
        sbom: of the packages.

    Raises:
        UsageError: a setting that cannot stand in a unit.
    """
    place = BUNDLES / f"{bundle.manifest.name}-{bundle.digest[:DIGEST_DIGITS]}.edge"
    words = service_words(settings, f"/{place}", f"/{CONFIG}")
    unit = service_unit(words, settings.user, access_from_settings(settings, bundle.manifest.target))
    config = () if settings.config is None else (NewFile(CONFIG, settings.config.text.encode(), PUBLIC),)
    bridges = bridge_files(settings)
    files = (
        NewFile(place, data, PUBLIC),
        NewFile(KEYS, bytes_from_record(keys) + b"\n", PRIVATE),
        NewFile(SBOM, sbom, PUBLIC),
        *config,
        NewFile(USERS, users_file(settings.user).encode(), PUBLIC),
        NewFile(UNIT, unit.encode(), PUBLIC),
        *bridges,
    )
    units = (UNIT.name, *(file.path.name for file in bridges))
    start = (("systemctl", "enable", "--now", *units),) if settings.enable else ()
    commands = (("systemd-sysusers", f"/{USERS}"), ("systemctl", "daemon-reload"), *start)
    return Installation(files, commands, (("systemctl", "enable", *units),) if settings.enable else (), words)


def service_words(settings: Settings, bundle: str, config: str) -> tuple[str, ...]:
    """The service's command, for people and for `ExecStart`; what stands here wins over the config file.

    Args:
        settings: how the service shall run.
        bundle: where it is.
        config: where the config file is, if there is one.
    """
    read = () if settings.config is None else ("--config", config)
    return (settings.program, "serve", bundle, *read, "--socket", SOCKET, *settings.options)


def bridge_files(settings: Settings) -> tuple[NewFile, ...]:
    """A unit for each bridge of the config file.

    Raises:
        UsageError: a word or network that cannot stand in a unit.
    """
    files = []
    for name, needs in (settings.config.bridges if settings.config else {}).items():
        command = (settings.program, *needs.words, "--config", f"/{CONFIG}", "--socket", SOCKET)
        unit = bridge_unit(name, needs.description, command, settings.user, needs.access)
        files.append(NewFile(bridge_path(name), unit.encode(), PUBLIC))
    return tuple(files)


def bridge_path(name: str) -> PurePosixPath:
    """Where the unit of a bridge lies; "*" for those of all."""
    return UNIT.with_name(f"{SERVICE}-{name}.service")


def access_from_settings(settings: Settings, target: str) -> Access:
    """The devices and networks that the source and the engine need, and no others.

    Args:
        settings: how the service shall run.
        target: of the bundle: cpu, or one with a GPU.
    """
    camera = ("camera",) if settings.source.partition(":")[0] == "camera" else ()
    gpu = () if target == "cpu" else ("gpu",)
    return Access(devices=(*camera, *gpu) or ("none",), addresses=settings.addresses)


def check_program(*paths: Path, extras: Sequence[str]) -> None:
    """Refuse a program that the service could not see.

    Args:
        paths: of the command, its interpreter and its package, links followed.
        extras: that the service needs, for the cure.

    Raises:
        UsageError: one lies where the unit sees nothing.
    """
    for path in paths:
        if not is_seen(path):
            raise UsageError(
                f"The program lies in {path.parent}, which the service cannot see.",
                "Install it for the machine: python3 -m venv /opt/vmamba-edge. "
                + install_cure(*extras, pip="/opt/vmamba-edge/bin/pip"),
            )
