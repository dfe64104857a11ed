"""A TOML file or a number of them on the command line -> a changed recipe, every name and kind of value checked."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from math import inf
from pathlib import Path
from typing import Any

from compile.training.augment import Augmentation
from compile.training.images import SOURCE_PX
from compile.training.recipe import KINDS, NOT_STANDARD, OPTIMIZERS, Distillation, Phase, Recipe
from edge.errors import UsageError
from edge.prediction import NOT_COVERED

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

MIN_PX = 8  # a side on which every augmentation is a pixel at least
MAX_BALANCE = 4.0  # beyond that the weights of frequent classes underflow
# Fields that the command line alone decides: of the recipe, and of its distillation.
ELSEWHERE = ("model", "phases", "seed", "initial")
TAUGHT_ELSEWHERE = ("teachers", "kind", "weight", "label_weight", "feature_weight", "temperature", "views")


def recipe_from_toml(path: Path, recipe: Recipe) -> Recipe:
    """Change a recipe by a file.

    Args:
        path: TOML; its keys are fields of Recipe, with a table [augmentation] and, for teachers, [distillation].
        recipe: what the file does not name stays as it is here.

    Raises:
        UsageError: not readable, an unknown key, or a value of the wrong kind or range.
    """
    try:
        table = tomllib.loads(path.read_text("utf-8-sig"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise UsageError(f"The recipe {path} cannot be read: {error}.", "Give a TOML file in UTF-8.") from error
    inner = {name: _table(path, table, name) for name in ("augmentation", "distillation")}
    changed = replace(recipe, **_checked(path, table, recipe, (*ELSEWHERE, *inner)))
    augmentation = replace(recipe.augmentation, **_checked(path, inner["augmentation"], recipe.augmentation, ()))
    distillation = recipe.distillation
    if distillation is not None:
        distillation = replace(distillation, **_checked(path, inner["distillation"], distillation, TAUGHT_ELSEWHERE))
    elif inner["distillation"]:
        raise UsageError(f"The recipe {path} has a table distillation, and there is no teacher.", "Give --teacher.")
    return checked_recipe(replace(changed, augmentation=augmentation, distillation=distillation))


def _table(path: Path, table: dict[str, Any], name: str) -> Mapping[str, Any]:
    """Take an inner table out; empty where there is none."""
    found = table.pop(name, {})
    if not isinstance(found, Mapping):
        raise UsageError(f"The recipe {path} gives no table for {name}.", f"Write [{name}] above its keys.")
    return found


def phases_from_text(text: str) -> tuple[Phase, ...]:
    """Read a schedule, EPOCHS@PIXELS[,EPOCHS@PIXELS...].

    Raises:
        UsageError: it is none.
    """
    parts = [re.fullmatch(r"([1-9]\d{0,5})@([1-9]\d{0,5})", part.strip()) for part in text.split(",")]
    if not all(parts):
        raise UsageError(f"{text!r} is no schedule.", "Give EPOCHS@PIXELS[,EPOCHS@PIXELS...], e.g. 90@160,25@224.")
    return tuple(Phase(int(part[1]), int(part[2])) for part in parts if part)


def checked_recipe(recipe: Recipe) -> Recipe:
    """The recipe itself, if its numbers can mean something.

    Raises:
        UsageError: a number out of its range, or an unknown kind.
    """
    shares = ("label_smoothing", "drop_path", "ema", "negatives", "momentum")
    wrong: list[tuple[Any, str]] = [(recipe, name) for name in shares if not 0 <= getattr(recipe, name) < 1]
    wrong += [(recipe, name) for name in ("lr", "clip") if not 0 < getattr(recipe, name) < inf]
    from_0 = ("mixup", "weight_decay", "warmup_epochs", "balance")
    wrong += [(recipe, name) for name in from_0 if not 0 <= getattr(recipe, name) < inf]
    wrong += [(recipe, "balance")] if recipe.balance > MAX_BALANCE else []
    wrong += [(recipe, "optimizer")] if recipe.optimizer not in OPTIMIZERS else []
    wrong += [(recipe, "labels")] if not _are_planes(recipe.labels) else []
    wrong += [(recipe, "phases")] if any(not MIN_PX <= phase.size_px <= SOURCE_PX for phase in recipe.phases) else []
    wrong += _wrong_ranges(recipe.augmentation)
    kd = recipe.distillation
    if kd is not None:
        counted = ("weight", "label_weight", "feature_weight", "views", "dkd_alpha", "dkd_beta")
        wrong += [(kd, name) for name in counted if not 0 <= getattr(kd, name) < inf]
        wrong += [(kd, "unlabelled")] if not 0 <= kd.unlabelled < 1 else []
        wrong += [(kd, "kind")] if kd.kind not in KINDS else []
        wrong += [(kd, "temperature")] if not 0 < kd.temperature < inf else []
    wrong += [(recipe, "batch")] if recipe.batch < 1 or recipe.shares(1)[0] < 1 else []
    for owner, name in wrong:
        raise UsageError(
            f"The recipe's {name} is {getattr(owner, name)!r}, which is out of range.",
            f"Shares lie in 0..1, weights at 0 or above, factors at 1 or above, balance up to {MAX_BALANCE:g}, "
            f"sizes from {MIN_PX} up to {SOURCE_PX} px; each plane stands once; "
            f"known are {', '.join((*OPTIMIZERS, *KINDS))}.",
        )
    return recipe


def _are_planes(labels: Sequence[str]) -> bool:
    return 0 < len(labels) == len(set(labels)) and not {NOT_STANDARD, NOT_COVERED} & set(labels)


def _wrong_ranges(augmentation: Augmentation) -> list[tuple[Any, str]]:
    wrong = [name for name in ("aspect", "gamma", "tgc") if not 1 <= getattr(augmentation, name) < inf]
    wrong += [name for name in ("text", "erase") if not 0 <= getattr(augmentation, name) <= 1]
    wrong += [name for name in ("rotation_deg", "speckle") if not 0 <= getattr(augmentation, name) < inf]
    area = augmentation.area
    wrong += ["area"] if len(area) != 2 or not 0 < area[0] <= area[1] < inf else []
    return [(augmentation, name) for name in wrong]


def _checked(
    path: Path, table: Mapping[str, Any], present: Recipe | Augmentation | Distillation, elsewhere: tuple[str, ...]
) -> dict[str, Any]:
    """Values of a table in the kinds that the fields have."""
    known = [field.name for field in fields(present) if field.name not in elsewhere]
    values: dict[str, Any] = {}
    for name, value in table.items():
        if name not in known:
            raise UsageError(f"The recipe {path} names {name!r}, which no file sets.", f"Known: {', '.join(known)}.")
        now = getattr(present, name)
        made = _made(value, now)
        same_items = not isinstance(now, tuple) or all(isinstance(item, type(now[0])) for item in made)
        if type(made) is not type(now) or not same_items:
            raise UsageError(f"The recipe {path} gives {value!r} for {name}.", f"Give a value like {now!r}.")
        values[name] = made
    return values


def _made(value: Any, now: Any) -> Any:
    """A value of TOML in the kind that stands there now: a list is a tuple, a whole number a float."""
    if isinstance(value, list):
        return tuple(_made(item, now[0]) if isinstance(now, tuple) else item for item in value)
    return float(value) if _is_whole(value, now) else value


def _is_whole(value: object, now: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and isinstance(now, float)


def labels_from_file(path: Path) -> tuple[str, ...]:
    """Read names of planes, one a line.

    Raises:
        UsageError: not readable, empty, or a name twice.
    """
    try:
        names = tuple(line.strip() for line in path.read_text("utf-8-sig").splitlines() if line.strip())
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} cannot be read: {error}.", "Give a UTF-8 file, one plane a line.") from error
    if not _are_planes(names):
        raise UsageError(
            f"{path} is empty, names a plane twice, or names {NOT_STANDARD} or {NOT_COVERED}.",
            "Give each plane once, one a line.",
        )
    return names
