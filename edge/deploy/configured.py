"""An installation's config file: its text in, the bridges that become units out.

::

    section --its command--> options --entry point "edge.bridge_units": function(options)--> BridgeNeeds --> a unit

A section without such a function is no bridge. The function gets what the command itself would: every option with its
default, each text read. So what a unit lets through and what its process asks for cannot differ.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edge.commands.failure import error_from_exception
from edge.config.checks import options_from_text, sections_from_text
from edge.config.keys import keys_of
from edge.config.sections import SERVICE, parser_of
from edge.deploy.unit import Access, is_seen, network_from_text
from edge.errors import UsageError

if TYPE_CHECKING:
    from importlib.metadata import EntryPoints

GROUP = "edge.bridge_units"
SOCKET_OPTION = "socket"  # of every bridge: where the plane check is
COPIED = f"{SERVICE}.bundle"  # an installation has its own copy


@dataclass(frozen=True)
class BridgeNeeds:
    """What a bridge runs and what its unit must let through.

    Attributes:
        description: one line for a person.
        words: of its command, behind `edge`.
        access: devices, networks, memory, threads.
        is_open: others than this machine connect to it, so somebody must say who may.
    """

    description: str
    words: tuple[str, ...]
    access: Access
    is_open: bool = False


@dataclass(frozen=True)
class Configured:
    """A config file that an installation can use.

    Attributes:
        text: of the file.
        bridges: section -> its bridge.
    """

    text: str
    bridges: Mapping[str, BridgeNeeds]


def configured_from_text(text: str, path: Path, socket: str, allowed: Mapping[str, tuple[str, ...]]) -> Configured:
    """The bridges of a config file that was found without problems.

    Args:
        text: of the file.
        path: of the file.
        socket: of the installed plane check.
        allowed: section -> networks that its unit may reach besides those that the section names.

    Raises:
        UsageError: a unit could not see a file, would use another socket, lacks an option or is open to nobody; or a
            network is for no bridge.
    """
    points = {point.name: point for point in _points()}
    names = [name for name in sections_from_text(text) if name in points]
    if strangers := sorted(set(allowed) - {*names, SERVICE}):
        raise UsageError(f"--allow names {strangers[0]!r}, which is no bridge of {path}.", "Add its section there.")
    bridges = {}
    for name in (SERVICE, *names):
        _check_seen(name, options_from_text(text, name), socket)
    for name in names:
        options = options_of(name, ("--config", str(path), f"--{SOCKET_OPTION}", socket))
        bridges[name] = _with_networks(name, points[name].load()(options), allowed.get(name, ()))
    return Configured(text, bridges)


def options_of(section: str, words: Iterable[str]) -> Mapping[str, Any]:
    """What a section's command makes of its words, nothing being run.

    Raises:
        EdgeError: they make no sense, or one is missing.
    """
    try:
        options: Mapping[str, Any] = parser_of(section).make_context(section, list(words)).params
    except Exception as error:
        told = error_from_exception(error)
        raise type(told)(f"[{section}] {told.cause}", told.cure) from error
    return options


def allowed_from_texts(texts: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """`[SECTION=]NETWORK` -> networks of each section; without one, of the plane check.

    Raises:
        UsageError: one is no network.
    """
    allowed: dict[str, tuple[str, ...]] = {}
    for text in texts:
        section, _, network = text.rpartition("=")
        name = section or SERVICE
        allowed[name] = (*allowed.get(name, ()), network_from_text(network))
    return allowed


def _check_seen(section: str, options: Mapping[str, object], socket: str) -> None:
    for key in keys_of(section).values():
        value, place = options.get(key.option), f"{section}.{key.name}"
        if value is None or not key.is_path or place == COPIED:
            continue
        if key.option == SOCKET_OPTION:
            if value != socket:
                raise UsageError(f"The config's {place} is {value!r}, that of the unit {socket}.", "Leave it out.")
        elif not is_seen(Path(str(value))):
            raise UsageError(
                f"The config's {place} is {value!r}, which the unit cannot see.",
                "Give an absolute path, not below a home or a temporary folder; e.g. below /etc/vmamba-edge.",
            )


def _with_networks(name: str, needs: BridgeNeeds, networks: tuple[str, ...]) -> BridgeNeeds:
    addresses = tuple(dict.fromkeys((*needs.access.addresses, *networks)))
    if needs.is_open and not addresses:
        raise UsageError(f"[{name}] listens where its unit lets nobody in.", f"Say who may: --allow {name}=NETWORK.")
    return replace(needs, access=replace(needs.access, addresses=addresses))


def _points() -> EntryPoints:
    from importlib.metadata import entry_points

    return entry_points(group=GROUP)
