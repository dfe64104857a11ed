"""`edge compile`: parse, call one function, show one result."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, replace
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Optional

import typer

from edge.errors import UsageError

if TYPE_CHECKING:
    from compile.job import Compiled, Job
    from compile.recompile import Recompiled

MODEL = Annotated[str, typer.Argument(help="Zoo name, .safetensors, .pth, .onnx or .edge file.")]
OUT = Annotated[Path, typer.Option("--output", "-o", help="The bundle to write, NAME.edge.")]
CALIBRATION = Annotated[Optional[Path], typer.Option("--calibration", help="LABELS.csv of calibration images.")]
GATE_DATA = Annotated[Optional[Path], typer.Option("--gate-data", help="LABELS.csv of gate images.")]
GATE = Annotated[float, typer.Option("--gate", help="Points of macro-F1 that INT8 may lose.", min=0.0)]
NO_GATE = Annotated[bool, typer.Option("--no-gate", help="Measure, but do not refuse; noted in the bundle.")]
TARGET = Annotated[str, typer.Option("--target", help="Where it runs: cpu.")]
PRECISION = Annotated[str, typer.Option("--precision", help="int8, fp16 (weights) or fp32.")]
LABELS = Annotated[Optional[Path], typer.Option("--labels", help="Class names of a model without, one a line.")]
SIZE = Annotated[Optional[int], typer.Option("--size", help="Input side of a model that does not say, pixels.", min=16)]
MEAN = Annotated[Optional[float], typer.Option("--mean", help="Subtracted from gray / 255.")]
STD = Annotated[Optional[float], typer.Option("--std", help="Divisor after that.", min=1e-6)]
CROP = Annotated[str, typer.Option("--crop", help="none, or sector for full scanner screens.")]
KEY = Annotated[Optional[str], typer.Option("--key", help="Name of the signing key; else a development key.")]
RELEASE = Annotated[Optional[int], typer.Option("--release", help="Anti-rollback number.", min=0)]
NO_NATIVE = Annotated[bool, typer.Option("--no-native", help="No native operators: the slower local functions run.")]
COMPILER = Annotated[str, typer.Option("--compiler", envvar="CXX", help="C++ compiler for native operators.")]
THREADS = Annotated[int, typer.Option("--threads", help="Threads of ONNX Runtime.", min=1)]
EXPLAIN = Annotated[
    Optional[Path], typer.Option("--explain", help="Folder for the stages' files and a page on every layer.")
]
WORK = Annotated[Optional[Path], typer.Option("--work", help="Folder of the stages' files, used again by a later run.")]
JSON = Annotated[bool, typer.Option("--json", help="One JSON document instead of a table.")]


def register(app: typer.Typer) -> None:
    """Mount `compile`."""
    app.command("compile")(compile_model)


def compile_model(
    model: MODEL,
    output: OUT,
    calibration: CALIBRATION = None,
    gate_data: GATE_DATA = None,
    gate: GATE = 0.3,
    no_gate: NO_GATE = False,
    target: TARGET = "cpu",
    precision: PRECISION = "int8",
    labels: LABELS = None,
    size: SIZE = None,
    mean: MEAN = None,
    std: STD = None,
    crop: CROP = "none",
    key: KEY = None,
    release: RELEASE = None,
    no_native: NO_NATIVE = False,
    compiler: COMPILER = "",
    threads: THREADS = 2,
    explain: EXPLAIN = None,
    work: WORK = None,
    as_json: JSON = False,
) -> None:
    """Compile a model into a signed bundle: quantize, lower, measure, and refuse what lost accuracy."""
    from edge.commands.progress import progress_bar
    from edge.files import cache_from_environment
    from edge.keyring import Keyring, home_from_environment
    from edge.releases import Releases

    _check_choices(target, precision, output, crop)
    keyring = Keyring(home_from_environment(os.environ))
    signer = keyring.signing_key(key) if key else keyring.development_key()
    number = release if release is not None else (Releases(keyring.home).highest(output.stem) or 0)
    kernels = None if no_native else cache_from_environment(os.environ)
    if model.endswith(".edge"):
        from compile.recompile import bundle_from_bundle

        with progress_bar(as_json) as progress:
            recompiled = bundle_from_bundle(
                Path(model), output, keyring, signer, _now(), threads, kernels, compiler, progress
            )
        _print_recompiled(recompiled, as_json)
        return
    from compile.explain import explained
    from compile.pipeline import compiled_from_job
    from compile.stages import Stages

    max_drop = None if no_gate else gate
    job = _job(model, output, calibration, gate_data, max_drop, precision, labels, number, threads, work)
    job = replace(_with_preprocess(job, size, mean, std, crop), kernels=kernels, compiler=compiler)
    with progress_bar(as_json) as progress:
        stages = Stages(job.work, progress)
        try:
            compiled = compiled_from_job(job, signer, stages)
        finally:
            if explain is not None and stages.artifacts:  # most of all where the gate refuses
                explained(stages.artifacts, job.model, explain)
    _print_compiled(compiled, as_json, keyring_is_development=key is None)


def _check_choices(target: str, precision: str, output: Path, crop: str) -> None:
    from compile.job import PRECISIONS, TARGETS

    for what, value, known in (
        ("target", target, TARGETS),
        ("precision", precision, PRECISIONS),
        ("crop", crop, ("none", "sector")),
    ):
        if value not in known:
            raise UsageError(f"There is no {what} {value!r}.", f"Choose one of: {', '.join(known)}.")
    if output.suffix != ".edge":
        raise UsageError(f"The output {output} is not named NAME.edge.", "Give -o NAME.edge.")


def _job(
    model: str,
    output: Path,
    calibration: Path | None,
    gate_data: Path | None,
    max_drop: float | None,
    precision: str,
    labels: Path | None,
    release: int,
    threads: int,
    work: Path | None,
) -> Job:
    from calibration.samples_set import calibration_and_gate
    from compile.job import Job
    from edge.cpu import load_cpu

    calibration_images, gate_images = calibration_and_gate(calibration, gate_data)
    return Job(
        model=model,
        output=output,
        work=work or output.parent / "work" / output.stem,
        calibration=calibration_images,
        gate_data=gate_images,
        precision=precision,
        max_drop=max_drop,
        labels=_labels(labels),
        preprocess=None,
        release=release,
        created=_now(),
        cpu=load_cpu(),
        kernels=None,
        compiler="",
        threads=threads,
    )


def _with_preprocess(job: Job, size: int | None, mean: float | None, std: float | None, crop: str) -> Job:
    from compile.foreign import IMAGENET_MEAN, IMAGENET_STD
    from edge.preprocess import Preprocess

    if size is None and mean is None and std is None and crop == "none":
        return job
    usual = Preprocess(224, IMAGENET_MEAN, IMAGENET_STD)
    given = Preprocess(size or usual.size_px, usual.mean if mean is None else mean, std or usual.std, crop=crop)
    return replace(job, preprocess=given)


def _labels(path: Path | None) -> tuple[str, ...]:
    if path is None:
        return ()
    try:
        names = tuple(line.strip() for line in path.read_text("utf-8").splitlines() if line.strip())
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(
            f"The labels file {path} cannot be read: {error}.", "Give a UTF-8 file, one name a line."
        ) from error
    if len(set(names)) != len(names) or not names:
        raise UsageError(
            f"The labels file {path} is empty or names a class twice.", "Give each class once, one a line."
        )
    return names


def _now() -> str:
    return datetime.now(timezone.utc).isoformat(timespec="seconds")


def _print_compiled(compiled: Compiled, as_json: bool, keyring_is_development: bool) -> None:
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
    }
    if as_json:
        typer.echo(json.dumps(document))
        return
    from rich.console import Console
    from rich.table import Table

    console = Console()
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


def _gate_line(compiled: Compiled) -> str:
    gate = compiled.gate
    agreement = "" if gate.agreement is None else f"agreement {gate.agreement:.2%}"
    if gate.f1_float is None or gate.f1_engine is None or gate.drop is None:
        figures = f"F1 not assessed (no labelled plane), {agreement}"
    else:
        f1 = f"macro-F1 {gate.f1_float:.4f} float, {gate.f1_engine:.4f} engine"
        figures = f"{f1}, drop {gate.drop:+.2f} points, {agreement}"
    return f"gate{' (skipped)' if gate.skipped else ''}: {figures} on {gate.n} images"


def _print_recompiled(recompiled: Recompiled, as_json: bool) -> None:
    bundle, messages = recompiled.bundle, list(recompiled.messages)
    document = {"schema": 1, "bundle": str(bundle.path), "sha256": bundle.sha256, "messages": messages}
    lines = [*(f"note: {message}" for message in messages), f"bundle: {bundle.path}, lowered for this machine"]
    typer.echo(json.dumps(document) if as_json else "\n".join(lines))
