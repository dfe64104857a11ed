"""What `edge compile` shows of what it made: a table, or one JSON document."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from compile.engine import Finished
    from compile.job import Compiled
    from compile.recompile import Recompiled
    from compile.retarget import Retargeted


def print_compiled(compiled: Compiled, finished: Finished | None, as_json: bool, keyring_is_development: bool) -> None:
    """Show a compilation.

    Args:
        compiled: what it made.
        finished: the plan that was built besides, if any.
        as_json: one document instead of a table.
        keyring_is_development: the bundle is signed with this machine's development key.
    """
    document: dict[str, Any] = {
        "schema": 1,
        "bundle": str(compiled.bundle.path),
        "sha256": compiled.bundle.sha256,
        "size_bytes": compiled.bundle.path.stat().st_size,
        "model": compiled.name,
        "development_key": keyring_is_development,
        "gate": asdict(compiled.gate),
        "decision": asdict(compiled.decision),
        "stages": {name: {"file": str(a.path), "sha256": a.sha256} for name, a in compiled.stages.items()},
        "seconds": {name: round(value, 2) for name, value in compiled.seconds.items()},
        "messages": list(compiled.messages),
        **({} if finished is None else plan_document(finished)),
    }
    if as_json:
        typer.echo(json.dumps(document))
        return
    from rich.console import Console
    from rich.table import Table

    console = Console(markup=False, emoji=False)
    table = Table("stage", "seconds", "file")
    for name, artifact in compiled.stages.items():
        seconds = compiled.seconds[name]
        table.add_row(name, f"{seconds:.1f}" if seconds else "as before", str(artifact.path))
    console.print(table)
    for message in compiled.messages:
        console.print(f"note: {message}", highlight=False)
    console.print(_gate_line(compiled), highlight=False)
    console.print(f"decision: {compiled.decision.method} (n = {compiled.decision.n})", highlight=False)
    if keyring_is_development:
        console.print("signed with this machine's development key: not a release", highlight=False)
    console.print(f"bundle: {compiled.bundle.path} ({document['size_bytes'] / 1e6:.1f} MB)", highlight=False)
    for line in [] if finished is None else plan_lines(finished):
        console.print(line, highlight=False)


def _gate_line(compiled: Compiled) -> str:
    gate = compiled.gate
    agreement = "" if gate.agreement is None else f"agreement {gate.agreement:.2%}"
    if gate.f1_float is None or gate.f1_engine is None or gate.drop is None:
        figures = f"F1 not assessed (no labelled plane), {agreement}"
    else:
        f1 = f"macro-F1 {gate.f1_float:.4f} float, {gate.f1_engine:.4f} engine"
        figures = f"{f1}, drop {gate.drop:+.2f} points over the plane images, {agreement}"
    return f"gate{' (skipped)' if gate.skipped else ''}: {figures} on all {gate.n} images"


def print_recompiled(recompiled: Recompiled, as_json: bool) -> None:
    """Show a bundle that was lowered again."""
    bundle, messages = recompiled.bundle, list(recompiled.messages)
    document = {"schema": 1, "bundle": str(bundle.path), "sha256": bundle.sha256, "messages": messages}
    lines = [*(f"note: {message}" for message in messages), f"bundle: {bundle.path}, lowered for this machine"]
    typer.echo(json.dumps(document) if as_json else "\n".join(lines))


def print_retargeted(retargeted: Retargeted, target: str, as_json: bool) -> None:
    """Show a bundle that was made for a GPU, or the plan that was built of it.

    Args:
        retargeted: what was made.
        target: what for.
        as_json: one document instead of lines.
    """
    bundle, finished = retargeted.bundle, retargeted.finished
    document: dict[str, Any] = {"schema": 1, "bundle": str(bundle.path), "sha256": bundle.sha256, "messages": []}
    lines = [f"bundle: {bundle.path}, for {target}"]
    if finished is None:
        lines.append(f"on the device: edge compile {bundle.path.name} --target tensorrt")
    else:
        document |= plan_document(finished)
        lines += plan_lines(finished)
    typer.echo(json.dumps(document) if as_json else "\n".join(lines))


def plan_document(finished: Finished) -> dict[str, Any]:
    """A plan as JSON."""
    return {
        "plan": str(finished.path),
        "plan_facts": asdict(finished.facts),
        "gate_error": finished.gate_error,
        "latency_ms": dict(finished.latency_ms),
        "plan_messages": list(finished.messages),
    }


def plan_lines(finished: Finished) -> list[str]:
    """A plan for people."""
    facts = finished.facts
    timed = ", ".join(f"{form} {latency_ms:.3f} ms" for form, latency_ms in finished.latency_ms.items())
    return [
        *(f"note: {message}" for message in finished.messages),
        f"plan: {finished.path}",
        f"built {facts.text}: {facts.layers} layers, {facts.scans} scans in the plugin",
        f"linear layers as {facts.options['linear']} (one frame: {timed}); gate error {finished.gate_error:.3g}",
    ]
