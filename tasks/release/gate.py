"""All checks of the gate on the present outputs: against the champion, or, for a first version, against nothing much."""

import importlib
from collections.abc import Sequence
from dataclasses import asdict, replace
from types import ModuleType
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tasks import inference, registered, storage, tides, tracking
from tasks.check import Check
from tasks.latency import CONTENTS, timings
from tasks.ledger import Entry
from tasks.paths import Paths
from tasks.recipe import Gate, Recipe
from tasks.records import CONTENT_COLUMN
from tasks.release import budgets
from tasks.release.alpha_spending import Look, next_look
from tasks.release.better import better
from tasks.release.contest import Contest
from tasks.release.not_worse import as_good, calibration, no_slice_worse
from tasks.release.rival import Rival, fetched
from tasks.release.rows import fair_rows, judged_rows
from tasks.release.sealed_rows import SealedRows, sealed_rows
from tasks.release.verdict import Verdict
from tasks.slices import slices


def quality(
    contest: Contest, gate: Gate, look: Look, rival: str, where: NDArray[np.bool_] | None = None
) -> list[Check]:
    """The checks that answers alone decide: better, no slice worse, calibration not worse.

    `where`: the rows on which it was claimed beforehand to be better; default all.
    """
    sought = contest if where is None else contest.of(where)
    return [better(sought, gate, look, rival), *no_part_worse(contest, gate)]


def no_part_worse(contest: Contest, gate: Gate) -> list[Check]:
    """The checks that look for a loss: in a slice, in calibration."""
    return [*no_slice_worse(contest, gate), *calibration(contest, gate)]


def succession(contest: Contest, gate: Gate) -> list[Check]:
    """The checks against a champion that learned from a forgotten record: being as good is enough to take its place."""
    return [*as_good(contest, gate), *no_part_worse(contest, gate)]


def judged(recipe: Recipe, paths: Paths, champion: tracking.Version | None, history: Sequence[Entry]) -> Verdict:
    """The verdict on the present outputs; `history`: the recipe's ledger. The champion answers with its own model."""
    kind = _kind(recipe)
    rows = judged_rows(paths, kind.ANSWER_COLUMNS)
    claim = tides.claim(history, champion.number) if champion and not champion.tainted else None
    sought = rows["domain"] == claim["slice"] if claim else pd.Series(True, index=rows.index)
    sealed = sealed_rows(zip(rows.loc[sought, "record_id"], rows.loc[sought, "label"], strict=True))
    if champion is None:
        return _first(recipe, paths, rows, sealed)
    look = next_look(history, sealed, recipe.gate)
    with storage.scratch() as folder:
        rival = fetched(champion, recipe.name, folder, recipe.threads)
        fair = fair_rows(rows, rival.seen, rival.tested)
        cuts = {way: names.to_numpy() for way, names in slices(rows[fair]).items()}
        contest = replace(kind.contest(rows[fair], rival.model, recipe), slices=cuts)
        name = f"champion {champion.number}"
        if champion.tainted:
            checks = succession(contest, recipe.gate)
        else:
            where = sought[fair].to_numpy() if claim else None
            named = f"{name}, all of {claim['slice']}" if claim else name
            checks = quality(contest, recipe.gate, look, named, where)
        checks += _budgets(recipe, paths, rival)
    left_out = int((~fair & sought).sum())
    basis: dict[str, Any] = {
        "champion": champion.number,
        "look": look.number,
        "alpha": look.alpha,
        "left_out": left_out,
    }
    basis |= {"claim": dict(claim)} if claim else {}
    return Verdict(tuple(checks), {**basis, "test_rows": asdict(sealed)})


def _first(recipe: Recipe, paths: Paths, rows: pd.DataFrame, sealed: SealedRows) -> Verdict:
    """A first version has to be better than the simplest rule of its kind, and within the budgets."""
    kind = _kind(recipe)
    train = storage.read_table(paths.stage("split") / "train.parquet", list(kind.TRUTH_COLUMNS))
    contest = kind.against_simplest(rows, train, recipe)
    look = Look(1, recipe.gate.alpha)
    checks = [better(contest, recipe.gate, look, kind.SIMPLEST), *_budgets(recipe, paths, None)]
    basis: dict[str, Any] = {"champion": None, "look": look.number, "alpha": look.alpha, "left_out": 0}
    return Verdict(tuple(checks), {**basis, "test_rows": asdict(sealed)})


def _kind(recipe: Recipe) -> ModuleType:
    """What the recipe's kind brings to the gate."""
    return importlib.import_module(f"tasks.release.{recipe.kind}")


def _budgets(recipe: Recipe, paths: Paths, rival: Rival | None) -> list[Check]:
    """Size and latency of the served file; both models are timed in the same rounds."""
    folder = paths.stage("compress")
    served = registered.served_file(folder)
    models = {budgets.CHALLENGER: inference.load(folder, served, recipe.threads)}
    if rival is not None:
        models[budgets.CHAMPION] = rival.model
    column = CONTENT_COLUMN[recipe.kind]
    contents = storage.read_table(paths.stage("split") / "validation.parquet", [column])[column].head(CONTENTS).tolist()
    size = budgets.size((folder / served).stat().st_size, rival.size if rival else None, recipe.gate)
    return [size, budgets.latency(timings(models, contents), recipe.gate)]
