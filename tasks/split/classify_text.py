"""When two texts are the same."""

import re

import pandas as pd

SAME = "text but for case and punctuation (prepare.near_duplicate_similarity drops such records)"

_WORD = re.compile(r"\w+")


def same(rows: pd.DataFrame) -> pd.Series:
    """A value for each row that is equal where the texts have the same words."""
    return rows["text"].map(words)


def words(text: str) -> str:
    """The text's words in lower case with one blank between; a text without words is itself."""
    folded = text.casefold()
    return " ".join(_WORD.findall(folded)) or folded
