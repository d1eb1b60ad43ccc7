"""How alike two texts are: the share of the words, or pairs of words, that both have."""

import itertools
import re

SHORT_WORDS = 20
"""Below this a text is the set of its words, from there on the set of its neighbouring pairs of words: one changed
word of 15 leaves .87 of the words but .75 of the pairs, while long texts share most words by chance and few pairs."""

LONGEST_WORDS = 2000
"""Words of a text that are compared; the text itself is never cut."""

_WORD = re.compile(r"\w+")


def shingles(text: str) -> frozenset[str]:
    """What two texts are compared by: lower-cased words or pairs of words; the text itself when it has no word."""
    words = _WORD.findall(text.lower())[:LONGEST_WORDS]
    if len(words) < SHORT_WORDS:
        return frozenset(words or [text])
    return frozenset(f"{first} {second}" for first, second in itertools.pairwise(words))


def jaccard(one: frozenset[str], other: frozenset[str]) -> float:
    """Shared members over all members, 0 to 1."""
    shared = len(one & other)
    return shared / (len(one) + len(other) - shared)
