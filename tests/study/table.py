"""The study's records -> docs/evidence/study.json and docs/study.md: `python -m tests.study.table --work build/study`.

Every bundle answers the shipped test split as a device would, the float file and the INT8 file of each training. All
INT8 files are timed against each other in one run.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import mean
from typing import Any

from calibration.benchmark import timings_from_files
from calibration.dataset import Dataset, number_of_people
from calibration.evaluate import Evaluation, evaluation_from_session
from calibration.samples_set import gate_dataset
from edge.commands.terminal import user_keyring
from edge.files import write_atomic
from edge.protocol import load_protocol
from edge.session import open_session
from tests.study.paired import SCAN, TEACHERS, gains, shipped_pairs
from tests.study.picture import png_from_rows
from tests.study.rows import trainings

RUNS = 60
UNIT = "edge_n-ships"  # whose time counts as 1
PICTURE = "pictures/study.png"
HEAD = """# The training study

Written by `python -m tests.study.table` from `docs/evidence/study.json`; the trainings are `tests/study/study.toml`,
started by `make study`. One row a model and a way of training it. Images: the shipped test split, {n} images of six
planes of {patients} patients, a part of FETAL_PLANES_DB's official test split. **Not comparable with published figures
of the full set.** Nothing was chosen by these images but the comparators in the pairs below. Intervals: 95 %, bootstrap
by patient, seed 0; of several trainings only the first has one. Time: INT8, one thread, all files in one run on one
machine, as a ratio to `edge_n-ships`. "+ teachers" is distilled from {teachers};
everything else but the teachers starts from fresh weights. {done} of {planned} trainings are done.

![macro-F1 and time of every row]({picture})

"""
PAIRS = (
    "\nWhat ships against others, paired on the same images; positive: ours is better. Comparators: those of at most\n"
    "30 M parameters, plain and distilled, that have the highest macro-F1 on these very images.\n\n"
    "| ours | other | macro-F1 points | interval | McNemar p |\n|---|---|---|---|---|\n"
)
GAINS = (
    "\nWhat one change gains at one schedule, mean over the seeds that both have. The intervals hold the choice of "
    "patients, not that of seeds.\n\n"
    "| change | row | against | seeds | macro-F1 points | interval |\n|---|---|---|---|---|---|\n"
)
CHANGES = {TEACHERS: "teachers", SCAN: "a scan"}
FOLD_COLUMNS = (
    "|row|tested|schedule|trained on|planes|macro-F1|accepted|right of those|cervix, other refused|\n"
    "|---|---|---|---|---|---|---|---|---|\n"
)
CROSSVAL = {
    "patient": f"\n## 5-fold cross-validation by patient, float models, all folds pooled\n\n{FOLD_COLUMNS}",
    "machine": f"\n## One scanner left out at a time, float models\n\n{FOLD_COLUMNS}",
}
LEFT_OUT = ("by_machine", "by_operator", "by_dataset", "recipe")
COLUMNS = "row|parameters|MACs (G)|schedule|seeds|macro-F1, INT8|interval|float|accepted|cervix, other refused|time"


def main() -> None:
    """Evaluate what is there."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, default=Path("build/study"))
    parser.add_argument("--output", type=Path, default=Path("docs"))
    arguments = parser.parse_args()
    found = [t for t in trainings() if (arguments.work / f"{t.name}.json").is_file()]
    records = {t.name: json.loads((arguments.work / f"{t.name}.json").read_text("utf-8")) for t in found}
    made, folded = ([t.name for t in found if bool(t.by) is by_folds] for by_folds in (False, True))
    images = gate_dataset(None)
    evaluations = {
        name: {p: evaluated(arguments.work / f"{name}-{p}.edge", images) for p in ("int8", "fp32")} for name in made
    }
    times = {timing.file: timing.p50_ms for timing in timed([arguments.work / f"{name}-int8.edge" for name in made])}
    rows = [row_of(name, records[name], evaluations[name], times[f"{name}-int8.edge"]) for name in made]
    int8 = {name: both["int8"] for name, both in evaluations.items()}
    crossvals = [{"name": name, **records[name], "crossval": pooled_of(records[name])} for name in folded]
    document = {"schema": 1, "rows": rows, "pairs": shipped_pairs(int8), "gains": gains(int8), "crossval": crossvals}
    write_atomic(arguments.output / "evidence" / "study.json", (json.dumps(document, indent=1) + "\n").encode())
    if rows:
        unit_ms = next((row["p50_ms"] for row in rows if row["row"] == UNIT), rows[0]["p50_ms"])
        any_of = next(iter(int8.values()))
        caption = f"{any_of.scores.n} test images of {patients_of(any_of)} patients; bars: 95 % by patient"
        text = page(document, unit_ms, any_of)
        write_atomic(arguments.output / "study.md", text.encode())
        write_atomic(arguments.output / PICTURE, png_from_rows(rows, unit_ms, caption))


