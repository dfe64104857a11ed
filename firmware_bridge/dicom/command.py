"""`edge bridge dicom`: receive a scanner's pictures; with `--worklist` ask who is scheduled instead."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Optional

import typer

from edge.commands.config_file import ConfigFile
from edge.commands.terminal import AsJson, show_json, show_table
from edge.config.keys import NOT_IN_FILE
from edge.errors import UsageError
from edge.keyring import home_from_environment

if TYPE_CHECKING:
    from firmware_bridge.dicom.bridge import BridgeSettings
    from firmware_bridge.dicom.tls import TlsFiles
    from firmware_bridge.dicom.worklist import PeerAddress, WorklistEntry

SCHEMA = 1  # of the JSON
DEFAULT_TITLE, DEFAULT_PORT = "VMAMBA_EDGE", 11112
SOCKET = Annotated[Path, typer.Option(help="Unix socket of the plane check.")]
PORT = Annotated[int, typer.Option(min=0, max=65535, help="To listen on; 0: any that is free.")]
HOST = Annotated[str, typer.Option(help="Address to listen on; 0.0.0.0: all.")]
TITLE = Annotated[str, typer.Option(help="Own AE title.")]
ASK_TITLE = Annotated[bool, typer.Option("--check-called", help="Refuse who calls another title.")]
CALLER = Annotated[Optional[list[str]], typer.Option(help="AE title that may call; may be given again; default: any.")]
SPOOL = Annotated[Optional[Path], typer.Option(help="Folder of received pictures; default: HOME/spool/dicom.")]
CERT = Annotated[Optional[Path], typer.Option(help="PEM file with the own certificate; TLS asks the other side's.")]
KEY = Annotated[Optional[Path], typer.Option(help="PEM file with its key.")]
AUTHORITY = Annotated[Optional[Path], typer.Option("--tls-ca", help="PEM file: who signs the other sides'.")]
NAMED = Annotated[str, typer.Option("--tls-name", help="Of the certificates of archive and worklist; default: HOST.")]
SEND = Annotated[
    Optional[list[str]],
    typer.Option(help="HOST:PORT:AE of an archive for the reports, over TLS with --tls-cert; may be given again."),
]
OUTBOX = Annotated[
    Optional[Path], typer.Option(help="File of reports that wait to be sent; default: HOME/outbox/dicom.db.")
]
RETRY_DEAD = Annotated[
    bool, typer.Option("--retry-dead", help="Send once more what an archive would not have."), NOT_IN_FILE
]
WORKLIST = Annotated[
    Optional[str], typer.Option(help="HOST:PORT:AE of a worklist server: ask it, tell, and end."), NOT_IN_FILE
]
DATE = Annotated[
    str, typer.Option(help="Of the worklist: YYYYMMDD, a range with a dash, or empty for all."), NOT_IN_FILE
]
OPEN = Annotated[
    Optional[str], typer.Option("--open", help="Study UID of the worklist whose exam to open."), NOT_IN_FILE
]


def dicom(
    socket: SOCKET,
    port: PORT = DEFAULT_PORT,
    host: HOST = "127.0.0.1",
    ae_title: TITLE = DEFAULT_TITLE,
    check_called: ASK_TITLE = False,
    caller: CALLER = None,
    spool: SPOOL = None,
    tls_cert: CERT = None,
    tls_key: KEY = None,
    tls_ca: AUTHORITY = None,
    tls_name: NAMED = "",
    send: SEND = None,
    outbox: OUTBOX = None,
    retry_dead: RETRY_DEAD = False,
    worklist: WORKLIST = None,
    date: DATE = "",
    open_study: OPEN = None,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Take the pictures that a scanner sends, hand them to the plane check, and send its reports to archives."""
    from firmware_bridge.dicom.bridge import BridgeSettings, silence_libraries
    from firmware_bridge.dicom.outbox_service import OutgoingSettings, destination_from_text
    from firmware_bridge.dicom.receiver import ReceiverSettings
    from firmware_bridge.dicom.send import check_title
    from firmware_bridge.dicom.tls import files_from_options
    from firmware_bridge.dicom.worklist import peer_from_text

    silence_libraries()
    check_title(ae_title)
    tls = files_from_options(tls_cert, tls_key, tls_ca, tls_name)
    if worklist is not None:
        _ask(peer_from_text(worklist, tls_name), date, ae_title, tls, socket, open_study, as_json)
        return
    if open_study is not None or date:
        raise UsageError("--open and --date are about a worklist.", "Give --worklist HOST:PORT:AE.")
    receiver = ReceiverSettings(host, port, ae_title, check_called, tuple(caller or ()))
    if not send and (outbox is not None or retry_dead):
        raise UsageError("--outbox and --retry-dead are about reports that are sent.", "Give --send HOST:PORT:AE.")
    home = home_from_environment(os.environ)
    destinations = tuple(destination_from_text(text, ae_title, tls, tls_name) for text in send or ())
    outgoing = OutgoingSettings(outbox or home / "outbox" / "dicom.db", home, socket, destinations, retry_dead)
    folder = spool or home / "spool" / "dicom"
    _receive(BridgeSettings(receiver, folder, socket, tls, outgoing if destinations else None), as_json)


