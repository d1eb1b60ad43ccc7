"""Which texts say nearly what an earlier one says: MinHash finds candidates, true similarity decides."""

import itertools
import re
import zlib
from collections.abc import Callable, Sequence

SHORT_WORDS = 20
"""Below this a text is the set of its words, from there on the set of its neighbouring pairs of words: one changed
word of 15 leaves .87 of the words but .75 of the pairs, while long texts share most words by chance and few pairs."""

LONGEST_WORDS = 2000
"""Words of a text that are compared; the text itself is never cut."""

PERMUTATIONS = 128
SEED = 1
RECALL = 0.999
"""The chance that a pair exactly as similar as the recipe says becomes a candidate; more similar pairs have more."""

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


def bands(similarity: float) -> tuple[int, int]:
    """Bands and rows of the LSH index: the most rows with which a pair so similar is met with a chance of RECALL.

    A pair of similarity s meets in a band of r rows with s^r, in one of b bands with 1 - (1 - s^r)^b (Leskovec,
    Rajaraman and Ullman, Mining of Massive Datasets, 3.4).
    """
    for rows in range(PERMUTATIONS // 2, 1, -1):
        count = PERMUTATIONS // rows
        if 1 - (1 - similarity**rows) ** count >= RECALL:
            return count, rows
    return PERMUTATIONS, 1


def originals(
    texts: Sequence[str], similarity: float, report: Callable[[float], None] = lambda _: None
) -> list[int | None]:
    """For each text the position of the earliest kept text that is near it, or None when it is kept itself.

    Texts are judged in order against kept ones only, so further texts never change the fate of earlier ones.
    """
    from datasketch import MinHash, MinHashLSH

    index = MinHashLSH(num_perm=PERMUTATIONS, params=bands(similarity))
    encoded = ([shingle.encode() for shingle in shingles(text)] for text in texts)
    hashes = MinHash.generator(encoded, num_perm=PERMUTATIONS, seed=SEED, scheme="affine32", hashfunc=zlib.crc32)
    found: list[int | None] = []
    for position, minhash in enumerate(hashes):
        original = _first_near(texts, position, sorted(index.query(minhash)), similarity)
        if original is None:
            index.insert(position, minhash, check_duplication=False)
        found.append(original)
        report(position + 1)
    return found


def _first_near(texts: Sequence[str], position: int, candidates: Sequence[int], similarity: float) -> int | None:
    own = shingles(texts[position])
    near = (candidate for candidate in candidates if jaccard(own, shingles(texts[candidate])) >= similarity)
    return next(near, None)
