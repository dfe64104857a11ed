"""`edge key new|trust|list|revoke`: which signers this device believes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Optional

import typer

from edge.commands.terminal import AsJson, show_json, show_table, user_keyring
from edge.errors import UsageError
from edge.keyring import public_from_text

if TYPE_CHECKING:
    from edge.keyring import Key

MAX_KEY_BYTES = 4096  # a public key's line has about 120; more is another file

keys = typer.Typer(help="Keys: who may sign bundles for this device.")


@keys.command()
def new(
    name: Annotated[str, typer.Argument(help="Name of the key.")],
    out: Annotated[Optional[Path], typer.Option("--out", "-o", help="Also write the public key to this file.")] = None,
    as_json: AsJson = False,
) -> None:
    """Make a signing key; its private half stays on this machine. Prints the public key."""
    from edge.files import write_atomic

    key = user_keyring().new(name)
    if out is not None:
        write_atomic(out, f"{key.text}\n".encode())
    _show(key, key.text, as_json)


@keys.command()
def trust(
    public: Annotated[str, typer.Argument(help="File with a public key, or the line itself in quotes.")],
    name: Annotated[str, typer.Option("--name", help="What to call it here; default: as its maker did.")] = "",
    as_json: AsJson = False,
) -> None:
    """Believe a signer; get the key on a way you trust, not together with the bundle."""
    digits, made_as = public_from_text(_text_from_argument(public))
    key = user_keyring().trust(digits, name or made_as)
    _show(key, f"trusted: {key.name} {key.fingerprint}", as_json)


@keys.command()
def revoke(
    name: Annotated[str, typer.Argument(help="Name, or at least 8 first digits of the fingerprint.")],
    as_json: AsJson = False,
) -> None:
    """Distrust a signer for good."""
    key = user_keyring().revoke(name)
    _show(key, f"revoked: {key.name} {key.fingerprint}", as_json)


@keys.command("list")
def list_keys(as_json: AsJson = False) -> None:
    """Show the keys of this device."""
    known = user_keyring().keys()
    if as_json:
        show_json({"keys": [document_from_key(key) for key in known]})
        return
    from rich.table import Table

    table = Table("name", "state", "fingerprint", "public key")
    for key in known:
        state = f"{key.state}, development" if key.development else key.state
        table.add_row(key.name, state, key.fingerprint[:16], key.text)
    show_table(table)


def document_from_key(key: Key) -> dict[str, Any]:
    """A key as JSON."""
    return {
        "name": key.name,
        "state": key.state,
        "development": key.development,
        "fingerprint": key.fingerprint,
        "public": key.text,
    }


def _show(key: Key, line: str, as_json: bool) -> None:
    if as_json:
        show_json(document_from_key(key))
    else:
        typer.echo(line)


def _text_from_argument(argument: str) -> str:
    if " " in argument.strip():
        return argument
    path = Path(argument)
    if not path.is_file() or path.stat().st_size > MAX_KEY_BYTES:
        raise UsageError(f"{argument} is no file with a public key.", "Give the file that `edge key new -o` wrote.")
    return path.read_text("utf-8", errors="replace")
