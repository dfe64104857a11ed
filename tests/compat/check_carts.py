"""Signed bundles of every lowering on old ONNX Runtimes, in environments that hold what a cart holds and no more.

::

    edge_n, a small VMamba --compile--> bundles --this ONNX Runtime----------------> logits --+
                                           |                                                  +--> table, exit code
             wheel + onnxruntime==VERSION  +--edge classify, open_session, gate frames-> logits

Run: python -m tests.compat.check_carts [VERSION...] [--work FOLDER]. Needs a package index; two minutes on two cores.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from calibration.dataset import Dataset
from calibration.samples_set import SAMPLES, calibration_dataset, gate_dataset
from compile.job import Job
from compile.pipeline import compiled_from_job
from compile.stages import Stages
from edge.bundle import bytes_from_parts
from edge.keyring import Keyring
from edge.loading import load_bundle
from edge.preprocess import Preprocess
from edge.session import CANONICAL_MODEL, CPU_MODEL

Logits = NDArray[np.float32]

ROOT = Path(__file__).parents[2]
VERSIONS = {"1.17.3": (3, 12), "1.20.1": (3, 13), "1.23.2": (3, 14)}  # -> the newest Python with a wheel of it
NUMPY_1 = ("1.17.3",)  # built against numpy 1
ABSENT = ("torch", "onnx", "onnxscript", "safetensors", "sklearn", "cyclonedx")  # the toolchain's, not the cart's
TOLERANCE = 0.02  # largest difference of a logit, in units of the logits' spread; one step of INT8 is some 0.01
CANONICAL_TOLERANCE = 0.1  # ONNX Runtime 1.23 and newer round the float biases of a canonical graph to integers
IMAGES = 24  # of either split: what is compared is the runtimes, not the accuracy

RUN = """
import sys
from pathlib import Path
import numpy
from edge.gate import gate_from_bundle
from edge.keyring import Keyring
from edge.loading import load_bundle
from edge.preprocess import input_from_square
from edge.session import open_session

home, results, *bundles = map(Path, sys.argv[1:])
for path in bundles:
    squares = gate_from_bundle(load_bundle(path, Keyring(home))).squares
    with open_session(path, threads=1, keyring=Keyring(home), gate_frames=len(squares)) as session:
        preprocess = session.manifest.preprocess
        logits = [session.logits(input_from_square(square, preprocess)) for square in squares]
    numpy.save(results / path.stem, numpy.concatenate(logits))
"""
CHECK_CART = f"""
import importlib.util, edge
found = [name for name in {ABSENT!r} if importlib.util.find_spec(name)]
assert not found, f"this environment holds {{found}}"
assert "site-packages" in edge.__file__, edge.__file__
"""


def main() -> int:
    """Compare the versions named on the command line with the installed one; 0 if all answer alike."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("versions", nargs="*", default=list(VERSIONS))
    parser.add_argument("--work", type=Path, help="Folder that keeps bundles and environments; else a temporary one.")
    arguments = parser.parse_args()
    versions = [version for version in arguments.versions if has_wheel(version)]
    with folder_from_option(arguments.work) as work, ThreadPoolExecutor() as threads:
        environments = {version: threads.submit(cart_environment, version, work) for version in versions}
        bundles = bundles_from_models(work)
        expected = logits_from_bundles(Path(sys.executable), RUN, bundles, work, "current")
        print(f"{'bundle':<16}" + "".join(f"{version:>10}" for version in versions))
        errors = np.array([compared(environments[v].result(), v, bundles, expected, work) for v in versions]).T
        for bundle, row in zip(bundles, errors, strict=True):
            print(f"{bundle.stem:<16}" + "".join(f"{error:>10.1e}" for error in row))
    allowed = np.array([[CANONICAL_TOLERANCE if bundle.stem.endswith("qdq") else TOLERANCE] for bundle in bundles])
    print(f"in units of the logits' spread; allowed {TOLERANCE}, for canonical graphs (qdq) {CANONICAL_TOLERANCE}")
    return int(not (errors <= allowed).all())


def has_wheel(version: str) -> bool:
    """Whether this Python can install a version; said where it cannot."""
    newest = VERSIONS.get(version, sys.version_info[:2])
    if sys.version_info[:2] > newest:
        print(f"onnxruntime {version}: no wheel for Python {sys.version_info.major}.{sys.version_info.minor}, left out")
    return sys.version_info[:2] <= newest


@contextlib.contextmanager
def folder_from_option(kept: Path | None) -> Iterator[Path]:
    """The folder asked for, or one that is removed afterwards."""
    with tempfile.TemporaryDirectory() if kept is None else contextlib.nullcontext(kept) as folder:
        path = Path(folder).resolve()
        path.mkdir(parents=True, exist_ok=True)
        yield path


