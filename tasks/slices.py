"""The parts of the test rows that a person would name: by domain, by length or brightness, by agreement."""

import numpy as np
import pandas as pd

SMALLEST_SLICE = 20
"""Rows. Fewer say next to nothing: such slices are pooled."""

ORDER = ("short", "dark", "low", "medium", "even", "long", "bright", "high")
"""Ordinal slices from low to high."""

POOLED = "(small)"
UNNAMED = "(none)"

LENGTHS = {"short": "up to 10 words", "medium": "11 to 20 words", "long": "more than 20 words"}
LENGTH_BOUNDS = (11, 21)
"""Words from which a text is medium, and long."""

BRIGHTNESS = {"dark": "mean grey below 0.33", "even": "0.33 or more", "bright": "0.67 or more"}
BRIGHTNESS_BOUNDS = (0.33, 0.67)
"""Mean grey value (0 is black, 1 white) from which an image is even, and bright."""

AGREEMENTS = {"low": "fewer than 60 % of the raters agree", "medium": "60 % or more", "high": "80 % or more"}
AGREEMENT_BOUNDS = (0.6, 0.8)
"""Share of the raters whose class is the consensus, from which agreement is medium, and high."""


MEANINGS = {"length": LENGTHS, "brightness": BRIGHTNESS, "agreement": AGREEMENTS}
"""What the names of slices mean, by the way of slicing."""


def slices(test: pd.DataFrame) -> dict[str, pd.Series]:
    """For each way of slicing the name of every row's slice; small slices are pooled as "(small)".

    Texts are sliced by length, images by brightness.
    """
    own = {}
    if "text" in test:
        words = test["text"].map(lambda text: len(text.split()))
        own["length"] = pooled(_cut(words, LENGTH_BOUNDS, tuple(LENGTHS)))
    if "brightness" in test:
        own["brightness"] = pooled(_cut(test["brightness"], BRIGHTNESS_BOUNDS, tuple(BRIGHTNESS)))
    return {
        "domain": pooled(test["domain"].astype("str").fillna(UNNAMED)),
        **own,
        "agreement": pooled(_cut(test["agreement"], AGREEMENT_BOUNDS, tuple(AGREEMENTS))),
    }


def pooled(names: pd.Series) -> pd.Series:
    """The names, with those of fewer than SMALLEST_SLICE rows made one."""
    sizes = names.map(names.value_counts())
    return names.where(sizes >= SMALLEST_SLICE, POOLED)


def slice_names(names: pd.Series) -> list[str]:
    """The slices in the order of reading: ordinal ones from low to high, others by name, the pooled one last."""
    rank = {name: position for position, name in enumerate(ORDER)}
    return sorted(set(names), key=lambda name: (name in (POOLED, UNNAMED), rank.get(name, len(rank)), name))


def _cut(values: pd.Series, bounds: tuple[float, ...], names: tuple[str, ...]) -> pd.Series:
    """The name of each value's interval: below the first bound the first name, at or above it the next, and so on."""
    # A share such as 12/20 must not fall below its own bound by a rounding error.
    position = np.searchsorted(np.array(bounds) - 1e-9, values.to_numpy(), side="right")
    return pd.Series(np.array(names, dtype=object)[position], index=values.index, dtype="str")
