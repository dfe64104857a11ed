"""The study's records -> docs/evidence/study.json and docs/study.md: `python -m tests.study.table --work build/study`.

Every bundle answers the shipped test split as a device would, the float file and the INT8 file of each training. INT8
files are timed together with what ships. Rows of study.json that were trained elsewhere stay, with their answers.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import mean
from typing import Any

from calibration.benchmark import timings_from_files
from calibration.dataset import Dataset, number_of_people
from calibration.evaluate import Evaluation, evaluation_from_session
from calibration.samples_set import gate_dataset
from edge.commands.terminal import user_keyring
from edge.errors import EdgeError
from edge.files import write_atomic
from edge.protocol import load_protocol
from edge.session import open_session
from tests.study.paired import PRETRAINING, SCAN, TEACHERS, Answered, answered_from_evaluation, gains, shipped_pairs
from tests.study.picture import png_from_rows
from tests.study.rows import trainings
from tests.study.run import edge

RUNS = 60
UNIT = "edge_n"  # the shipped weights' time counts as 1
PICTURE = "pictures/study.png"
HEAD = """# The training study

Written by `python -m tests.study.table` from `docs/evidence/study.json`; the trainings are `tests/study/study.toml`,
started by `make study DATA=LABELS.csv SONONET=WEIGHTS`. One row a model and a way of training it. Images: the shipped
test split, {n} images of six planes of {patients} patients, a part of FETAL_PLANES_DB's official test split. **Not
comparable with published figures of the full set.** Nothing was chosen by these images but the comparators in the pairs
below. Intervals: 95 %, bootstrap by patient, seed 0; of several trainings only the first has one. MACs and time are
those of the last size in a row's schedule, so compare rows of one size; time: INT8, one thread, as a ratio to the
shipped `edge_n` (224 px), timed in the same run. Cervix, other: {rejects} images. "+ teachers" is distilled from
{teachers};
`-masked` painted hidden parts of all training images first, without labels; everything else but the teachers starts
from fresh weights. {done} of {planned} trainings are done.

![macro-F1 and time of every row]({picture})

"""
PAIRS = (
    "\nOurs against others, paired on the same images; positive: ours is better. Comparators: those of at most\n"
    "30 M parameters, plain and distilled, that have the highest macro-F1 on these very images; the teacher\n"
    "with the highest, too. What ships was trained longer than comparators, and with teachers; rows without `ships`\n"
    "have one schedule on both sides.\n\n"
    "| ours | other | macro-F1 points | interval | McNemar p |\n|---|---|---|---|---|\n"
)
GAINS = (
    "\nWhat one change gains at one schedule, mean over the seeds that both have. The intervals hold the choice of "
    "patients, not that of seeds.\n\n"
    "| change | row | against | seeds | macro-F1 points | interval |\n|---|---|---|---|---|---|\n"
)
CHANGES = {TEACHERS: "teachers", SCAN: "a scan", PRETRAINING: "painting hidden cells first"}
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
    dataset, shipped, evidence = gate_dataset(None), unit(arguments.work), arguments.output / "evidence" / "study.json"
    images = answered_from_evaluation(evaluated(shipped, dataset))
    found = {t.name: t for t in trainings() if (arguments.work / f"{t.name}.json").is_file()}
    made = [name for name, training in found.items() if not training.by]
    times = {t.file: t.p50_ms for t in timed([shipped, *(arguments.work / f"{name}-int8.edge" for name in made)])}
    new = {name: record_of(arguments.work, name) for name in found}
    for name in made:
        both = {p: evaluated(arguments.work / f"{name}-{p}.edge", dataset) for p in ("int8", "fp32")}
        new[name] |= figures_of_both(both, times[f"{name}-int8.edge"] / times[shipped.name])
    records = {**kept_records(evidence, images.digest), **new}
    rows, crossvals = ([records[n] for n in planned(by_folds) if n in records] for by_folds in (False, True))
    named = {row["name"]: row for row in rows}
    compared = {"pairs": shipped_pairs(named, images), "gains": gains(named, images)}
    document = {"schema": 2, "images_sha256": images.digest, "rows": rows, **compared, "crossval": crossvals}
    write_atomic(evidence, (json.dumps(document, indent=1) + "\n").encode())
    patients = number_of_people(images.patients)
    caption = f"{len(images.patients)} test images of {patients} patients; bars: 95 % by patient"
    write_atomic(arguments.output / "study.md", page(document, images).encode())
    write_atomic(arguments.output / PICTURE, png_from_rows(rows, caption))


def planned(by_folds: bool) -> list[str]:
    """Names of the study's trainings on the split, or of its cross-validations, in the order of the page."""
    return [training.name for training in trainings() if bool(training.by) is by_folds]


def unit(work: Path) -> Path:
    """The bundle whose time counts as 1: the shipped weights, compiled where that was not done yet."""
    bundle = work / "unit-int8.edge"
    if not bundle.is_file():
        work.mkdir(parents=True, exist_ok=True)
        edge(["compile", UNIT, "-o", str(bundle), "--no-gate"])
    return bundle


