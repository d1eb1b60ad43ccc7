"""Images as the content of records."""

import pandas as pd

from tasks.images import from_data_uri
from tasks.records import record_id


def contents(cells: pd.Series) -> pd.DataFrame:
    """record_id, image (bytes) and media_type of each cell, which is a `data:` URI.

    Whatever the bytes are, they land: prepare looks at them, and validate sets aside what is no image.
    """
    read = [from_data_uri(cell) for cell in cells.fillna("")]
    columns = {
        "record_id": pd.Series([record_id(content) for content, _ in read], index=cells.index, dtype="str"),
        "image": pd.Series([content for content, _ in read], index=cells.index, dtype="object"),
        "media_type": pd.Series([kind for _, kind in read], index=cells.index, dtype="str"),
    }
    return pd.DataFrame(columns)