def evaluated(bundle: Path, dataset: Dataset) -> Evaluation:
    """A bundle's answers to a data set."""
    with open_session(bundle, threads=2, keyring=user_keyring()) as session:
        protocol = session.manifest.protocol.id
        refused = load_protocol(protocol).refused if protocol else ()
        return evaluation_from_session(session, dataset, refused, False, lambda *_: None)


def timed(bundles: Sequence[Path]) -> Sequence[Any]:
    """Latencies of all bundles in turns."""
    return timings_from_files(bundles, 1, RUNS, 224, user_keyring(), lambda *_: None) if bundles else ()


def row_of(
    name: str, record: Mapping[str, Any], evaluations: Mapping[str, Evaluation], p50_ms: float
) -> dict[str, Any]:
    """One training's figures, with its answers: intervals can be drawn again without training again."""
    manifest, int8 = evaluations["int8"].manifest, evaluations["int8"]
    return {
        "name": name,
        **record,
        "parameters": manifest.model.parameters,
        "macs": manifest.model.macs,
        "p50_ms": round(p50_ms, 3),
        "int8": figures_of(int8),
        "fp32": figures_of(evaluations["fp32"]),
        "answers": [int(answer) for answer in int8.answers],
    }


def pooled_of(record: Mapping[str, Any]) -> dict[str, Any]:
    """What `edge crossval` wrote, without its tables by group and the recipe, which the command tells."""
    return {name: value for name, value in record["crossval"].items() if name not in LEFT_OUT}


def figures_of(evaluation: Evaluation) -> dict[str, Any]:
    """What the table shows of one bundle."""
    scores, coverage = evaluation.scores, evaluation.coverage
    return {
        "macro_f1": round(scores.macro_f1, 4),
        "macro_f1_interval": [round(end, 4) for end in evaluation.intervals["macro_f1"]],
        "accuracy": round(scores.accuracy, 4),
        "f1": {row.label: round(row.f1, 4) for row in scores.per_class if row.n},
        "accepted": coverage.accepted,
        "accuracy_accepted": coverage.accuracy_accepted,
        "refused": coverage.refused,
        "refused_n": coverage.refused_n,
    }


