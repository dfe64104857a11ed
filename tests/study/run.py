"""Train and compile the rows of the study: `python -m tests.study.run --data LABELS.csv --sononet WEIGHTS`.

Many hours on a CPU. Everything goes on where it stopped; several of these may run side by side in one folder: each
takes the next training that nobody else has. `--only` names rows, or one seed of a row (edge_n-1).
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from compile.training.journal import read_records
from edge.files import sha256_from_file, write_atomic
from tests.study.rows import Training, trainings

MASKED = "tests.study.masked"
PRECISIONS = ("fp32", "int8")


def main() -> None:
    """Work until nothing is left that can be started."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="the compact set's labels.csv")
    parser.add_argument("--sononet", type=Path, required=True, help="published SonoNet16 weights, safetensors")
    parser.add_argument("--work", type=Path, default=Path("build/study"))
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--only", nargs="*", default=[], help="ids of rows, or ROW-SEED")
    arguments = parser.parse_args()
    arguments.work.mkdir(parents=True, exist_ok=True)
    while started(arguments):
        pass


def started(arguments: argparse.Namespace) -> bool:
    """Do the first training that is not done, has its teachers, and that no other process holds."""
    for training in trainings():
        last = "json" if training.by else "safetensors"  # what a teacher's training writes in the end
        has_teachers = all((arguments.work / f"{teacher}-0.{last}").is_file() for teacher in training.teachers)
        is_wanted = not arguments.only or not {training.row, training.name}.isdisjoint(arguments.only)
        record = arguments.work / f"{training.name}.json"
        if not is_wanted or not has_teachers or record.is_file():
            continue
        with held(record.with_suffix(".lock")) as is_ours:
            if is_ours and not record.is_file():
                figures = done(training, arguments)
                write_atomic(record, json.dumps(figures, indent=1).encode())
                return True
    return False


@contextmanager
def held(lock: Path) -> Iterator[bool]:
    """A file that one process holds; free again when that process ends, however it ends."""
    import fcntl

    with lock.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            yield False
        else:
            yield True


def done(training: Training, arguments: argparse.Namespace) -> dict[str, Any]:
    """Train, compile in both precisions: what was typed, and how long it took; or cross-validate."""
    command = training.command(arguments.work, arguments.data, arguments.sononet, arguments.threads)
    weights = training.output(arguments.work)
    print(f"{time.strftime('%H:%M')} {training.name}: edge {' '.join(command)}", flush=True)
    commands = [command]
    facts = {"row": training.row, "seed": training.seed, "model": training.model, "epochs": training.epochs}
    facts |= {"teachers": list(training.teachers), "by": training.by, "threads": arguments.threads}
    if training.by:
        edge(command)
        figures = json.loads((weights / "crossval.json").read_text("utf-8"))
        return {**facts, "commands": typed(commands, arguments), "crossval": figures}
    if training.painted:
        start = training.start(arguments.work)
        fixed = ["--data", str(arguments.data), "--epochs", training.painted, "--seed", str(training.seed)]
        painting = [training.model, *fixed, "--threads", str(arguments.threads), "-o", str(start)]
        facts["start"] = typed([painting], arguments, f"python -m {MASKED}")[0]
        if not start.is_file():
            module(MASKED, painting)
    if not weights.is_file():
        edge(command)
    for precision in PRECISIONS:
        bundle = arguments.work / f"{training.name}-{precision}.edge"
        stages = arguments.work / "work" / f"compile-{training.name}-{precision}"
        commands.append(["compile", str(weights), "-o", str(bundle), "--precision", precision, "--no-gate"])
        edge([*commands[-1], "--work", str(stages)])
    log = read_records(arguments.work / "work" / f"train-{training.name}")
    return {
        **facts,
        "commands": typed(commands, arguments),
        "hours": round(sum(line["seconds"] for line in log) / 3600, 2),
        "held_out": {name: log[-1][name] for name in ("accuracy", "macro_f1")},
        "weights_sha256": sha256_from_file(weights),
    }


def typed(commands: list[list[str]], arguments: argparse.Namespace, program: str = "edge") -> list[str]:
    """Commands as a person types them, without this machine's folders."""
    names = {str(arguments.work): "STUDY", str(arguments.data): "LABELS.csv", str(arguments.sononet): "SONONET16"}
    lines = [" ".join([program, *words]) for words in commands]
    for path, name in names.items():
        lines = [line.replace(path, name) for line in lines]
    return lines


def edge(words: list[str]) -> None:
    """One command of ours."""
    module("edge", words)


def module(name: str, words: list[str]) -> None:
    """One program of ours; where it fails, what it says is the last word."""
    environment = {**os.environ, "OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", "1")}
    if code := subprocess.run([sys.executable, "-m", name, *words], check=False, env=environment).returncode:
        sys.exit(code)


if __name__ == "__main__":
    main()
