"""Records with clean texts, and what was seen while cleaning them."""

from collections.abc import Callable

import pandas as pd

from tasks.prepare.language import language_of
from tasks.prepare.personal_data import actions_by_kind, cleaned, finders
from tasks.recipe import PersonalData
from tasks.records import normalised, typed

COLUMNS = (
    "record_id",
    "text",
    "source",
    "source_key",
    "domain",
    "group",
    "happened_at",
    "collected_at",
    "language",
    "personal_data",
)
STRINGS = tuple(column for column in COLUMNS if not column.endswith("_at"))


def clean_records(
    records: pd.DataFrame, wanted: PersonalData, report: Callable[[float], None] = lambda _: None
) -> pd.DataFrame:
    """The records with COLUMNS: texts normalised and masked, language and personal data noted.

    `record_id` stays that of the text as it arrived, so that labels still find their records.
    """
    find, actions = finders(wanted), actions_by_kind(wanted)
    texts: list[str] = []
    languages: list[str | None] = []
    kinds: list[str] = []
    for done, text in enumerate(records["text"].fillna(""), start=1):
        whole = normalised(text)
        result = cleaned(whole, find, actions)
        texts.append(result.text)
        languages.append(language_of(whole))
        kinds.append(",".join(result.kinds))
        report(done)
    noted = pd.Series(languages, records.index, dtype="str")
    made = typed(records.assign(text=texts, language=noted, personal_data=kinds))
    return made[list(COLUMNS)].astype(dict.fromkeys(STRINGS, "str"))
