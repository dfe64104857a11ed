"""`edge serve`: the plane check at the bedside, until it is told to stop."""

from __future__ import annotations

import os
import sys
import time
from contextlib import ExitStack
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Optional

import typer

from edge.commands.config_file import ConfigFile, checked_by, read_by
from edge.commands.terminal import AsJson, Threads, pairs_table, show_json, show_notices, show_research_line, show_table
from edge.config.keys import NOT_IN_FILE
from edge.keyring import home_from_environment

if TYPE_CHECKING:
    from edge.service.run import Ready
    from edge.service.service_settings import ServiceSettings
    from edge.service.status import Status

DEFAULT_HOST, DEFAULT_PORT = "127.0.0.1", 8711
SCHEMA = 1  # of the line that says the service is ready
SOURCE = Annotated[
    str,
    typer.Option(
        parser=checked_by("edge.service.source:check_source"),
        metavar="NAME:WHERE",
        help="demo, camera:DEVICE, video:PATH, folder:PATH, bridge[:NAME]; or another package's.",
    ),
]
PROTOCOL = Annotated[Optional[str], typer.Option(help="Name or .toml file of the protocol; default: the bundle's.")]
ROI = Annotated[
    Optional[Any],
    typer.Option(
        parser=read_by("edge.service.roi:roi_from_text"),
        metavar="X,Y,W,H",
        help="X,Y,W,H[@WxH]: what is kept of a frame; default: the fan of a screen.",
    ),
]
SCANNER = Annotated[str, typer.Option(help="Model of the scanner, where its frames do not tell.")]
SINK = Annotated[
    Optional[list[str]],
    typer.Option(
        parser=checked_by("edge.service.sink:check_sink"),
        metavar="NAME:WHERE",
        help="Where results go besides the page; may be given again.",
    ),
]
PORT = Annotated[int, typer.Option(min=0, max=65535, help="Of the page; 0: any that is free.")]
HOST = Annotated[str, typer.Option(help="Where the page is bound; elsewhere than loopback with TLS and a PIN only.")]
CERT = Annotated[Optional[Path], typer.Option(help="PEM file with the certificate.")]
KEY = Annotated[Optional[Path], typer.Option(help="PEM file with its key.")]
PIN = Annotated[Optional[Path], typer.Option(help="File with 4 to 12 digits that the page asks for.")]
SOCKET = Annotated[Optional[Path], typer.Option(help="Unix socket of the local API: bridges and programs.")]
STORE = Annotated[Optional[Path], typer.Option(help="Exam store; default: HOME/exams/exams.db, a demo's goes.")]
ENCRYPT = Annotated[bool, typer.Option("--encrypt", help="Make a new store encrypted, with a key in HOME/private.")]
KEEP = Annotated[
    Optional[Any],
    typer.Option(
        parser=read_by("edge.store_retention:age_from_text"),
        metavar="AGE",
        help="Age after which exams go by themselves, e.g. 30d; default: never.",
    ),
]
OPERATOR = Annotated[
    str,
    typer.Option(
        parser=read_by("edge.service.service_settings:operator_from_text"),
        metavar="ID",
        help="Id of who examines; default: unauthenticated.",
    ),
]
PATIENT = Annotated[
    str, typer.Option(help="Patient id of the exam to open; others on this machine see the option."), NOT_IN_FILE
]
STUDY = Annotated[str, typer.Option(help="Study id of the exam to open."), NOT_IN_FILE]
NO_PAGE = Annotated[bool, typer.Option("--no-page", help="No page: the socket alone.")]
SEED = Annotated[int, typer.Option(help="Of a source that draws by chance.")]
PAUSE = Annotated[float, typer.Option(min=0.0, help="Seconds between two stills of a folder.")]


