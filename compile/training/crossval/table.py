"""`crossval.json` -> a table for a person."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.table import Table


def fold_table(document: Mapping[str, Any]) -> Table:
    """A row a fold, then all of them together."""
    from rich.table import Table

    table = Table(title=f"{document['model']}, out-of-fold by {document['by']}: {document['patients']} patients")
    for title in ("fold", "n", "macro-F1", "95 % by patient", "accuracy", "accepted", "right of those", "refused"):
        table.add_column(title, justify="left" if title == "fold" else "right")
    for row in (*document["folds"], {**document, "name": "all"}):
        low, high = row["intervals"]["macro_f1"]
        coverage = row["coverage"]
        shares = [coverage[name] for name in ("accepted", "accuracy_accepted", "refused")]
        told = ["-" if share is None else f"{share:.3f}" for share in shares]
        figures = (f"{row['macro_f1']:.3f}", f"[{low:.3f}, {high:.3f}]", f"{row['accuracy']:.3f}", *told)
        table.add_row(row["name"], str(row["n"]), *figures, style="bold" if row["name"] == "all" else None)
    for name, cohort in document["cohorts"].items():
        mean = cohort["macro_f1_mean"]
        table.add_row(name, str(cohort["images"]), "-" if mean is None else f"{mean:.3f}", "mean of models")
    return table
