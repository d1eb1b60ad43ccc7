"""The records that are kept and those that are dropped, each with its reason."""

from collections.abc import Callable, Sequence

import pandas as pd

EMPTY = "empty text"
EXACT = "exact duplicate"
NEAR = "near duplicate"


def sifted(
    records: pd.DataFrame,
    unusable: "pd.Series[str]",
    near: Callable[[pd.DataFrame], Sequence[int | None]],
    instead: "pd.Series[str] | None" = None,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The kept records and the dropped ones (record_id, reason, of: the kept record that says the same).

    `unusable` says why a record is dropped by itself (null: it is not), `instead` which record stands for it; `near`
    gives for each of the others the position of an earlier one that says nearly the same, or None. An earlier record
    never falls because of a later one.
    """
    exact = records["record_id"].duplicated() & unusable.isna()
    unique = records[unusable.isna() & ~exact]
    identities = unique["record_id"].tolist()
    of_near = pd.Series([None if at is None else identities[at] for at in near(unique)], unique.index, dtype="str")
    stands_for = pd.Series(of_near.fillna(unique["record_id"]).to_numpy(), unique["record_id"])
    found = of_near.reindex(records.index)
    reasons = found.where(lambda of: of.isna(), NEAR).mask(exact, EXACT)
    reasons = reasons.where(unusable.isna(), unusable)
    of = found.mask(exact, records["record_id"].map(stands_for))
    if instead is not None:
        of = of.where(unusable.isna(), instead.map(stands_for))
    dropped = pd.DataFrame({"record_id": records["record_id"], "reason": reasons, "of": of}).astype("str")
    return records[reasons.isna()].reset_index(drop=True), dropped[reasons.notna()].reset_index(drop=True)
