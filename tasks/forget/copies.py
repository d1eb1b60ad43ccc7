"""Near copies of a record: what `prepare` would have dropped beside it, and what quotes it whole."""

from collections.abc import Mapping
from dataclasses import dataclass

from tasks.records import normalised
from tasks.similarity import jaccard, shingles

LEAST_QUOTED = 40
"""Characters of a text whose appearance inside another text makes that one a copy; shorter ones meet by chance."""

QUOTES, NEAR = "quotes it whole", "near copy"


@dataclass(frozen=True)
class Copy:
    """A record that says what another one says."""

    record_id: str
    of: str
    similarity: float
    how: str


def copies(asked: Mapping[str, str], records: Mapping[str, str], similarity: float) -> list[Copy]:
    """The records (text by id) that are copies of one of the asked ones (text by id), by record id.

    `similarity` is the least Jaccard similarity of word shingles, as in `prepare`; here every pair is compared.
    """
    wanted = {name: (normalised(text), shingles(normalised(text))) for name, text in asked.items()}
    found = []
    for name, text in sorted(records.items()):
        if name in asked:
            continue
        whole = normalised(text)
        own = shingles(whole)
        likeness = {of: jaccard(own, theirs) for of, (_, theirs) in wanted.items()}
        best = max(likeness, key=lambda of: (likeness[of], of), default=None)
        quoted = next((of for of, (said, _) in wanted.items() if len(said) >= LEAST_QUOTED and said in whole), None)
        if quoted is not None:
            found.append(Copy(name, quoted, round(likeness[quoted], 3), QUOTES))
        elif best is not None and likeness[best] >= similarity:
            found.append(Copy(name, best, round(likeness[best], 3), NEAR))
    return found
