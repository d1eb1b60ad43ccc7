"""Texts as the content of records."""

import pandas as pd

from tasks.records import record_id


def contents(cells: pd.Series) -> pd.DataFrame:
    """record_id and text of each cell; a missing cell is the empty text. Each distinct text is hashed once."""
    texts = cells.fillna("").astype("str")
    found = {text: record_id(text) for text in texts.unique()}
    return pd.DataFrame({"record_id": texts.map(found).astype("str"), "text": texts})