def _receive(settings: BridgeSettings, as_json: bool) -> None:
    from edge.service.log import Log
    from edge.service.notify import notifier_from_environment
    from edge.service.stop import Stop, Told
    from firmware_bridge.dicom.bridge import Outside, run_bridge

    try:
        with Stop() as stop:

            def ready(port: int) -> None:
                stop.is_serving = True
                _show_ready(settings, port, as_json)

            log = Log(sys.stderr, _wall)
            counts = run_bridge(settings, Outside(log, notifier_from_environment(os.environ), stop.event, ready))
    except Told:  # to stop, while it started
        return
    if as_json:
        show_json({"schema": SCHEMA, "bridge": "dicom", "event": "ended", **counts})


def _show_ready(settings: BridgeSettings, port: int, as_json: bool) -> None:
    receiver = settings.receiver
    if as_json:
        show_json(
            {
                "schema": SCHEMA, "bridge": "dicom", "event": "ready",
                "ae_title": receiver.ae_title, "host": receiver.host, "port": port,
                "socket": str(settings.service), "spool": str(settings.spool), "tls": settings.tls is not None,
                "send": [one.name for one in settings.outgoing.destinations] if settings.outgoing else [],
                "process": os.getpid(),
            }
        )  # fmt: skip
        return
    secured = "TLS" if settings.tls is not None else "no TLS: who is on this network can read and send pictures"
    typer.echo(f"{receiver.ae_title} listens on {receiver.host}:{port} ({secured}).")


def _ask(
    server: PeerAddress,
    date: str,
    ae_title: str,
    tls: TlsFiles | None,
    socket: Path,
    open_study: str | None,
    as_json: bool,
) -> None:
    from firmware_bridge.dicom.tls import client_context
    from firmware_bridge.dicom.worklist import Question, load_worklist, opening_from_entry
    from firmware_bridge.service_client import ServiceClient

    context = None if tls is None else client_context(tls)
    entries = load_worklist(server, Question(date), ae_title, context)
    if open_study is not None:
        chosen = [entry for entry in entries if entry.study == open_study]
        if len(chosen) != 1:
            raise UsageError("The worklist has no such study, or several.", "Look at it without --open.")
        with ServiceClient(socket) as client:
            client.order("open", opening_from_entry(chosen[0]))
        entries = tuple(chosen)
    _show_entries(entries, as_json)


def _show_entries(entries: Sequence[WorklistEntry], as_json: bool) -> None:
    from edge.record import json_from_record

    if as_json:
        for entry in entries:
            show_json({"schema": SCHEMA, **json_from_record(entry)})
        return
    from rich.table import Table
    from rich.text import Text

    table = Table("time", "patient", "name", "study")
    for entry in entries:
        mark = "? " if entry.name.is_flagged else ""
        row = (f"{entry.date} {entry.time}", entry.patient.text, mark + entry.person, entry.study)
        table.add_row(*(Text(cell) for cell in row))
    show_table(table)


def _wall() -> str:
    return datetime.now(timezone.utc).isoformat(timespec="milliseconds")
