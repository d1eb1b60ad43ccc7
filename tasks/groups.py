"""What must not be torn across splits."""

import pandas as pd

BETWEEN = "\x1f"
"""The unit separator: source `a b` with group `c` is not source `a` with group `b c`."""


def group_keys(records: pd.DataFrame) -> pd.Series:
    """The key of each record's group: its group within its source, or the record itself where it has none."""
    grouped = "group" + BETWEEN + records["source"].astype("str") + BETWEEN + records["group"].astype("str")
    alone = "record" + BETWEEN + records["record_id"].astype("str")
    return grouped.where(records["group"].notna(), alone).rename("group_key")
