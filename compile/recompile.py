"""A bundle from elsewhere -> the same bundle lowered for this machine. Needs onnx, no torch: it runs on the cart.

::

    OTHER.edge --verified--> canonical model, table --cpu_from_qdq--> engine --answers the gate frames--> OUT.edge
                             native sources here --a C++ compiler--> operators --+
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from calibration.artifact import Artifact, artifact_from_file
from compile.natives import Natives, natives_from_model
from edge.backends.ort import ort_from_model
from edge.bundle import Bundle, bytes_from_parts
from edge.cpu import load_cpu
from edge.files import write_atomic
from edge.gate import check_gate, gate_from_bundle
from edge.keyring import Keyring
from edge.loading import load_bundle
from edge.session import CANONICAL_MODEL, CPU_MODEL, NATIVE_FOLDER, native_parts
from edge.signature import SigningKey

TABLE = "table.json"


@dataclass(frozen=True)
class Recompiled:
    """What became of a bundle.

    Attributes:
        bundle: the new file.
        messages: what the user should know.
    """

    bundle: Artifact
    messages: tuple[str, ...]


def bundle_from_bundle(
    path: Path,
    output: Path,
    keyring: Keyring,
    signer: SigningKey,
    created: str,
    threads: int,
    kernels: Path | None,
    compiler: str,
    progress: Callable[[str, float], None],
) -> Recompiled:
    """Lower a bundle's canonical model for this CPU, and build its native operators here.

    Libraries for other machines stay in the bundle; without a compiler the one for this machine stays as well. The
    decision and the gate's figures stay those of the original engine; the new one must answer every gate frame
    within the original's tolerance.

    Args:
        path: the bundle, signed by a key this device trusts.
        output: the bundle to write.
        keyring: the keys to trust.
        signer: signs the new bundle.
        created: ISO 8601, UTC.
        threads: of ONNX Runtime.
        kernels: folder where native libraries are kept between compilations; None: no native library.
        compiler: of C++, as $CXX names it; empty: the system's.
        progress: told the stage and what of it is done, 0..1.

    Raises:
        TrustError: the bundle must not be trusted.
        GateError: the engine made here answers otherwise.
        MachineError: the output cannot be written.
    """
    progress("verify", 0.0)
    bundle = load_bundle(path, keyring)
    progress("lower", 0.0)
    parts = {name: bytes(bundle.part(name)) for name in bundle.parts}
    parts[CPU_MODEL] = _lowered(bundle)
    progress("kernel", 0.0)
    messages: tuple[str, ...] = ()
    machine = load_cpu().machine
    if kernels is None:
        parts = {name: data for name, data in parts.items() if not name.startswith(NATIVE_FOLDER)}
    else:
        natives = _natives(bundle, machine, kernels, compiler)
        parts |= natives.parts
        messages = () if native_parts(parts, machine) else natives.messages
    progress("gate", 0.0)
    libraries = [parts[name] for name in native_parts(parts, machine)]
    backend = ort_from_model(parts[CPU_MODEL], threads, spin=False, libraries=libraries)
    try:
        gate = gate_from_bundle(bundle)
        check_gate(backend, gate, bundle.manifest, len(gate.squares))
    finally:
        backend.close()
    manifest = replace(bundle.manifest, created=created, target="cpu", parts=())
    write_atomic(output, bytes_from_parts(manifest, parts, signer))
    progress("gate", 1.0)
    return Recompiled(artifact_from_file(output, {"bundle": bundle.digest}), messages)


def _natives(bundle: Bundle, machine: str, kernels: Path, compiler: str) -> Natives:
    with tempfile.TemporaryDirectory() as folder:
        model = Path(folder) / CANONICAL_MODEL
        model.write_bytes(bundle.part(CANONICAL_MODEL))
        return natives_from_model(model, machine, kernels, compiler)


def _lowered(bundle: Bundle) -> bytes:
    canonical = bytes(bundle.part(CANONICAL_MODEL))
    if bundle.manifest.precision != "int8":
        return canonical
    from compile.lowerings.cpu import cpu_from_qdq

    with tempfile.TemporaryDirectory() as folder:
        files = {name: Path(folder) / name for name in (CANONICAL_MODEL, TABLE)}
        for name, file in files.items():
            file.write_bytes(bundle.part(name))
        qdq, table = (artifact_from_file(file) for file in files.values())
        return cpu_from_qdq(qdq, table, Path(folder) / CPU_MODEL, reduce_range=load_cpu().saturates).path.read_bytes()
