"""The command line as a user meets it; the shipped student compiled once; a small classifier that knows its images.

::

    stripes folder --fitted head--> stripes.onnx --edge compile--> stripes.edge      seconds: for everything around it
    compile/weights/edge_n.safetensors ----------edge compile--> shipped.edge        for every figure
"""

from __future__ import annotations

import csv
import fcntl
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import pytest
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings
from numpy.typing import NDArray
from PIL import Image

os.environ["ORT_DISABLE_TELEMETRY"] = "1"  # as edge/__init__.py does: some tests load ONNX Runtime before it
signal.signal(signal.SIGINT, signal.default_int_handler)  # "make test &" of a shell ignores it, children too

# A machine that does something else besides takes its time: one example has no limit, nor has drawing them.
hypothesis_settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
hypothesis_settings.load_profile("patient")

PLANES = ("abdomen", "femur", "thorax")  # of the small classifier; the demo protocol knows them
SPLITS = {"val": 14, "test": 8}  # images a plane: 42 right answers measure a threshold, which takes 30
SIDE_PX = 64
PATIENCE_S = 1200  # a machine that trains something else besides


@dataclass(frozen=True)
class Done:
    """A command that has ended.

    Attributes:
        code: exit code.
        out: standard output.
        err: standard error.
    """

    code: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        """Standard output as one JSON document."""
        return json.loads(self.out)

    @property
    def lines(self) -> list[Any]:
        """Standard output as one JSON document a line."""
        return [json.loads(line) for line in self.out.splitlines()]


Command = Callable[..., Done]


def absent(reason: str) -> NoReturn:
    """What a test needs is not on this machine: skipped, or failed where CI_REQUIRES_PEERS=1 promises all of it."""
    if os.environ.get("CI_REQUIRES_PEERS") == "1":
        pytest.fail(reason)
    pytest.skip(reason)


@dataclass(frozen=True)
class Made:
    """What `edge compile` left behind.

    Attributes:
        bundle: the signed file.
        home: the keyring that trusts it.
        work: the stages' files.
        document: what the command said.
    """

    bundle: Path
    home: Path
    work: Path
    document: Any


def edge_process(home: Path, *arguments: object, prelude: str = "", wrapper: Sequence[str] = ()) -> Done:
    """`python -m edge ARGUMENTS` in a process of its own.

    Args:
        home: the keyring's folder.
        arguments: of the command line.
        prelude: Python that runs before it.
        wrapper: a command that starts the process.
    """
    program = ["-c", f"{prelude}\nfrom edge.cli import main\nmain()"] if prelude else ["-m", "edge"]
    done = subprocess.run(
        [*wrapper, sys.executable, *program, *(str(argument) for argument in arguments)],
        capture_output=True,
        text=True,
        env={**os.environ, "VMAMBA_EDGE_HOME": str(home)},
        timeout=PATIENCE_S,
        check=False,
    )
    return Done(done.returncode, done.stdout, done.stderr)


def check_told(done: Done, code: int, cause: str) -> None:
    """A failure as the contract wants it: its exit code, one line of cause, one of cure, no trace."""
    last = done.err.splitlines()[-2:]
    assert done.code == code, done.err
    assert [line.split(":")[0] for line in last] == ["error", "  cure"], done.err
    assert cause in last[0]
    assert len(last[1].removeprefix("  cure: ")) > 10
    assert done.err.count("error:") == 1
    assert "Traceback" not in done.out + done.err
    assert "Internal error" not in done.err


