"""`edge doctor`: what this machine can build and run."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Optional

import typer

from edge.commands.terminal import AsJson, show_json, show_table, user_keyring
from edge.errors import DeviceError, InputError

SCHEMA = 1  # of what --config says as JSON


def doctor(
    sbom: Annotated[
        Optional[Path], typer.Option("--sbom", help="Write what is installed (CycloneDX JSON) to this file.")
    ] = None,
    config: Annotated[
        Optional[Path], typer.Option("--config", help="Check this config file instead of the machine.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Show what this machine can build and run, and the line that installs what is missing."""
    from edge.doctor import findings_from_machine
    from edge.record import json_from_record

    if sbom is not None:
        from edge.deploy.sbom import packages_from_environment, sbom_from_packages
        from edge.files import write_atomic

        write_atomic(sbom, sbom_from_packages(packages_from_environment()))
    if config is not None:
        _check_config(config, as_json)
        return
    findings = findings_from_machine(user_keyring())
    if as_json:
        show_json({"findings": json_from_record(findings)})
    else:
        from rich.table import Table
        from rich.text import Text

        table = Table("", "status", "found", "to get it")
        for finding in findings:
            table.add_row(*(Text(cell) for cell in (finding.name, finding.status, finding.detail, finding.cure)))
        show_table(table)
    if broken := [finding for finding in findings if finding.status == "broken"]:
        raise DeviceError(f"{broken[0].name}: {broken[0].detail}.", broken[0].cure)


def _check_config(path: Path, as_json: bool) -> None:
    """Everything that is wrong with a config file: a line of cause, a line of cure."""
    from edge.config.checks import problems_from_text, sections_from_text, text_from_file
    from edge.record import json_from_record

    text = text_from_file(path)
    problems, sections = problems_from_text(text), sections_from_text(text)
    if as_json:
        told = [json_from_record(problem) for problem in problems]
        show_json({"schema": SCHEMA, "config": str(path), "sections": list(sections), "problems": told})
    else:
        for problem in problems:
            typer.echo(f"{problem.told}\n  cure: {problem.cure}")
        typer.echo(f"{path}: {', '.join(f'[{name}]' for name in sections) or 'no section'}")
    if problems:
        raise InputError(f"{path} has {len(problems)} problem{'s' * (len(problems) > 1)}.", "Correct the lines above.")