def serve(
    bundle: Annotated[Path, typer.Argument(help="The .edge file.")],
    source: SOURCE,
    protocol: PROTOCOL = None,
    roi: ROI = None,
    scanner: SCANNER = "",
    sink: SINK = None,
    port: PORT = DEFAULT_PORT,
    host: HOST = DEFAULT_HOST,
    tls_cert: CERT = None,
    tls_key: KEY = None,
    pin_file: PIN = None,
    socket: SOCKET = None,
    store: STORE = None,
    encrypt: ENCRYPT = False,
    keep: KEEP = None,
    operator: OPERATOR = "",
    patient: PATIENT = "",
    study: STUDY = "",
    no_page: NO_PAGE = False,
    seed: SEED = 0,
    pause: PAUSE = 1.0,
    threads: Threads = 2,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Check planes at the bedside: frames in, checklist on a page, captures in the exam store."""
    from edge.service.service_settings import ServiceSettings, key_from_options

    settings = ServiceSettings(
        bundle=bundle,
        home=home_from_environment(os.environ),
        source=source,
        protocol=protocol,
        roi=roi,
        scanner=scanner,
        sinks=tuple(sink or ()),
        host=host,
        port=None if no_page else port,
        tls_cert=tls_cert,
        tls_key=tls_key,
        pin_file=pin_file,
        socket=socket,
        store=store,
        encrypt=encrypt,
        keep=keep,
        operator=operator,
        key=key_from_options(patient, study),
        threads=threads,
        seed=seed,
        pause_s=pause,
    )
    _serve(settings, as_json)


def _serve(settings: ServiceSettings, as_json: bool) -> None:
    from edge.service.log import Log
    from edge.service.notify import notifier_from_environment, watchdog_from_environment
    from edge.service.run import Outside, run_service
    from edge.service.stop import Stop, Told

    screen = _Screen(as_json)
    try:
        with screen, Stop() as stop, open(os.devnull, "w") as nowhere:  # noqa: PTH123  # a name of the system, no path
            outside = Outside(
                log=Log(nowhere if sys.stderr.isatty() else sys.stderr, _wall),
                notifier=notifier_from_environment(os.environ),
                watchdog_s=watchdog_from_environment(os.environ, os.getpid()),
                stop=stop,
                on_ready=screen.show_ready,
                on_status=screen.show_status,
                clock=_clock,
                wall=_wall,
            )
            run_service(settings, outside)
    except Told:  # to stop, while it started
        return


class _Screen:
    """What a person sees: where the page is, then one line that goes on; with `--json` one line and nothing more."""

    def __init__(self, as_json: bool) -> None:
        self._as_json = as_json
        self._stack = ExitStack()
        self._line: Any = None

    def __enter__(self) -> _Screen:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def show_ready(self, ready: Ready) -> None:
        """The service runs."""
        if self._as_json:
            show_json({"schema": SCHEMA, **document_from_ready(ready)})
            return
        from rich.console import Console

        show_table(pairs_table(_rows(ready)))
        show_notices(ready.facts.notices)
        show_research_line(ready.facts.manifest.notice, as_json=False)
        sys.stdout.flush()
        console = Console(stderr=True)
        if console.is_terminal:
            self._line = self._stack.enter_context(console.status("waiting for frames"))

    def show_status(self, status: Status) -> None:
        """At every change and each second."""
        if self._line is not None:
            from rich.text import Text

            self._line.update(Text(f"{status.line}{f'; {status.cause}' if status.cause else ''}  (Ctrl-C ends)"))


def document_from_ready(ready: Ready) -> dict[str, Any]:
    """What `--json` tells when the service is ready."""
    facts = ready.facts
    return {
        "page": ready.page,
        "socket": None if ready.socket is None else str(ready.socket),
        "store": str(ready.store),
        "store_is_temporary": ready.is_temporary,
        "source": facts.source,
        "is_demo": facts.is_demo,
        "model": facts.manifest.name,
        "bundle": facts.digest,
        "backend": ready.backend,
        "protocol": facts.protocol.id,
        "notices": [notice.en for notice in facts.notices],
        "process": os.getpid(),
    }


def _rows(ready: Ready) -> list[tuple[str, str]]:
    facts = ready.facts
    kept = "temporary, they go when the service ends" if ready.is_temporary else str(ready.store)
    rows = [
        ("page", f"{ready.page}   <- open it in a browser" if ready.page else ""),
        ("socket", str(ready.socket or "")),
        ("exams", kept),
        ("source", f"{facts.source}{' (a demonstration, not a live scan)' if facts.is_demo else ''}"),
        ("model", f"{facts.manifest.name}, bundle {facts.digest[:12]}, {ready.backend}"),
        ("protocol", f"{facts.protocol.id}: {facts.protocol.en} / {facts.protocol.zh}"),
    ]
    return [row for row in rows if row[1]]


def _clock() -> float:
    """Monotonic, seconds; runs on while the machine sleeps, so that a result of before the sleep is old after it."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def _wall() -> str:
    return datetime.now(timezone.utc).isoformat(timespec="milliseconds")
