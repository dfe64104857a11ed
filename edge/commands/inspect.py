"""`edge inspect`: what a bundle says about itself. Its signature must hold; it need not run on this device."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Optional

import typer

from edge.commands.terminal import AsJson, pairs_table, show_json, show_notices, show_table, user_keyring

if TYPE_CHECKING:
    from edge.keyring import Key
    from edge.manifest import Manifest

SBOM = "sbom.json"  # part of a bundle: what it was built from and with


def inspect(
    bundle: Annotated[Path, typer.Argument(help="The .edge file.")],
    sbom: Annotated[
        Optional[Path], typer.Option("--sbom", help="Write its bill of materials (CycloneDX JSON) to this file.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Show what a bundle holds and what was measured on it."""
    from edge.files import write_atomic
    from edge.loading import load_bundle, notices_from_bundle
    from edge.record import json_from_record

    keyring = user_keyring()
    loaded = load_bundle(bundle, keyring)
    signer = keyring.key_from_fingerprint(loaded.fingerprint)
    show_notices(notices_from_bundle(loaded, signer))
    if sbom is not None:
        write_atomic(sbom, loaded.part(SBOM))
    if as_json:
        signed_by = {"name": signer.name, "fingerprint": signer.fingerprint, "development": signer.development}
        show_json({"digest": loaded.digest, "signer": signed_by, "manifest": json_from_record(loaded.manifest)})
    else:
        show_table(pairs_table(rows_from_manifest(loaded.manifest, signer)))


def rows_from_manifest(manifest: Manifest, signer: Key) -> list[tuple[str, str]]:
    """Name and value of each line that is shown."""
    model, gate, decision, size = manifest.model, manifest.gate, manifest.decision, manifest.preprocess.size_px
    f1 = (
        "F1 not assessed"
        if gate.f1_engine is None
        else f"macro-F1 {gate.f1_engine:.4f} (float {gate.f1_float:.4f}) over the plane images"
    )
    agreement = "agreement not measured" if gate.agreement is None else f"agreement {gate.agreement:.2%}"
    threshold = "no threshold" if decision.threshold is None else f"threshold {decision.threshold:.3f}"
    return [
        ("name", f"{manifest.name}, release {manifest.release}, {manifest.created}"),
        ("signed by", f"{signer.name} ({signer.fingerprint[:16]})"),
        ("model", f"{model.name}, {model.parameters / 1e6:.2f} M parameters, {model.macs / 1e9:.2f} G MACs"),
        ("input", f"{size} x {size} px, {manifest.preprocess.channels} channel(s)"),
        ("engine", f"{manifest.precision}, target {manifest.target}, needs {', '.join(manifest.isa) or 'any CPU'}"),
        ("gate", f"{'SKIPPED; ' if gate.skipped else ''}{f1}, {agreement} on all {gate.n} images"),
        ("decision", f"temperature {decision.temperature:.3f}, {threshold}, {decision.n} images; {decision.method}"),
        ("calibration", f"{manifest.calibration.n} images; {', '.join(manifest.calibration.methods) or 'none'}"),
        ("planes", "\n".join(f"{label.id}: {label.en} / {label.zh}" for label in manifest.planes)),
        ("reject labels", ", ".join(manifest.reject_labels) or "none"),
        ("protocol", f"{manifest.protocol.id}: covers {', '.join(manifest.protocol.covered) or 'nothing'}"),
        ("not covered", ", ".join(manifest.protocol.not_covered) or "none"),
        ("measured on", ", ".join(manifest.machines) or "no scanner is named"),
        ("parts", "\n".join(f"{part.name}: {part.size_bytes} bytes" for part in manifest.parts)),
        ("built with", ", ".join(f"{tool} {version}" for tool, version in sorted(manifest.tools.items()))),
        ("watermark", manifest.watermark or "none"),
        ("notice", f"{manifest.notice.en} {manifest.notice.zh}"),
    ]
