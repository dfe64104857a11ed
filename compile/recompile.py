"""A bundle from elsewhere -> the same bundle lowered for this machine. Needs onnx, no torch: it runs on the cart.

::

    OTHER.edge --verified--> canonical model, table --cpu_from_qdq--> engine --answers the gate frames--> OUT.edge
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from calibration.artifact import Artifact, artifact_from_file
from edge.backends.ort import ort_from_model
from edge.bundle import Bundle, bytes_from_parts
from edge.cpu import load_cpu
from edge.files import write_atomic
from edge.gate import check_gate, gate_from_bundle
from edge.keyring import Keyring
from edge.loading import load_bundle
from edge.session import CANONICAL_MODEL, CPU_MODEL
from edge.signature import SigningKey

TABLE = "table.json"


def bundle_from_bundle(
    path: Path,
    output: Path,
    keyring: Keyring,
    signer: SigningKey,
    created: str,
    threads: int,
    progress: Callable[[str, float], None],
) -> Artifact:
    """Lower a bundle's canonical model for this CPU.

    The decision and the gate's figures stay those of the original engine; the new one must answer every gate frame
    within the original's tolerance.

    Args:
        path: the bundle, signed by a key this device trusts.
        output: the bundle to write.
        keyring: the keys to trust.
        signer: signs the new bundle.
        created: ISO 8601, UTC.
        threads: of ONNX Runtime.
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
    progress("gate", 0.0)
    backend = ort_from_model(parts[CPU_MODEL], threads, spin=False)
    try:
        gate = gate_from_bundle(bundle)
        check_gate(backend, gate, bundle.manifest, len(gate.squares))
    finally:
        backend.close()
    manifest = replace(bundle.manifest, created=created, parts=())
    write_atomic(output, bytes_from_parts(manifest, parts, signer))
    progress("gate", 1.0)
    return artifact_from_file(output, {"bundle": bundle.digest})


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