def page(document: Mapping[str, Any], unit_ms: float, evaluation: Evaluation) -> str:
    """The tables as Markdown.

    Args:
        document: as it is written to study.json.
        unit_ms: latency that counts as 1.
        evaluation: any of them, for the images.
    """
    rows, crossvals = document["rows"], document["crossval"]
    told = ", ".join(f"`{teacher}`" for teacher in sorted({teacher for row in rows for teacher in row["teachers"]}))
    counts = {"n": evaluation.scores.n, "patients": patients_of(evaluation)}
    counts |= {"done": len(rows) + len(crossvals), "planned": sum(1 for _ in trainings())}
    text = HEAD.format(teachers=told or "teachers", picture=PICTURE, **counts)
    text += f"|{COLUMNS}|\n{'|---' * (COLUMNS.count('|') + 1)}|\n"
    for name in dict.fromkeys(row["row"] for row in rows):
        text += line_of([row for row in rows if row["row"] == name], unit_ms)
    text += PAIRS if document["pairs"] else ""
    for pair in document["pairs"]:
        text += f"| {pair['ours']} | {pair['other']} | {points_of(pair)} | {p_of(pair)} |\n"
    text += GAINS if document["gains"] else ""
    for pair in document["gains"]:
        seeds = ", ".join(map(str, pair["seeds"]))
        text += f"| {CHANGES[pair['change']]} | `{pair['row']}` | `{pair['other']}` | {seeds} | {points_of(pair)} |\n"
    folds = {by: folds_of(crossvals, by) for by in CROSSVAL}
    return text + "".join(CROSSVAL[by] + lines for by, lines in folds.items() if lines)


def patients_of(evaluation: Evaluation) -> int:
    """How many patients the plane images show."""
    return number_of_people(evaluation.plane_patients)


def points_of(pair: Mapping[str, Any]) -> str:
    """Two cells: a difference in points and its interval."""
    low, high = pair["interval"]
    return f"{pair['points']:+.1f} | [{low:+.1f}, {high:+.1f}]"


def p_of(pair: Mapping[str, Any]) -> str:
    """A cell: McNemar's p."""
    return f"{pair['mcnemar_p']:.3f}" if pair["mcnemar_p"] >= 0.001 else "< 0.001"


def folds_of(crossvals: Sequence[Mapping[str, Any]], by: str) -> str:
    """Lines of the cross-validations by patient: all folds pooled; by machine: a line a machine."""
    text = ""
    for record in (record for record in crossvals if record["by"] == by):
        pooled = record["crossval"]
        for part in [{**pooled, "name": "all"}] if by == "patient" else pooled["folds"]:
            low, high = part["intervals"]["macro_f1"]
            coverage = part["coverage"]
            shares = " | ".join(share_of(coverage[name]) for name in ("accepted", "accuracy_accepted", "refused"))
            trained = [fold["parts"]["train"] for fold in pooled["folds"] if part["name"] in ("all", fold["name"])]
            text += (
                f"| `{record['row']}` | {part['name']} | {record['epochs']} | {round(mean(trained))} | {part['n']} | "
            )
            text += f"{part['macro_f1']:.3f} [{low:.3f}, {high:.3f}] | {shares} of {coverage['refused_n']} |\n"
    return text


def share_of(share: float | None) -> str:
    """A share, or a dash where there was no such image."""
    return "-" if share is None else f"{share:.3f}"


def line_of(rows: Sequence[Mapping[str, Any]], unit_ms: float) -> str:
    """A row of the table: the mean over seeds, with all of them where there are several."""
    first = rows[0]
    f1 = [row["int8"]["macro_f1"] for row in rows]
    shown = f"{mean(f1):.3f}" + (f" ({', '.join(f'{value:.3f}' for value in f1)})" if len(f1) > 1 else "")
    low, high = first["int8"]["macro_f1_interval"]
    cells = [
        f"`{first['row']}`" + (" + teachers" if first["teachers"] else ""),
        f"{first['parameters'] / 1e6:.2f} M",
        f"{first['macs'] / 1e9:.2f}",
        first["epochs"],
        ", ".join(str(row["seed"]) for row in rows),
        shown,
        f"[{low:.3f}, {high:.3f}]",
        f"{mean(row['fp32']['macro_f1'] for row in rows):.3f}",
        *(f"{mean(row['int8'][share] for row in rows):.3f}" for share in ("accepted", "refused")),
        f"{first['p50_ms'] / unit_ms:.2f}",
    ]
    return "| " + " | ".join(cells) + " |\n"


if __name__ == "__main__":
    main()