def kept_records(evidence: Path, digest: str) -> dict[str, dict[str, Any]]:
    """Rows that an earlier run evaluated, of trainings that the study still has, on the same images; none at first."""
    if not evidence.is_file():
        return {}
    document = json.loads(evidence.read_text("utf-8"))
    rows = document["rows"] if document.get("images_sha256") == digest else []
    schedules = {training.name: training.epochs for training in trainings()}
    return {row["name"]: row for row in [*rows, *document["crossval"]] if schedules.get(row["name"]) == row["epochs"]}


def record_of(work: Path, name: str) -> dict[str, Any]:
    """What the training's own record says."""
    record = {"name": name, **json.loads((work / f"{name}.json").read_text("utf-8"))}
    return {**record, "crossval": pooled_of(record)} if record["by"] else record


def evaluated(bundle: Path, dataset: Dataset) -> Evaluation:
    """A bundle's answers to a data set."""
    with open_session(bundle, threads=2, keyring=user_keyring()) as session:
        protocol = session.manifest.protocol.id
        refused = load_protocol(protocol).refused if protocol else ()
        return evaluation_from_session(session, dataset, refused, False, lambda *_: None)


def timed(bundles: Sequence[Path]) -> Sequence[Any]:
    """Latencies of all bundles in turns."""
    return timings_from_files(bundles, 1, RUNS, 224, user_keyring(), lambda *_: None)


def figures_of_both(evaluations: Mapping[str, Evaluation], time: float) -> dict[str, Any]:
    """One training's figures, with its answers: intervals can be drawn again without training again.

    Args:
        evaluations: precision -> of its bundle.
        time: latency as a ratio to what ships.
    """
    int8 = evaluations["int8"]
    return {
        "parameters": int8.manifest.model.parameters,
        "macs": int8.manifest.model.macs,
        "time": round(time, 3),
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


def page(document: Mapping[str, Any], images: Answered) -> str:
    """The tables as Markdown.

    Args:
        document: as it is written to study.json.
        images: that every row answered.
    """
    rows, crossvals = document["rows"], document["crossval"]
    several = {teacher for row in rows for teacher in row["teachers"] if len(row["teachers"]) > 1}
    told = ", ".join(f"`{teacher}`" for teacher in sorted(several))
    counts = {"n": len(images.patients), "patients": number_of_people(images.patients)}
    counts |= {"rejects": int((images.truth < 0).sum())}
    counts |= {"done": len(rows) + len(crossvals), "planned": sum(1 for _ in trainings())}
    text = HEAD.format(teachers=told or "teachers", picture=PICTURE, **counts)
    text += f"|{COLUMNS}|\n{'|---' * (COLUMNS.count('|') + 1)}|\n"
    for name in dict.fromkeys(row["row"] for row in rows):
        text += line_of([row for row in rows if row["row"] == name])
    text += PAIRS if document["pairs"] else ""
    for pair in document["pairs"]:
        text += f"| {pair['ours']} | {pair['other']} | {points_of(pair)} | {p_of(pair)} |\n"
    text += GAINS if document["gains"] else ""
    for pair in document["gains"]:
        seeds = ", ".join(map(str, pair["seeds"]))
        text += f"| {CHANGES[pair['change']]} | `{pair['row']}` | `{pair['other']}` | {seeds} | {points_of(pair)} |\n"
    folds = {by: folds_of(crossvals, by) for by in CROSSVAL}
    return text + "".join(CROSSVAL[by] + lines for by, lines in folds.items() if lines)


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


def taught_by(teachers: Sequence[str]) -> str:
    """What follows a distilled row's name: its teacher, or that it has several, which the page's head names."""
    return f" + `{teachers[0]}`" if len(teachers) == 1 else " + teachers" if teachers else ""


def share_of(share: float | None) -> str:
    """A share, or a dash where there was no such image."""
    return "-" if share is None else f"{share:.3f}"


def line_of(rows: Sequence[Mapping[str, Any]]) -> str:
    """A row of the table: the mean over seeds, with all of them where there are several."""
    first = rows[0]
    f1 = [row["int8"]["macro_f1"] for row in rows]
    shown = f"{mean(f1):.3f}" + (f" ({', '.join(f'{value:.3f}' for value in f1)})" if len(f1) > 1 else "")
    low, high = first["int8"]["macro_f1_interval"]
    cells = [
        f"`{first['row']}`" + taught_by(first["teachers"]),
        f"{first['parameters'] / 1e6:.2f} M",
        f"{first['macs'] / 1e9:.2f}",
        first["epochs"],
        ", ".join(str(row["seed"]) for row in rows),
        shown,
        f"[{low:.3f}, {high:.3f}]",
        f"{mean(row['fp32']['macro_f1'] for row in rows):.3f}",
        *(f"{mean(row['int8'][share] for row in rows):.3f}" for share in ("accepted", "refused")),
        f"{first['time']:.2f}",
    ]
    return "| " + " | ".join(cells) + " |\n"


if __name__ == "__main__":
    try:
        main()
    except EdgeError as error:  # e.g. bundles that another machine's key signed
        sys.exit(f"{error.cause}\n{error.cure}")
