"""Texts made clean and comparable."""

import pandas as pd

from tasks.prepare import card as pages
from tasks.prepare.clean_records import clean_records
from tasks.prepare.duplicates import EMPTY, sifted
from tasks.prepare.near_duplicates import originals
from tasks.prepare.personal_data import actions_by_kind
from tasks.progress import Report
from tasks.recipe import Prepare


def cleaned(records: pd.DataFrame, wanted: Prepare, report: Report) -> pd.DataFrame:
    """The records with normalised and masked texts, language and personal data noted."""
    return clean_records(records, wanted.personal_data, report)


def compared(records: pd.DataFrame, wanted: Prepare, report: Report) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The kept records, and the dropped ones with reason and the record that says the same."""
    similarity = wanted.near_duplicate_similarity
    unusable = pd.Series(None, records.index, dtype="str").mask(records["text"].str.len().eq(0), EMPTY)

    def near(unique: pd.DataFrame) -> list[int | None]:
        return originals(unique["text"].tolist(), similarity, report) if similarity else [None] * len(unique)

    return sifted(records, unusable, near)


def card(kept: pd.DataFrame, dropped: pd.DataFrame, wanted: Prepare) -> str:
    """Markdown: counts, personal data, languages."""
    return pages.card(kept, dropped, actions_by_kind(wanted.personal_data))
