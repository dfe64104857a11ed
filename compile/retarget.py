"""A bundle from elsewhere -> the same bundle for a GPU, and on the GPU itself its plan. Needs onnx, no torch.

::

    X.edge --verified--> canonical model, sources of the GPU kernel --> OUT.edge for jetson-orin, jetson-thor, tensorrt
                    `--> where there is a GPU: plan_from_bundle, into this machine's cache

Decision and gate figures stay those of the original engine; the new one must answer every gate frame within the
original's tolerance: the GPU's own where there is one, else the same graph in ONNX Runtime on this CPU.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from calibration.artifact import Artifact, artifact_from_file
from compile.engine import Finished
from compile.gpu_sources import FOLDER, parts_from_sources
from compile.lowerings.fp16 import fp16_from_qdq
from compile.natives import has_natives
from edge.backends.ort import ort_from_model
from edge.bundle import Bundle, bundle_from_bytes, bytes_from_parts
from edge.errors import UsageError
from edge.files import write_atomic
from edge.gate import check_gate, gate_from_bundle
from edge.keyring import Keyring
from edge.loading import load_bundle
from edge.session import CANONICAL_MODEL, CPU_MODEL, NATIVE_FOLDER
from edge.signature import SigningKey

Finish = Callable[[Bundle], Finished]


@dataclass(frozen=True)
class Retargeted:
    """What became of a bundle.

    Attributes:
        bundle: the new file, or the old one where only its plan was built.
        finished: its plan here; None where it was made for another machine.
    """

    bundle: Artifact
    finished: Finished | None


def retargeted_from_bundle(
    path: Path,
    output: Path | None,
    target: str,
    keyring: Keyring,
    sign: Callable[[], SigningKey],
    created: str,
    threads: int,
    finish: Finish | None,
) -> Retargeted:
    """Make a bundle for a GPU of one for a CPU, or only the plan of one that is for a GPU already.

    Args:
        path: the bundle, signed by a key this device trusts.
        output: the bundle to write; None: only the plan.
        target: "tensorrt", "jetson-orin" or "jetson-thor".
        keyring: the keys to trust.
        sign: gives the key that signs a new bundle.
        created: ISO 8601, UTC.
        threads: of ONNX Runtime.
        finish: builds the plan on this machine; None: it is made for another one.

    Raises:
        TrustError: the bundle must not be trusted.
        UsageError: there is nothing to do without an output.
        DeviceError: this machine cannot build the plan.
        GateError: the engine answers otherwise than the float model.
        MachineError: the output cannot be written.
    """
    bundle = load_bundle(path, keyring)
    if output is None:
        if finish is None and bundle.manifest.target == target:
            raise UsageError(
                f"{path} is for {target} already: there is nothing to write.",
                f"Build its engine on the device: edge compile {path} --target tensorrt",
            )
        if finish is None or bundle.manifest.target == "cpu":
            raise UsageError(
                f"{path} is for {bundle.manifest.target}; for {target} another bundle must be written.",
                f"Name it: edge compile {path} -o OUT.edge --target {target}",
            )
        return Retargeted(artifact_from_file(path), finish(bundle))
    data = gpu_bytes_from_bundle(bundle, target, sign(), created)
    made = bundle_from_bytes(data, keyring.public_from_fingerprint)
    finished = finish(made) if finish is not None else None
    if finish is None:
        check_emulated(made, threads)
    write_atomic(output, data)
    return Retargeted(artifact_from_file(output, {"bundle": bundle.digest}), finished)


def gpu_bytes_from_bundle(bundle: Bundle, target: str, signer: SigningKey, created: str) -> bytes:
    """The bundle without what only a CPU runs, with the sources of the GPU kernel.

    Args:
        bundle: verified.
        target: of the new one.
        signer: signs it.
        created: ISO 8601, UTC.
    """
    parts = {
        name: bundle.part(name)
        for name in bundle.parts
        if name != CPU_MODEL and (name.startswith(FOLDER) or not name.startswith(NATIVE_FOLDER))
    }
    with tempfile.TemporaryDirectory() as folder:
        model = Path(folder) / CANONICAL_MODEL
        model.write_bytes(parts[CANONICAL_MODEL])
        needs_sources = has_natives(model)
    if needs_sources and not any(name.startswith(FOLDER) for name in parts):
        parts |= parts_from_sources()
    return bytes_from_parts(replace(bundle.manifest, target=target, created=created, isa=(), parts=()), parts, signer)


def check_emulated(bundle: Bundle, threads: int) -> float:
    """Let the graph that the GPU will get answer all gate frames in ONNX Runtime, types and all.

    Args:
        bundle: for a GPU.
        threads: of ONNX Runtime.

    Returns:
        The largest error.

    Raises:
        GateError: it exceeds the manifest's tolerance.
        ModelError: a weight is beyond float16.
    """
    with tempfile.TemporaryDirectory() as folder:
        canonical = Path(folder) / CANONICAL_MODEL
        canonical.write_bytes(bundle.part(CANONICAL_MODEL))
        half = bundle.manifest.precision != "fp32"
        lowered = fp16_from_qdq(artifact_from_file(canonical), Path(folder) / "gpu.onnx", half=half)
        backend = ort_from_model(lowered.path.read_bytes(), threads, spin=False)
    try:
        gate = gate_from_bundle(bundle)
        return check_gate(backend, gate, bundle.manifest, len(gate.squares))
    finally:
        backend.close()


def output_from_unfinished(unfinished: Path, output: Path) -> Artifact:
    """Put a bundle whose engine has answered where it was asked for.

    Args:
        unfinished: the bundle; removed.
        output: the file to write.

    Raises:
        MachineError: it cannot be written.
    """
    write_atomic(output, unfinished.read_bytes())
    unfinished.unlink()
    return artifact_from_file(output)
