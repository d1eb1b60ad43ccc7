"""The tests of drift keep their level, see what is there, and do not care how large the tables are."""

import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import anderson_ksamp, binomtest

from tasks.errors import TidemillError
from tasks.watch import alarm, column_tests, counts, energy, tables
from tasks.watch.permutation import ENOUGH, draws_for, p_value
from tasks.watch.verdict import Rule, common_columns, verdict

RULE = Rule(level=0.05, smallest_effect=0.0, seed=17)


def rows(size: int, rng: np.random.Generator, shift: float = 0.0, rare: float = 0.02) -> pd.DataFrame:
    """Numbers with and without ties, names with rare ones, and missing values."""
    names = rng.choice(["a", "b", "c", "d"], size, p=[0.5, 0.3, 0.2 - rare, rare])
    table = pd.DataFrame({"length": rng.normal(shift, 1, size), "words": rng.integers(1, 9, size), "class": names})
    return table.assign(gap=np.where(rng.random(size) < 0.1, np.nan, rng.random(size)))


def compared(reference: pd.DataFrame, window: pd.DataFrame, seed: int = 1) -> list[counts.Counts]:
    columns = list(reference.columns)
    rng = np.random.default_rng(seed)
    return counts.compared(tables.of_table(reference), tables.of_table(window), columns, rng)


def p_values(reference: pd.DataFrame, window: pd.DataFrame, seed: int = 1) -> dict[str, float]:
    rng = np.random.default_rng(seed)
    return {c.bins.column: column_tests.tested(c, 999, rng).p for c in compared(reference, window, seed)}


def test_a_column_without_a_shift_alarms_as_often_as_stated() -> None:
    rng = np.random.default_rng(5)
    found = pd.DataFrame([p_values(rows(150, rng), rows(60, rng), seed) for seed in range(200)])
    for column in found:
        alarms = int((found[column] <= 0.05).sum())
        assert binomtest(alarms, 200, 0.05, alternative="greater").pvalue > 0.001, column
        assert alarms, column


def test_any_alarm_of_a_window_is_as_rare_as_stated() -> None:
    rng = np.random.default_rng(6)
    said = []
    for seed in range(60):
        both = [rows(120, rng).assign(embedding=list(rng.normal(size=(120, 8)).astype("f4"))) for _ in range(2)]
        rule = Rule(0.05, 0.0, seed)
        said.append(verdict(tables.of_table(both[0]), tables.of_table(both[1]), rule).alarm)
    assert binomtest(sum(said), len(said), 0.05, alternative="greater").pvalue > 0.001


@pytest.mark.parametrize("column", ["length", "class"])
def test_a_shift_of_one_column_is_found_there(column: str) -> None:
    rng = np.random.default_rng(7)
    window = rows(400, rng, shift=0.6 * (column == "length"), rare=0.12 if column == "class" else 0.02)
    said = verdict(tables.of_table(rows(1000, rng)), tables.of_table(window), RULE)
    assert [each.name for each in said.judged if each.alarm] == [column]
    assert {move.column for move in said.moves} == {column}
    if column == "class":
        assert said.moves[0].bin in ("c", "d")


def test_more_missing_values_are_a_shift() -> None:
    rng = np.random.default_rng(8)
    reference, window = rows(800, rng), rows(800, rng)
    window.loc[:200, "gap"] = np.nan
    assert p_values(reference, window)["gap"] <= 0.001


def test_the_rank_statistic_is_anderson_and_darlings() -> None:
    rng = np.random.default_rng(9)
    base = pd.DataFrame({"x": rng.integers(0, 30, 300)})
    windows = [pd.DataFrame({"x": rng.integers(shift, 30 + shift, 200)}) for shift in (0, 2, 4, 6)]
    ours = []
    for window in windows:
        found = compared(base, window)[0]
        both = found.reference + found.window
        ours.append(float(column_tests.anderson_darling(found.window[None, both > 0], both[both > 0])[0]))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # its p-values are of no interest here
        theirs = [anderson_ksamp([base["x"], window["x"]], variant="right").statistic for window in windows]
    assert np.corrcoef(ours, theirs)[0, 1] > 0.999
    assert np.argsort(ours).tolist() == np.argsort(theirs).tolist()


def test_the_effect_is_a_share_of_the_rows() -> None:
    reference = pd.DataFrame({"x": ["a"] * 60 + ["b"] * 40, "n": [1.0] * 100})
    window = pd.DataFrame({"x": ["a"] * 30 + ["b"] * 20, "n": [1.0] * 25 + [5.0] * 25})
    rng = np.random.default_rng(1)
    found = {c.bins.column: column_tests.tested(c, 999, rng) for c in compared(reference, window)}
    assert found["x"].effect == pytest.approx(0.0)
    assert found["n"].effect == pytest.approx(0.5)


def test_a_million_rows_do_not_alarm_on_nothing() -> None:
    rng = np.random.default_rng(10)
    reference, window = (pd.DataFrame({"x": rng.normal(shift, 1, 500_000)}) for shift in (0, 0.01))
    floor = Rule(0.05, 0.05, 17)
    said = verdict(tables.of_table(reference), tables.of_table(window), floor)
    assert said.judged[0].p < 0.01
    assert not said.alarm


