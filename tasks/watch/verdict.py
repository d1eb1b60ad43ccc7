"""The verdict on one window: which tests count, what moved, and what it may cost."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tasks.watch import alarm, column_tests, counts, energy, tables
from tasks.watch.column_tests import Finding
from tasks.watch.counts import Counts
from tasks.watch.permutation import draws_for
from tasks.watch.tables import Dataset

EMBEDDING = "embedding"
IDENTITIES = ("record_id", "prediction_id", "text")
"""Columns that name or hold a record: they differ by nature."""
LARGEST_MOVES = 3


@dataclass(frozen=True)
class Rule:
    """What counts as an alarm: the window's level, and the least effect (a share of the rows)."""

    level: float
    smallest_effect: float
    seed: int


@dataclass(frozen=True)
class Judged:
    """A finding with its p-value corrected over all tests of the window, and whether it is an alarm."""

    name: str
    p: float
    adjusted: float
    effect: float
    alarm: bool


@dataclass(frozen=True)
class Move:
    """A name, or an upper end of numbers, whose share of the rows changed."""

    column: str
    bin: str
    reference: float
    window: float


@dataclass(frozen=True)
class Verdict:
    """All findings, those that alarm first."""

    rule: Rule
    judged: tuple[Judged, ...]
    moves: tuple[Move, ...]

    @property
    def alarm(self) -> bool:
        """Whether any finding is an alarm."""
        return any(each.alarm for each in self.judged)


def verdict(reference: Dataset, window: Dataset, rule: Rule) -> Verdict:
    """Compare two tables: their common columns, and their `embedding` (lists of numbers) when both have one."""
    rng = np.random.default_rng(rule.seed)
    found = counts.compared(reference, window, common_columns(reference, window), rng)
    embedded = all(EMBEDDING in table.schema.names for table in (reference, window))
    vectors = (embeddings(reference, rng), embeddings(window, rng)) if embedded else None
    return decided(found, vectors, rule, rng)


def decided(
    found: Sequence[Counts], vectors: tuple[energy.Vectors, energy.Vectors] | None, rule: Rule, rng: np.random.Generator
) -> Verdict:
    """The verdict on counted columns and, where there are some, the embeddings of reference and window."""
    shares = alarm.weights([each.bins.column for each in found], EMBEDDING if vectors else None)
    draws = {name: draws_for(rule.level * weight / sum(shares.values())) for name, weight in shares.items()}
    findings = [column_tests.tested(each, draws[each.bins.column], rng) for each in found]
    if vectors:
        findings.append(energy.tested(*vectors, draws[EMBEDDING], rng))
    judged = judge(findings, shares, rule)
    alarms = {each.name for each in judged if each.alarm}
    moves = [move for each in found if each.bins.column in alarms for move in largest_moves(each)]
    return Verdict(rule, judged, tuple(moves))


def common_columns(reference: Dataset, window: Dataset) -> list[str]:
    """The columns of numbers, names and flags that both tables have."""
    from pyarrow import types

    def plain(kind: object) -> bool:
        names = (types.is_string, types.is_large_string, types.is_boolean, types.is_dictionary)
        return counts.is_number(kind) or any(is_kind(kind) for is_kind in names)

    both = [name for name in reference.schema.names if name in window.schema.names and name not in IDENTITIES]
    return [name for name in both if all(plain(table.schema.field(name).type) for table in (reference, window))]


def embeddings(table: Dataset, rng: np.random.Generator) -> energy.Vectors:
    """The embeddings of at most energy.MOST_ROWS rows (those of them that have one), rows x width."""
    positions = tables.drawn(table.count_rows(), energy.MOST_ROWS, rng)
    column = tables.rows_at(table, [EMBEDDING], positions).column(EMBEDDING).drop_null()
    return np.stack(column.to_numpy()).astype(np.float32) if len(column) else np.zeros((0, 1), np.float32)


def judge(findings: Sequence[Finding], weights: dict[str, float], rule: Rule) -> tuple[Judged, ...]:
    """The findings with corrected p-values; an alarm is below the level and not too small to matter."""
    corrected = alarm.adjusted({each.name: each.p for each in findings}, weights)
    judged = [
        Judged(
            each.name,
            each.p,
            corrected[each.name],
            each.effect,
            alarm=corrected[each.name] <= rule.level and each.effect >= rule.smallest_effect,
        )
        for each in findings
    ]
    return tuple(sorted(judged, key=lambda each: (not each.alarm, each.adjusted, -each.effect)))


def largest_moves(found: Counts) -> list[Move]:
    """The names whose shares changed most; for numbers, the value on whose two sides the shares changed most."""
    bins = found.bins
    before, now = (part / part.sum() for part in (found.reference, found.window))
    if bins.ordered:
        before, now = np.cumsum(before)[:-1], np.cumsum(now)[:-1]
    order = np.argsort(-np.abs(now - before), kind="stable")[: 1 if bins.ordered else LARGEST_MOVES]
    return [Move(bins.column, bins.names[i], float(before[i]), float(now[i])) for i in order if now[i] != before[i]]