@pytest.fixture
def edge(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Command:
    """The command line in this process: edge(*arguments, home=FOLDER) -> Done."""
    from edge.cli import code_from_arguments

    def command(*arguments: object, home: Path | None = None) -> Done:
        monkeypatch.setenv("VMAMBA_EDGE_HOME", str(home or tmp_path / "home"))
        capsys.readouterr()
        code = code_from_arguments([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return Done(code, captured.out, captured.err)

    return command


def striped(plane: int, seed: int, side_px: int = 96) -> NDArray[np.uint8]:
    """Speckle under stripes; the plane decides their direction and the brightness. Passes every input check."""
    rng = np.random.default_rng((plane, seed))
    speckle = rng.normal(0, 8, (side_px // 4, side_px // 4)).repeat(4, 0).repeat(4, 1)
    y, x = np.mgrid[:side_px, :side_px] / 4 + rng.uniform(0, 6)
    stripes = 40 * np.sin((y, x, (x + y) / 2)[plane])
    levels = (60, 120, 180)[plane] + stripes + speckle + rng.normal(0, 2, x.shape)
    return np.asarray(np.clip(levels, 0, 255), np.uint8)


@pytest.fixture(scope="session")
def stripes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """labels.csv with the small classifier's images beside it."""
    folder = tmp_path_factory.mktemp("stripes")
    rows = []
    for split, count in SPLITS.items():
        for number in range(count * len(PLANES)):
            plane, name = number % len(PLANES), f"{split}{number}.png"
            Image.fromarray(striped(plane, number + 1000 * len(split))).save(folder / name)
            rows.append({"file": name, "label": PLANES[plane], "split": split, "patient": name})
    return labels_file(folder / "labels.csv", rows)


def labels_file(path: Path, rows: list[dict[str, str]]) -> Path:
    """Write a LABELS.csv."""
    with path.open("w", newline="") as stream:
        writer = csv.DictWriter(stream, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return path


@pytest.fixture(scope="session")
def stripes_onnx(stripes: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny student, random but for its head, which is fitted to the stripes: so its answers have margins."""
    import torch

    from calibration.formats import load_dataset
    from calibration.inputs import batches_from_squares, squares_from_dataset
    from compile.export import onnx_from_student
    from compile.model.spec import ModelSpec
    from compile.model.students import Student, StudentShape
    from edge.preprocess import Preprocess
    from tests.compile.conftest import randomized

    preprocess = Preprocess(size_px=SIDE_PX)
    torch.manual_seed(0)  # else the weights depend on which tests ran before
    model = Student(StudentShape((32, 32, 32, 48), (1, 1, 2, 1), mlp_ratio=2.0), len(PLANES)).eval()
    randomized(model)
    data = load_dataset(stripes).where(split="val")
    inputs = np.concatenate(list(batches_from_squares(squares_from_dataset(data, preprocess), preprocess)))
    with torch.no_grad():
        pooled = model(torch.from_numpy(inputs))[1].mean((1, 2))
        centred = pooled - pooled.mean(0)
        truth = torch.eye(len(PLANES))[[PLANES.index(sample.label) for sample in data.samples]] - 1 / len(PLANES)
        penalty = 0.1 * centred.square().sum() / centred.shape[1] * torch.eye(centred.shape[1])
        weight = 8 * torch.linalg.solve(centred.T @ centred + penalty, centred.T @ truth).T
        model.head.weight.copy_(weight)
        model.head.bias.copy_(-weight @ pooled.mean(0))
    spec = ModelSpec("stripes", PLANES, preprocess=preprocess, protocol="demo")
    return onnx_from_student(model, spec, tmp_path_factory.mktemp("model") / "stripes.onnx").path


@pytest.fixture(scope="session")
def stripes_made(stripes: Path, stripes_onnx: Path, tmp_path_factory: pytest.TempPathFactory) -> Made:
    """The small classifier, compiled to INT8 by the command line."""
    data = ("--calibration", stripes, "--gate-data", stripes)
    return _made(tmp_path_factory.mktemp("made"), "stripes", stripes_onnx, *data)


@pytest.fixture(scope="session")
def shipped(tmp_path_factory: pytest.TempPathFactory) -> Made:
    """The shipped student, compiled to INT8 by the command line as `make run` does; once for all workers of a run."""
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "shipped"
    folder.mkdir(exist_ok=True)
    told = folder / "made.json"
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if told.is_file():
            return Made(
                folder / "shipped.edge", folder / "home", folder / "work" / "shipped", json.loads(told.read_text())
            )
        made = _made(folder, "shipped", "edge_n")
        told.write_text(json.dumps(made.document))
    return made


def _made(folder: Path, name: str, *arguments: object) -> Made:
    bundle, home = folder / f"{name}.edge", folder / "home"
    done = edge_process(home, "compile", *arguments, "-o", bundle, "--json")
    assert done.code == 0, done.err
    return Made(bundle, home, folder / "work" / name, done.document)
