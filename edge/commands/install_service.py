"""`edge install-service`: the plane check as a service of systemd, and its removal."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Optional

import typer

from edge.commands.terminal import AsJson, show_json, show_notices, user_keyring
from edge.errors import InputError, TrustError, UsageError

if TYPE_CHECKING:
    from edge.deploy.files_below import Change
    from edge.deploy.installation import Installation, Settings
    from edge.keyring import Key, Keyring

SCHEMA = 1  # of the JSON document
RUNNING_ROOT = Path("/")
SOURCE, PORT, LOOPBACK = "camera", 8711, "127.0.0.1"  # where nothing else is said


def install_service(
    bundle: Annotated[Optional[Path], typer.Argument(help="The .edge file.")] = None,
    options: Annotated[Optional[list[str]], typer.Argument(help="After --: further options of edge serve.")] = None,
    config: Annotated[
        Optional[Path], typer.Option("--config", help="TOML file (docs/config.toml): its bridges get units as well.")
    ] = None,
    source: Annotated[
        Optional[str], typer.Option("--source", help="Where frames come from, see edge serve; default: camera.")
    ] = None,
    port: Annotated[
        Optional[int], typer.Option("--port", min=1, max=65535, help="Of the page, on the loopback; default: 8711.")
    ] = None,
    user: Annotated[str, typer.Option("--user", help="Account of the service; made where it is not there.")] = "",
    allow: Annotated[
        Optional[list[str]],
        typer.Option(
            "--allow", help="[BRIDGE=]NETWORK that a unit may reach besides the loopback; may be given again."
        ),
    ] = None,
    root: Annotated[Path, typer.Option("--root", help="Write below this folder: an image, a trial.")] = RUNNING_ROOT,
    program: Annotated[
        Optional[Path], typer.Option("--program", help="The edge command on the target; default: this one.")
    ] = None,
    enable: Annotated[bool, typer.Option("--enable", help="Start it now and with the machine.")] = False,
    remove: Annotated[bool, typer.Option("--remove", help="Take it away again; the exams stay.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show all that would be written; change nothing.")] = False,
    as_json: AsJson = False,
) -> None:
    """Install the plane check as a hardened service: units, account, bundle, trusted key, bill of materials."""
    from edge.deploy.installation import SERVICE

    keyring, root = user_keyring(), root.resolve()
    _check_root(root, dry_run, keyring)
    if remove:
        _remove(root, dry_run, as_json)
        return
    wish = _Wish(bundle, config, source, port, tuple(options or ()), tuple(allow or ()))
    file, settings = _settings(wish, _program(program, root, _extras(wish)), user or SERVICE, enable)
    installation = _installation(file, settings, keyring, root)
    if dry_run:
        _show_plan(installation, root, as_json)
    else:
        _install(installation, root, as_json)


@dataclass(frozen=True)
class _Wish:
    """What was typed about the plane check.

    Attributes:
        bundle: or None, where the config file names it.
        config: or None.
        source: or None.
        port: or None.
        options: of `edge serve`.
        allowed: networks, with their sections.
    """

    bundle: Path | None
    config: Path | None
    source: str | None
    port: int | None
    options: tuple[str, ...]
    allowed: tuple[str, ...]


def _settings(wish: _Wish, program: str, user: str, enable: bool) -> tuple[Path, Settings]:
    """The bundle's file, and how the service shall run."""
    from edge.config.sections import SERVICE
    from edge.deploy.configured import allowed_from_texts, configured_from_text
    from edge.deploy.installation import SOCKET, Settings

    allowed = allowed_from_texts(wish.allowed)
    configured = None
    if wish.config is not None:
        configured = configured_from_text(_sound_config(wish.config), wish.config, SOCKET, allowed)
    elif strangers := sorted(set(allowed) - {SERVICE}):
        raise UsageError(f"--allow names {strangers[0]!r}, and there is no config file.", "Give --config FILE.")
    served = _served(wish, allowed.get(SERVICE, ()))
    settings = Settings(
        program=program,
        source=served["source"],
        options=_spelt(wish),
        config=configured,
        user=user,
        addresses=allowed.get(SERVICE, ()),
        enable=enable,
    )
    return served["bundle"], settings


def _sound_config(path: Path) -> str:
    from edge.config.checks import problems_from_text, text_from_file

    text = text_from_file(path)
    if problems := problems_from_text(text):
        raise InputError(problems[0].told, f"{problems[0].cure} All of them: edge doctor --config {path}.")
    return text


def _spelt(wish: _Wish) -> tuple[str, ...]:
    """The options that stand in the unit: what the config file says must be found there alone."""
    defaults = (None, None) if wish.config is not None else (SOURCE, PORT)
    source, port = wish.source or defaults[0], wish.port or defaults[1]
    told = (*(("--source", source) if source else ()), *(("--port", str(port)) if port else ()))
    return (*told, *wish.options)


def _served(wish: _Wish, networks: Sequence[str]) -> Mapping[str, Any]:
    """Let `edge serve` read its own options, so that a mistake shows here and not at the bedside."""
    from edge.config.sections import SERVICE
    from edge.deploy.configured import options_of

    if wish.bundle is None and wish.config is None:
        raise UsageError("No bundle is named.", "edge install-service BUNDLE, or --remove.")
    read = () if wish.config is None else ("--config", str(wish.config))
    served = options_of(SERVICE, (*read, *((str(wish.bundle),) if wish.bundle else ()), *_spelt(wish)))
    if served["patient"] or served["study"]:
        raise UsageError("A service is not of one patient.", "Leave --patient and --study out; open exams on the page.")
    if served["config"] != wish.config:
        raise UsageError("--config stands behind --.", "Give it before: the file is installed with the service.")
    if served["host"] != LOOPBACK and not networks:
        raise UsageError("--host binds the page where the unit lets nobody in.", "Say who may: --allow 192.168.7.0/24.")
    return served


