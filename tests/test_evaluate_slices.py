"""Slices are a partition of the test rows, named as a person would."""

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.slices import POOLED, SMALLEST_SLICE, pooled, slice_names, slices

rows = st.lists(
    st.tuples(st.sampled_from([None, "films", "tweets", "rare"]), st.integers(0, 40), st.floats(0, 1)),
    max_size=120,
)


def table(entries: list[tuple[str | None, int, float]]) -> pd.DataFrame:
    """Test rows from (domain, number of words, agreement)."""
    return pd.DataFrame(
        {
            "domain": pd.Series([domain for domain, _, _ in entries], dtype="str"),
            "text": pd.Series([" ".join(["word"] * words) for _, words, _ in entries], dtype="str"),
            "agreement": pd.Series([agreement for _, _, agreement in entries], dtype="float64"),
        }
    )


@given(rows)
@settings(max_examples=50, deadline=None)
def test_every_row_is_in_exactly_one_slice_of_each_kind(entries: list[tuple[str | None, int, float]]) -> None:
    test = table(entries)
    before = test.copy()
    for names in slices(test).values():
        assert len(names) == len(test)
        assert names.notna().all()
        assert sum((names == name).sum() for name in slice_names(names)) == len(test)
        sizes = names.value_counts()
        assert (sizes.drop(POOLED, errors="ignore") >= SMALLEST_SLICE).all()
    pd.testing.assert_frame_equal(test, before)


@pytest.mark.parametrize(
    ("words", "agreement", "length", "level"),
    [
        (10, 0.59, "short", "low"),
        (11, 0.6, "medium", "medium"),
        (20, 0.79, "medium", "medium"),
        (21, 0.8, "long", "high"),
        (0, 0.1 * 3 + 0.3, "short", "medium"),
        (30, 1.0, "long", "high"),
    ],
)
def test_bounds_are_as_stated(words: int, agreement: float, length: str, level: str) -> None:
    found = slices(table([("films", words, agreement)] * SMALLEST_SLICE))
    assert set(found["length"]) == {length}
    assert set(found["agreement"]) == {level}


def test_slices_below_the_bound_are_pooled_and_read_last() -> None:
    names = pd.Series(["a"] * SMALLEST_SLICE + ["b"] * (SMALLEST_SLICE - 1) + ["c"])
    assert pooled(names).value_counts().to_dict() == {"a": SMALLEST_SLICE, POOLED: SMALLEST_SLICE}
    assert slice_names(pd.Series(["long", POOLED, "short", "medium"])) == ["short", "medium", "long", POOLED]
    assert slice_names(pd.Series(["high", "low", "medium"])) == ["low", "medium", "high"]
