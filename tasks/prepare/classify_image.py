"""Images looked at, measured and compared; what is no image is noted, and set aside by the suite in validate."""

from dataclasses import asdict
from functools import partial

import numpy as np
import pandas as pd

from tasks import markdown
from tasks.prepare.card import counts
from tasks.prepare.duplicates import sifted
from tasks.prepare.looks import Look, look_at, near_copies
from tasks.progress import Report
from tasks.recipe import Prepare
from tasks.records import record_columns, typed

NOTED = ("width", "height", "mode", "brightness", "contrast", "pixels_sha256", "perceptual_hash", "fault")
"""What is noted of each image; all but `fault` are null where there is one."""

COPY = "same pixels"


def cleaned(records: pd.DataFrame, _wanted: Prepare, report: Report) -> pd.DataFrame:
    """The records as they came, with NOTED.

    Width and height in pixels, mode (L, RGB …), brightness and contrast (mean and deviation of the grey values, 0 to
    1), identity of the pixels, perceptual hash, and what is wrong with the image (null: nothing).
    """
    looks: list[Look] = []
    for done, (content, kind) in enumerate(zip(records["image"], records["media_type"], strict=True), start=1):
        looks.append(look_at(content, kind))
        report(done)
    types = {"width": "Int32", "height": "Int32", "brightness": "float64", "contrast": "float64"}
    noted = pd.DataFrame([asdict(look) for look in looks], index=records.index, columns=list(NOTED), dtype="object")
    made = typed(records.assign(**noted.astype({name: types.get(name, "str") for name in NOTED})))
    texts = [column for column in record_columns("classify_image") if column != "image" and column[-3:] != "_at"]
    return made[[*record_columns("classify_image"), *NOTED]].astype(dict.fromkeys(texts, "str"))


def compared(records: pd.DataFrame, wanted: Prepare, report: Report) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The kept records, and the dropped ones with reason and the record that shows the same."""
    known = records["pixels_sha256"]
    repeats = known.notna() & known.duplicated() & ~records["record_id"].duplicated()
    first = known.map(dict(zip(known[::-1], records["record_id"][::-1], strict=True)))
    unusable = pd.Series(None, records.index, dtype="str").mask(repeats, COPY)
    near = partial(_near, correlation=wanted.near_duplicate_correlation, report=report)
    return sifted(records, unusable, near, first)


def _near(unique: pd.DataFrame, correlation: float | None, report: Report) -> list[int | None]:
    found: list[int | None] = [None] * len(unique)
    if correlation is None:
        return found
    whole = np.flatnonzero(unique["fault"].isna().to_numpy())
    for place, original in zip(
        whole, near_copies(unique["image"].iloc[whole].tolist(), correlation, report), strict=True
    ):
        found[place] = None if original is None else int(whole[original])
    return found


def card(kept: pd.DataFrame, dropped: pd.DataFrame, _wanted: Prepare) -> str:
    """Markdown: how many records were kept and dropped, which sizes and modes, and what is wrong with the others."""
    forms = kept.groupby(["width", "height", "mode"]).size().sort_values(ascending=False, kind="stable").head(8)
    sizes = [(f"{form[0]} x {form[1]}", form[2], f"{count:,}") for form, count in zip(forms.index, forms, strict=True)]
    faults = kept["fault"].dropna().str.extract("^([^:]+)", expand=False).value_counts().sort_index()
    told = [(fault, f"{count:,}") for fault, count in faults.items()]
    parts = [counts(kept, dropped), markdown.table(("pixels", "mode", "images"), sizes)]
    if told:
        parts.append(markdown.table(("no good image", "number"), told))
    return "\n".join(parts)