def _installation(bundle: Path, settings: Settings, keyring: Keyring, root: Path) -> Installation:
    """Verify in trust order; the engine is not opened: no model is parsed by root."""
    import edge
    from edge.bundle import bundle_from_bytes
    from edge.compatibility import check_compatible
    from edge.cpu import load_cpu
    from edge.deploy.installation import STATE, installation_from_bundle
    from edge.deploy.keys import keys_for_service
    from edge.deploy.sbom import packages_from_environment, sbom_from_packages
    from edge.keyring import Keyring
    from edge.loading import load_bundle, notices_from_bundle
    from edge.releases import Releases

    load_bundle(bundle, keyring)
    data = bundle.read_bytes()
    verified = bundle_from_bytes(data, keyring.public_from_fingerprint)  # these bytes are the ones that are written
    manifest, signer = verified.manifest, keyring.key_from_fingerprint(verified.fingerprint)
    Releases(root / STATE).check(manifest.name, manifest.release)
    if root == RUNNING_ROOT:
        check_compatible(manifest, edge.__version__, load_cpu())
    else:
        _check_leaves(signer)
    show_notices(notices_from_bundle(verified, signer))
    keys = keys_for_service(Keyring(root / STATE).keys(), keyring.keys(), signer)
    sbom = sbom_from_packages(packages_from_environment(), verified.digest)
    return installation_from_bundle(verified, data, settings, keys, sbom)


def _check_leaves(signer: Key) -> None:
    if signer.development:
        raise TrustError(
            "The bundle is signed with this machine's development key, which no other machine may trust.",
            "Make a key and sign with it: edge key new NAME; edge compile ... --key NAME.",
        )


def _check_root(root: Path, dry_run: bool, keyring: Keyring) -> None:
    if not root.is_dir():
        raise InputError(f"There is no folder {root}.", "Give the root folder of an image.")
    if root == RUNNING_ROOT and not dry_run and os.geteuid() != 0:
        raise UsageError(
            "Only root can install a service.",
            f"sudo VMAMBA_EDGE_HOME={keyring.home} {sys.prefix}/bin/edge install-service ..., or first --dry-run.",
        )


def _extras(wish: _Wish) -> tuple[str, ...]:
    """What the service needs of this package; a bridge may be in any config file."""
    from edge.packages import extras_from_source

    return ("serve", "bridge") if wish.config is not None else extras_from_source(wish.source or SOURCE)


def _program(given: Path | None, root: Path, extras: Sequence[str]) -> str:
    """The command as the target sees it; that of an image may lie below its root."""
    import edge
    from edge.deploy.installation import check_program

    if given is not None:
        check_program(given, extras=extras)
        return str(given)
    own = Path(sys.prefix, "bin", "edge")
    if root != RUNNING_ROOT and own.is_relative_to(root):
        return f"/{own.relative_to(root)}"
    check_program(own, Path(sys.executable).resolve(), Path(edge.__file__).resolve(), extras=extras)
    return str(own)


def _install(installation: Installation, root: Path, as_json: bool) -> None:
    from edge.deploy.files_below import commands_for, install_below, run_command

    changes = install_below(installation, root, run_command)
    commands = commands_for(installation, root)
    if any(change.state == "changed" for change in changes):
        show_notices(
            ["A service that runs already keeps what it started with until: systemctl restart 'vmamba-edge*'."]
        )
    _show(changes, commands, as_json, dry_run=False)


def _remove(root: Path, dry_run: bool, as_json: bool) -> None:
    from edge.deploy.files_below import exams_folder, removal_below, remove_below, run_command

    changes = removal_below(root) if dry_run else remove_below(root, run_command)
    show_notices([f"Exams, keys and the account stay: {exams_folder(root)}. To erase exams: edge exam purge."])
    _show(changes, (), as_json, dry_run)


def _show_plan(installation: Installation, root: Path, as_json: bool) -> None:
    from edge.deploy.files_below import changes_below, commands_for
    from edge.deploy.installation import SBOM

    _show(changes_below(installation, root), commands_for(installation, root), as_json, dry_run=True)
    if as_json:
        return
    for file in installation.files:
        if file.path not in (SBOM, installation.files[0].path):  # too long to read here
            typer.echo(f"\n--- /{file.path}\n{file.data.decode()}", nl=False)


def _show(changes: Sequence[Change], commands: Sequence[Sequence[str]], as_json: bool, dry_run: bool) -> None:
    if as_json:
        files = [{"path": str(item.path), "state": item.state, "bytes": item.size_bytes} for item in changes]
        show_json({"schema": SCHEMA, "dry_run": dry_run, "files": files, "commands": [list(line) for line in commands]})
        return
    for item in changes:
        typer.echo(f"{item.state:8} {item.path}" + (f" ({item.size_bytes} bytes)" if item.size_bytes else ""))
    for line in commands:
        typer.echo(f"{'would run' if dry_run else 'ran':8} {' '.join(line)}")
    if not changes:
        typer.echo("nothing is installed")
