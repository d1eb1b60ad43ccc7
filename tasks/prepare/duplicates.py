"""The records that are kept and those that are dropped, each with its reason."""

from collections.abc import Callable

import pandas as pd

from tasks.prepare.near_duplicates import originals

EMPTY = "empty text"
EXACT = "exact duplicate"
NEAR = "near duplicate"


def sifted(
    records: pd.DataFrame, similarity: float | None, report: Callable[[float], None] = lambda _: None
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The kept records and the dropped ones (record_id, reason, of: the kept record that says the same).

    An earlier record never falls because of a later one. `similarity` None leaves near duplicates alone.
    """
    empty = records["text"].str.len().eq(0)
    exact = records["record_id"].duplicated() & ~empty
    unique = records[~empty & ~exact]
    near = _originals(unique, similarity, report)
    stands_for = pd.Series(near.fillna(unique["record_id"]).to_numpy(), unique["record_id"])
    reasons = near.reindex(records.index).where(lambda of: of.isna(), NEAR).mask(exact, EXACT).mask(empty, EMPTY)
    of = near.reindex(records.index).mask(exact, records["record_id"].map(stands_for))
    dropped = pd.DataFrame({"record_id": records["record_id"], "reason": reasons, "of": of}).astype("str")
    return records[reasons.isna()].reset_index(drop=True), dropped[reasons.notna()].reset_index(drop=True)


def _originals(records: pd.DataFrame, similarity: float | None, report: Callable[[float], None]) -> "pd.Series[str]":
    """The record_id of the kept record that each record is near, null for those that are kept."""
    if similarity is None:
        return pd.Series(None, records.index, dtype="str")
    identities = records["record_id"].tolist()
    positions = originals(records["text"].tolist(), similarity, report)
    return pd.Series([None if at is None else identities[at] for at in positions], records.index, dtype="str")
