"""Which words moved: those whose share of the texts differs most from the reference."""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

WORD = re.compile(r"[^\W\d_]+")
WIDE = re.compile(r"[぀-ヿ㐀-鿿가-힯]")
"""Scripts that are written without blanks: pairs of characters stand for words."""

NOTABLE = 3.0
"""Standard deviations. Of ten thousand words that did not move some ten are beyond it."""

LEAST_TEXTS = 3
PRIOR_TEXTS = 100.0
"""Weight of the prior, in texts: rare words have to move further."""


@dataclass(frozen=True)
class Moved:
    """A word, the share of texts with it in the reference and in the window, and how surprising that is (z)."""

    word: str
    reference: float
    window: float
    z: float


def moved(reference: Sequence[str], window: Sequence[str], most: int = 10) -> list[Moved]:
    """The words that became more or less common, most surprising first.

    z of the log-odds ratio with an informative Dirichlet prior (Monroe, Colaresi and Quinn 2008, equation 22), where
    a text counts once for each of its words.
    """
    if not len(reference) or not len(window):
        return []
    before, now = _texts_with(reference), _texts_with(window)
    common = [word for word in before.keys() | now.keys() if before[word] + now[word] >= LEAST_TEXTS]
    found = [_moved(word, before[word], now[word], len(reference), len(window)) for word in sorted(common)]
    return sorted((each for each in found if abs(each.z) >= NOTABLE), key=lambda each: -abs(each.z))[:most]


def words(text: str) -> Iterable[str]:
    """The text's words in lower case; pairs of characters for scripts without blanks."""
    for run in WORD.findall(text.lower()):
        if WIDE.search(run):
            yield from (run[start : start + 2] for start in range(max(len(run) - 1, 1)))
        else:
            yield run


def _texts_with(texts: Sequence[str]) -> Counter[str]:
    return Counter(word for text in texts for word in set(words(text)))


def _moved(word: str, before: int, now: int, before_texts: int, now_texts: int) -> Moved:
    prior = PRIOR_TEXTS * (before + now) / (before_texts + now_texts)
    rest = PRIOR_TEXTS - prior
    odds = [(count + prior) / (texts - count + rest) for count, texts in ((before, before_texts), (now, now_texts))]
    deviation = np.sqrt(1 / (before + prior) + 1 / (now + prior))
    return Moved(word, before / before_texts, now / now_texts, float(np.log(odds[1] / odds[0]) / deviation))
