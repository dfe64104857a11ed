"""The study as a page of Markdown: what `tests.study.table` evaluated, in tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import mean
from typing import Any

from calibration.dataset import number_of_people
from tests.study.paired import (
    AUGMENTATION,
    DECAY,
    DECOUPLED,
    NETWORK,
    PRETRAINING,
    RANKED,
    SCAN,
    TEACHERS,
    Answered,
    f1_with_one_brain,
)
from tests.study.rows import trainings

PICTURE = "pictures/study.png"
HEAD = """# The training study

Written by `python -m tests.study.table` from `docs/evidence/study.json`; the trainings are `tests/study/study.toml`,
started by `make study DATA=LABELS.csv SONONET=WEIGHTS`. One row a model and a way of training it. Images: the shipped
test split, {n} images of six planes of {patients} patients, a part of FETAL_PLANES_DB's official test split. **Not
comparable with published figures of the full set.** Nothing was chosen by these images but the comparators and teacher
in the pairs below, and the comparators that are distilled. Intervals: 95 %, bootstrap by patient,
seed 0; of several trainings only the first has one. MACs and time are those of
the last size in a row's schedule, so compare rows of one size; time: INT8, one thread, as a ratio to the shipped
`edge_n` (224 px), timed in the same run. Cervix, other: {rejects} images. "+ teachers" is distilled from
{teachers};
`-masked` painted hidden parts of all training images first, without labels; of `-undecayed` weight decay
spares the scan's time-step biases, as Mamba does; `-weak` changes the images less and mixes none; everything
else but the teachers starts from fresh weights. A teacher's row may be a later run of its command than the one
that taught (decision 29).
{done} of {planned} trainings are done.

![macro-F1 and time of every row]({picture})

"""
PAIRS = (
    "\nOurs against others, paired on the same images; positive: ours is better. Comparators: those of at most\n"
    "30 M parameters, plain and distilled, that have the highest macro-F1 on these very images; the teacher\n"
    "with the highest, too. What ships was trained longer than comparators, and with teachers. Seed 0.\n\n"
    "| ours | other | macro-F1 points | interval | McNemar p |\n|---|---|---|---|---|\n"
)
GAINS = (
    "\nWhat one change gains at one schedule, mean over the seeds that both have; a student on the best comparator,\n"
    "plain or with the same teachers: all seeds of each. The intervals hold the choice of patients, not that of\n"
    "seeds.\n\n"
    "| change | row | against | seeds | macro-F1 points | interval |\n|---|---|---|---|---|---|\n"
)
PUBLISHED = (
    "\n## Published figures of others\n\n"
    "**Not comparable with any row above**: other images (whole sets; this page has a part of one), other classes,\n"
    "and weights that began with ImageNet or ultrasound that is not public. They say what is reached elsewhere.\n\n"
    "| work | images and classes | macro-F1 |\n|---|---|---|\n"
    "| EfficientNet with attention, [arXiv 2410.17396](https://arxiv.org/abs/2410.17396) | FETAL_PLANES_DB, random "
    "80:20; the brain is one class, cervix and other are two more | 0.958 |\n"
    "| foundation models, [arXiv 2605.27796](https://arxiv.org/abs/2605.27796) | a Spanish set, 5 folds by patient | "
    "FetalCLIP, linear probe: 0.926; USFM, fine-tuned: 0.948 |\n\n"
    'The column "brain as one" counts the three brain planes as one class, as the first of them does, without its\n'
    "cervix and other: what these images leave to be told apart is which plane of the brain it is.\n"
)
CHANGES = {
    TEACHERS: "teachers",
    SCAN: "a scan",
    PRETRAINING: "painting hidden cells first",
    DECAY: "no decay of time steps",
    AUGMENTATION: "images changed less",
    DECOUPLED: "DKD instead of KD",
    RANKED: "DIST instead of KD",
    NETWORK: "the network",
}
FOLD_COLUMNS = (
    "|row|tested|schedule|trained on|planes|macro-F1|accepted|right of those|cervix, other refused|\n"
    "|---|---|---|---|---|---|---|---|---|\n"
)
CROSSVAL = {
    "patient": f"\n## 5-fold cross-validation by patient, float models, all folds pooled\n\n{FOLD_COLUMNS}",
    "machine": f"\n## One scanner left out at a time, float models\n\n{FOLD_COLUMNS}",
}
FOLD_PAIRS = (
    "\nThe same answers paired, one seed, one schedule; positive: the row is better than the other. `-kd-`: with the\n"
    "teacher of the fold.\n\n"
    "| row | other | macro-F1 points | interval | McNemar p |\n|---|---|---|---|---|\n"
)
COLUMNS = (
    "row|parameters|MACs (G)|schedule|seeds|macro-F1, INT8|interval|brain as one|float|accepted|cervix, other refused"
    "|time"
)


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
        text += line_of([row for row in rows if row["row"] == name], images)
    text += PAIRS if document["pairs"] else ""
    text += "".join(map(pair_line, document["pairs"]))
    text += GAINS if document["gains"] else ""
    for pair in document["gains"]:
        sides = (", ".join(map(str, pair[side])) for side in ("seeds", "seeds_other"))
        seeds = " / ".join(dict.fromkeys(sides))
        text += f"| {CHANGES[pair['change']]} | `{pair['row']}` | `{pair['other']}` | {seeds} | {points_of(pair)} |\n"
    folds = {by: folds_of(crossvals, by) for by in CROSSVAL}
    if pairs := document.get("fold_pairs"):
        folds["patient"] += FOLD_PAIRS + "".join(map(pair_line, pairs))
    return text + "".join(CROSSVAL[by] + lines for by, lines in folds.items() if lines) + PUBLISHED


def pair_line(pair: Mapping[str, Any]) -> str:
    """A line of a table of pairs."""
    return f"| {pair['ours']} | {pair['other']} | {points_of(pair)} | {p_of(pair)} |\n"


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


def line_of(rows: Sequence[Mapping[str, Any]], images: Answered) -> str:
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
        f"{mean(f1_with_one_brain(row, images) for row in rows):.3f}",
        f"{mean(row['fp32']['macro_f1'] for row in rows):.3f}",
        *(f"{mean(row['int8'][share] for row in rows):.3f}" for share in ("accepted", "refused")),
        f"{first['time']:.2f}",
    ]
    return "| " + " | ".join(cells) + " |\n"
