"""Which texts say nearly what an earlier one says: MinHash finds candidates, true similarity decides."""

import zlib
from collections.abc import Callable, Sequence

from tasks.similarity import jaccard, shingles

PERMUTATIONS = 128
SEED = 1
RECALL = 0.999
"""The chance that a pair exactly as similar as the recipe says becomes a candidate; more similar pairs have more."""


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
