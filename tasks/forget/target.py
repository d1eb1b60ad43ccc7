"""What is to be forgotten: record ids, and the passages by which their texts are known."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property

from tasks.forget.needles import Needles, needles
from tasks.records import record_id


@dataclass(frozen=True)
class Target:
    """Record ids, and every text that was seen under one of them (as it arrived, and cleaned)."""

    ids: frozenset[str]
    texts: frozenset[str] = field(default=frozenset(), repr=False)

    @cached_property
    def needles(self) -> Needles:
        """What to look for in files that are no tables."""
        return needles(self.texts, self.ids)

    def with_texts(self, texts: Iterable[str]) -> "Target":
        """The same ids with these texts too."""
        return Target(self.ids, self.texts | frozenset(texts))


def of_texts(texts: Iterable[str]) -> Target:
    """The records that these texts are."""
    found = frozenset(texts)
    return Target(frozenset(record_id(text) for text in found), found)


@dataclass(frozen=True)
class Hits:
    """What was found in one file: the records whose rows it holds, how many rows, and how many passages beside."""

    ids: frozenset[str] = frozenset()
    rows: int = 0
    passages: int = 0

    def __bool__(self) -> bool:
        """Whether there is anything."""
        return bool(self.rows or self.passages)
