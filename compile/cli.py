"""`edge compile`: parse, call one function, show one result."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timezone
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Optional

import typer

from edge.errors import UsageError

if TYPE_CHECKING:
    from compile.engine import Finished
    from compile.job import Job
    from edge.bundle import Bundle
    from edge.keyring import Keyring
    from edge.signature import SigningKey

    Finish = Callable[[Callable[[str, float], None], Bundle], Finished]

MODEL = Annotated[str, typer.Argument(help="Zoo name, .safetensors, .pth, .onnx or .edge file.")]
OUT = Annotated[
    Optional[Path],
    typer.Option("--output", "-o", help="The bundle to write, NAME.edge; may be left out where only a plan is built."),
]
CALIBRATION = Annotated[Optional[Path], typer.Option("--calibration", help="LABELS.csv of calibration images.")]
GATE_DATA = Annotated[Optional[Path], typer.Option("--gate-data", help="LABELS.csv of gate images.")]
GATE = Annotated[float, typer.Option("--gate", help="Points of macro-F1 that INT8 may lose.", min=0.0)]
NO_GATE = Annotated[bool, typer.Option("--no-gate", help="Measure, but do not refuse; noted in the bundle.")]
TARGET = Annotated[str, typer.Option("--target", help="Where it runs: cpu, tensorrt (here), jetson-orin, jetson-thor.")]
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
LINEAR = Annotated[str, typer.Option("--linear", help="TensorRT's linear layers: matmul, conv, or auto: the faster.")]
MAX_BATCH = Annotated[int, typer.Option("--max-batch", help="Frames that a TensorRT plan takes at once.", min=1)]
WORKSPACE = Annotated[int, typer.Option("--workspace", help="Device memory TensorRT may use to build, MiB.", min=1)]
LEVEL = Annotated[int, typer.Option("--level", help="TensorRT's optimization level.", min=0, max=5)]
NVCC = Annotated[str, typer.Option("--nvcc", help="CUDA compiler, where it is not found.")]
INCLUDE = Annotated[Optional[Path], typer.Option("--include", help="Folder of TensorRT's headers, if not found.")]
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
    output: OUT = None,
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
    linear: LINEAR = "auto",
    max_batch: MAX_BATCH = 8,
    workspace: WORKSPACE = 1024,
    level: LEVEL = 3,
    nvcc: NVCC = "",
    include: INCLUDE = None,
    threads: THREADS = 2,
    explain: EXPLAIN = None,
    work: WORK = None,
    as_json: JSON = False,
) -> None:
    """Compile a model into a signed bundle: quantize, lower, measure, and refuse what lost accuracy."""
    from edge.files import cache_from_environment
    from edge.keyring import Keyring, home_from_environment
    from edge.releases import Releases

    _check_choices(target, precision, output, crop, linear)
    keyring = Keyring(home_from_environment(os.environ))
    finish = None
    if target == "tensorrt":  # before anything that takes long: this machine must be able to end it
        finish = _finish(keyring, linear, max_batch, workspace, level, nvcc, include)
    kernels = None if no_native else cache_from_environment(os.environ)
    if model.endswith(".edge") and target != "cpu":
        _retarget(Path(model), output, target, keyring, key, threads, finish, as_json)
        return
    output, signer = _named(output, model), _signer(keyring, key)
    if model.endswith(".edge"):
        _recompile(Path(model), output, keyring, signer, threads, kernels, compiler, as_json)
        return
    number = release if release is not None else (Releases(keyring.home).highest(output.stem) or 0)
    max_drop = None if no_gate else gate
    job = _job(model, output, calibration, gate_data, max_drop, precision, labels, number, threads, work)
    job = replace(_with_preprocess(job, size, mean, std, crop), kernels=kernels, compiler=compiler, target=target)
    _compile(job, keyring, signer, finish, explain, as_json, is_development=key is None)


def _compile(
    job: Job,
    keyring: Keyring,
    signer: SigningKey,
    finish: Finish | None,
    explain: Path | None,
    as_json: bool,
    is_development: bool,
) -> None:
    from compile.explain import explained
    from compile.outcome import print_compiled
    from compile.pipeline import compiled_from_job
    from compile.stages import open_stages
    from edge.commands.progress import progress_bar
    from edge.loading import load_bundle

    finished = None
    with progress_bar(as_json) as progress, open_stages(job.work, progress) as stages:
        try:
            compiled = compiled_from_job(job, signer, stages)
        finally:
            if explain is not None and stages.artifacts:  # most of all where the gate refuses
                explained(stages.artifacts, job.model, explain)
        if finish is not None:
            from compile.retarget import output_from_unfinished

            finished = finish(progress, load_bundle(job.bundle, keyring))
            compiled = replace(compiled, bundle=output_from_unfinished(job.bundle, job.output))
    print_compiled(compiled, finished, as_json, is_development)


def _retarget(
    model: Path,
    output: Path | None,
    target: str,
    keyring: Keyring,
    key: str | None,
    threads: int,
    finish: Finish | None,
    as_json: bool,
) -> None:
    from compile.outcome import print_retargeted
    from compile.retarget import retargeted_from_bundle
    from edge.commands.progress import progress_bar

    with progress_bar(as_json) as progress:
        end = partial(finish, progress) if finish else None
        sign = partial(_signer, keyring, key)  # a cart that only builds a plan needs no key of its own
        done = retargeted_from_bundle(model, output, target, keyring, sign, _now(), threads, end)
    print_retargeted(done, target, as_json)


def _recompile(
    model: Path,
    output: Path,
    keyring: Keyring,
    signer: SigningKey,
    threads: int,
    kernels: Path | None,
    compiler: str,
    as_json: bool,
) -> None:
    from compile.outcome import print_recompiled
    from compile.recompile import bundle_from_bundle
    from edge.commands.progress import progress_bar

    with progress_bar(as_json) as progress:
        done = bundle_from_bundle(model, output, keyring, signer, _now(), threads, kernels, compiler, progress)
    print_recompiled(done, as_json)


def _finish(
    keyring: Keyring,
    linear: str,
    max_batch: int,
    workspace: int,
    level: int,
    nvcc: str,
    include: Path | None,
) -> Finish:
    """How a bundle's plan is built on this machine."""
    from compile.engine import machine_from_system, plan_from_bundle
    from compile.tensorrt_plan import PlanOptions
    from edge.plans import PlanCache

    options = PlanOptions(max_batch, workspace, level)
    machine, plans = machine_from_system(include, nvcc), PlanCache(keyring.home)
    return lambda progress, bundle: plan_from_bundle(bundle, machine, plans, options, linear, _now(), progress)


def _signer(keyring: Keyring, key: str | None) -> SigningKey:
    return keyring.signing_key(key) if key else keyring.development_key()


def _named(output: Path | None, model: str) -> Path:
    if output is None:
        raise UsageError(f"Where the bundle of {model} goes is not said.", "Give -o NAME.edge.")
    return output


def _check_choices(target: str, precision: str, output: Path | None, crop: str, linear: str) -> None:
    from compile.job import LINEAR_FORMS, PRECISIONS, TARGETS

    for what, value, known in (
        ("target", target, TARGETS),
        ("precision", precision, PRECISIONS),
        ("crop", crop, ("none", "sector")),
        ("form of linear layers", linear, LINEAR_FORMS),
    ):
        if value not in known:
            raise UsageError(f"There is no {what} {value!r}.", f"Choose one of: {', '.join(known)}.")
    if output is not None and output.suffix != ".edge":
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
        target="cpu",
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
        names = tuple(line.strip() for line in path.read_text("utf-8-sig").splitlines() if line.strip())
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