def bundles_from_models(work: Path) -> list[Path]:
    """Compile both models in every form; of an INT8 one the canonical graph too, in a bundle without a lowered one."""
    home = Keyring(work / "home")
    compiled = partial(compiled_bundle, work=work, keyring=home)
    vmamba, small = vmamba_checkpoint(work), Preprocess(64, 0.449, 0.226, channels=3)
    bundles = [
        compiled("edge_n", "int8"),
        compiled("edge_n", "int8", saturates=True),
        compiled("edge_n", "fp16"),
        compiled("edge_n", "fp32"),
        compiled(vmamba, "int8", preprocess=small),
        compiled(vmamba, "fp16", preprocess=small),
    ]
    return [*bundles, *(canonical_bundle(bundles[index], home) for index in (0, 4))]


def vmamba_checkpoint(work: Path) -> str:
    """A small VMamba with random weights, as its authors would save it."""
    import torch

    from compile.model.vmamba import VMamba, VMambaShape

    torch.manual_seed(0)
    path = work / "vmamba.pth"
    torch.save(VMamba(VMambaShape((32, 64, 96, 128), (1, 1, 2, 1), 1.0), 10, in_channels=3).state_dict(), path)
    return str(path)


def compiled_bundle(
    model: str,
    precision: str,
    work: Path,
    keyring: Keyring,
    saturates: bool = False,
    preprocess: Preprocess | None = None,
) -> Path:
    """One bundle, without the gate, on a few images; the stages that forms share are made once."""
    name = f"{Path(model).stem}-{precision}{'-7bit' if saturates else ''}"
    job = Job(
        model=model,
        output=work / f"{name}.edge",
        work=work / Path(model).stem,
        calibration=few(calibration_dataset(None)),
        gate_data=few(gate_dataset(None)),
        precision=precision,
        max_drop=None,
        labels=(),
        preprocess=preprocess,
        release=0,
        created="2026-01-01T00:00:00+00:00",
        saturates=saturates,
        threads=2,
    )
    compiled_from_job(job, keyring.development_key(), Stages(job.work, lambda stage, share: None))
    return job.output


def few(dataset: Dataset) -> Dataset:
    """Some images, spread over the table."""
    return replace(dataset, samples=dataset.samples[:: len(dataset.samples) // IMAGES])


def canonical_bundle(path: Path, keyring: Keyring) -> Path:
    """The same bundle without a lowered graph: the runtime falls back on the canonical one."""
    bundle = load_bundle(path, keyring)
    parts = {name: bundle.part(name) for name in bundle.parts if name != CPU_MODEL}
    assert CANONICAL_MODEL in parts
    gate = replace(bundle.manifest.gate, tolerance=2 * bundle.manifest.gate.tolerance)  # half the steps after a ReLU
    output = path.with_name(path.name.replace("int8", "qdq"))
    output.write_bytes(bytes_from_parts(replace(bundle.manifest, gate=gate), parts, keyring.development_key()))
    return output


def cart_environment(version: str, work: Path) -> Path:
    """The Python of a fresh environment with the project's wheel, its runtime dependencies and one ONNX Runtime."""
    folder = work / f"ort-{version}"
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    python = folder / "bin" / "python"
    numpy = ["numpy<2"] if version in NUMPY_1 else []
    pip = [python, "-m", "pip", "install", "-qq", "--disable-pip-version-check", "--prefer-binary"]
    subprocess.run([*pip, str(ROOT), f"onnxruntime=={version}", *numpy], check=True)
    return python


def logits_from_bundles(python: Path, program: str, bundles: list[Path], work: Path, name: str) -> list[Logits]:
    """Let an environment open every bundle and answer its gate frames: one (n,K) a bundle."""
    results = work / f"logits-{name}"
    results.mkdir(exist_ok=True)
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    command = [python, "-c", program, work / "home", results, *bundles]
    subprocess.run(command, cwd=ROOT if program == RUN else results, env=environment, check=True)
    return [np.asarray(np.load(results / f"{bundle.stem}.npy")) for bundle in bundles]


def compared(python: Path, version: str, bundles: list[Path], expected: list[Logits], work: Path) -> list[float]:
    """Largest difference of each bundle's logits from the installed ONNX Runtime's, in units of their spread."""
    classify_sample(python, bundles[0], work)
    got = logits_from_bundles(python, CHECK_CART + RUN, bundles, work, version)
    return [float(np.abs(a - b).max() / b.std()) for a, b in zip(got, expected, strict=True)]


def classify_sample(python: Path, bundle: Path, work: Path) -> None:
    """The command itself, on a shipped image."""
    image = SAMPLES.parent / gate_dataset(None).samples[0].file
    environment = {**os.environ, "VMAMBA_EDGE_HOME": str(work / "home")}
    command = [python.parent / "edge", "classify", bundle, image, "--json"]
    done = subprocess.run(command, cwd=work, env=environment, capture_output=True, text=True, check=False)
    if done.returncode or '"plane"' not in done.stdout:
        raise SystemExit(f"edge classify failed with {python}: {done.stdout}{done.stderr}")


if __name__ == "__main__":
    sys.exit(main())
