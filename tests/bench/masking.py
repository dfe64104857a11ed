"""Whether attention maps mean something: a fifth of the picture hidden, the map's top against a random one."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from calibration.masking import ARMS, BLUR, DRAWS, SHARE, Drops, drops_from_session
from calibration.samples_set import gate_dataset
from edge.keyring import Keyring, home_from_environment
from edge.session import open_session

BUNDLE, LARGER = Path("build/fetal-planes.edge"), Path("build/edge_s.edge")
SMALL_STEP = 12  # every so many images for the small scale: 32 of the 375
SEED = 0


def measured(small: bool) -> dict[str, Any]:
    """Fall of the right plane's logit and probability by what was hidden, with paired differences to random."""
    return measured_on(BUNDLE, small)


def measured_larger(small: bool) -> dict[str, Any]:
    """The same of `edge_s`."""
    return measured_on(LARGER, small)


def measured_on(bundle: Path, small: bool) -> dict[str, Any]:
    """The same for another bundle than the one `make evidence` makes."""
    dataset = gate_dataset(None)
    if small:
        dataset = replace(dataset, samples=dataset.samples[::SMALL_STEP])
    with open_session(bundle, threads=2, keyring=Keyring(home_from_environment(os.environ))) as session:
        drops = drops_from_session(session, dataset, lambda *_: None, SEED)
        return {
            "bundle": f"{session.manifest.name} {session.manifest.precision}",
            "bundle_sha256": session.digest,
            "dataset_sha256": dataset.digest,
            "images": f"{len(drops.samples)} of {len(dataset.samples)}: those of a plane, rightly named",
            "hidden": f"{SHARE:.0%} of the picture, whole cells of the map, blurred with a sigma of {BLUR} cells",
            "random_draws": DRAWS,
            "seed": SEED,
            **figures_from_drops(drops),
        }


def figures_from_drops(drops: Drops) -> dict[str, Any]:
    """Means with 95 % intervals by patient; every other arm against random, image by image, and by plane."""
    document: dict[str, Any] = {"area_hidden": dict(zip(ARMS, drops.area.mean(0).round(4).tolist(), strict=True))}
    for name, values in (("logit", drops.logit), ("probability", drops.probability)):
        rows = dict(zip(ARMS, values.T, strict=True))
        random = rows["random"]
        document[f"{name}_drop"] = {arm: figure(drops, row) for arm, row in rows.items()}
        pairs = {f"{arm} minus random": row - random for arm, row in rows.items() if arm != "random"}
        pairs[f"top minus {ARMS[3]}"] = rows["top"] - rows[ARMS[3]]
        document[f"{name}_paired"] = {pair: figure(drops, difference) for pair, difference in pairs.items()}
    document["share_of_images_top_above_random"] = round(float((drops.logit[:, 0] > drops.logit[:, 1]).mean()), 4)
    labels = np.array([sample.label for sample in drops.samples])
    gains = drops.logit[:, 0] - drops.logit[:, 1]
    document["top_minus_random_logit_by_plane"] = {
        str(label): {"n": int((labels == label).sum()), "mean": round(float(gains[labels == label].mean()), 4)}
        for label in np.unique(labels)
    }
    return document


def figure(drops: Drops, values: Any) -> dict[str, Any]:
    """Mean and interval of one value an image."""
    low, high = drops.interval(values)
    return {"mean": round(float(values.mean()), 4), "interval": [round(low, 4), round(high, 4)]}