def test_files_and_tables_give_one_verdict(tmp_path: Path) -> None:
    rng = np.random.default_rng(11)
    reference, window = rows(3_000, rng), rows(2_000, rng, shift=0.1)
    window.iloc[:700].to_parquet(tmp_path / "1.parquet", index=False, row_group_size=100)
    window.iloc[700:].to_parquet(tmp_path / "2.parquet", index=False)
    files = tables.of_files([tmp_path / "1.parquet", tmp_path / "2.parquet"])
    assert verdict(tables.of_table(reference), files, RULE) == verdict(
        tables.of_table(reference), tables.of_table(window), RULE
    )


def test_no_table_of_that_name_is_one_clear_line(tmp_path: Path) -> None:
    with pytest.raises(TidemillError, match=r"nothing.parquet: there is no such table"):
        tables.of_files([tmp_path / "nothing.parquet"])
    (tmp_path / "text.parquet").write_text("no table")
    with pytest.raises(TidemillError, match=r"text.parquet: is no readable Parquet table"):
        tables.of_files([tmp_path / "text.parquet"])


def test_memory_does_not_grow_with_the_table(tmp_path: Path) -> None:
    """Only batches are held: a table of a hundred row groups is read with no more than a few of them allocated."""
    import pyarrow as pa

    part = pa.table({"x": np.random.default_rng(1).normal(size=100_000)})
    with pq.ParquetWriter(tmp_path / "long.parquet", part.schema) as writer:
        for _ in range(100):
            writer.write_table(part)
    before = pa.total_allocated_bytes()
    long = tables.of_files([tmp_path / "long.parquet"])
    peak = 0
    for _ in tables.batches(long, ["x"]):
        peak = max(peak, pa.total_allocated_bytes() - before)
    assert peak < 10 * part.nbytes


def test_only_columns_that_both_have_are_tested() -> None:
    reference = tables.of_table(pd.DataFrame({"record_id": ["a"], "x": [1], "only": [1], "embedding": [[1.0]]}))
    window = tables.of_table(pd.DataFrame({"record_id": ["b"], "x": [2], "other": [1], "embedding": [[1.0]]}))
    assert common_columns(reference, window) == ["x"]


def test_the_energy_distance_sees_a_mixture_and_its_size() -> None:
    rng = np.random.default_rng(12)
    reference, same, other = (rng.normal(shift, 1, (600, 16)).astype("f4") for shift in (0, 0, 1.5))
    mixed = np.concatenate([same[:480], other[:120]])
    alone = energy.tested(reference, other, 999, rng)
    found = energy.tested(reference, mixed, 999, rng)
    assert energy.tested(reference, same, 999, rng).p > 0.05
    assert found.p == pytest.approx(0.001)
    assert found.effect == pytest.approx(0.2 * alone.effect, rel=0.35)


def test_strange_rows_are_those_that_the_reference_does_not_know() -> None:
    rng = np.random.default_rng(13)
    reference, same, other = (rng.normal(shift, 1, (300, 8)).astype("f4") for shift in (0, 0, 2))
    scores = energy.strangeness(energy.distances(reference, np.concatenate([same[:200], other[:100]])))
    assert scores[200:].min() > np.median(scores[:200])


@given(st.lists(st.floats(0.001, 1), min_size=1, max_size=8), st.data())
def test_corrected_p_values_are_never_smaller_and_keep_their_order(values: list[float], data: st.DataObject) -> None:
    names = [f"t{number}" for number in range(len(values))]
    weights = dict(
        zip(names, data.draw(st.lists(st.floats(0.1, 9), min_size=len(names), max_size=len(names))), strict=True)
    )
    found = alarm.adjusted(dict(zip(names, values, strict=True)), weights)
    assert all(found[name] >= value * (1 - 1e-9) or found[name] == 1 for name, value in zip(names, values, strict=True))
    equal = alarm.adjusted(dict(zip(names, values, strict=True)), dict.fromkeys(names, 1.0))
    assert [equal[names[i]] for i in np.argsort(values)] == sorted(equal.values())
    assert min(equal.values()) == pytest.approx(min(1.0, min(values) * len(values)))


@given(st.lists(st.floats(0.01, 40), min_size=1, max_size=40))
def test_a_month_of_windows_spends_the_months_rate_and_no_more(days: list[float]) -> None:
    fitting = np.array(days) / sum(days) * 30
    assert sum(alarm.level(0.25, length) for length in fitting) == pytest.approx(0.25)
    assert alarm.level(0.25, 1000) == 0.25


@settings(deadline=None)
@given(st.floats(0.0, 1.0))
def test_early_stopping_tells_about_the_same_p_value(true: float) -> None:
    rng = np.random.default_rng(3)
    found = p_value(1 - true, rng.random, 4_000)
    assert found == pytest.approx(true, rel=1.0, abs=0.01)
    assert found > 0


def test_small_levels_get_many_draws_within_limits() -> None:
    assert draws_for(0.05) == 999
    assert draws_for(0.004) == ENOUGH / 0.004 - 1
    assert draws_for(1e-9) == 99_999


def test_equal_tables_and_columns_of_one_value_are_quiet() -> None:
    table = rows(300, np.random.default_rng(14)).assign(constant=3, none=np.nan)
    assert min(p_values(table, table).values()) > 0.5
    assert p_values(table, table)["constant"] == 1.0
