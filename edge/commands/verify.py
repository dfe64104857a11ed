"""`edge verify`: may this bundle be trusted, does it run here, and does it answer all its gate frames?"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from edge.commands.terminal import (
    AsJson,
    Threads,
    pairs_table,
    show_json,
    show_notices,
    show_research_line,
    show_table,
    user_keyring,
)

ALL_FRAMES = 1 << 20  # more than any bundle holds


def verify(
    bundle: Annotated[Path, typer.Argument(help="The .edge file.")],
    threads: Threads = 2,
    as_json: AsJson = False,
) -> None:
    """Check signature, digests, release, fit to this device, and the answers to all gate frames."""
    from edge.session import open_session

    with open_session(bundle, threads=threads, keyring=user_keyring(), gate_frames=ALL_FRAMES) as session:
        show_notices(session.notices)
        manifest = session.manifest
        document = {
            "ok": True,
            "name": manifest.name,
            "release": manifest.release,
            "digest": session.digest,
            "backend": session.backend,
            "gate_error": session.gate_error,
            "gate_tolerance": manifest.gate.tolerance,
            "watermark": manifest.watermark,
        }
        if as_json:
            show_json(document)
        else:
            show_table(pairs_table((name.replace("_", " "), str(value)) for name, value in document.items()))
        show_research_line(manifest.notice, as_json)
