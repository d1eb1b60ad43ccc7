"""Is the served file small and fast enough, by itself and beside the champion's?"""

import statistics
from dataclasses import dataclass

from tasks.check import Check
from tasks.latency import Timings, ratios
from tasks.recipe import Gate

CHALLENGER, CHAMPION = "challenger", "champion"


@dataclass(frozen=True)
class Limit:
    """A figure and the most that it may be (None: as much as it likes)."""

    what: str
    value: float
    most: float | None

    @property
    def kept(self) -> bool:
        """Whether the figure is within the limit."""
        return self.most is None or self.value <= self.most

    @property
    def words(self) -> str:
        """The figure and its limit."""
        limit = "no limit" if self.most is None else f"{'at most' if self.kept else 'more than'} {self.most:g}"
        return f"{self.what} {self.value:.2f} ({limit})"


def size(served: int, champion: int | None, gate: Gate) -> Check:
    """The check of the served file's bytes."""
    limits = [Limit("megabytes", served / 1e6, gate.max_size_mb)]
    if champion is not None:
        limits.append(Limit("times the champion's", served / champion, gate.max_size_ratio))
    return _check("size", limits)


def latency(found: Timings, gate: Gate) -> Check:
    """The check of the time for one text; the champion's, if it is there, was taken in the same rounds.

    Alone, the fastest round counts: whatever else the machine does only adds. Beside the champion, the median ratio.
    """
    mine = found[CHALLENGER]["single_ms"]
    limits = [Limit("milliseconds a record", min(mine), gate.max_latency_ms)]
    if CHAMPION in found:
        ratio = statistics.median(ratios(mine, found[CHAMPION]["single_ms"]))
        limits.append(Limit("times the champion's", ratio, gate.max_latency_ratio))
    return _check("latency", limits)


def _check(name: str, limits: list[Limit]) -> Check:
    figures = {limit.what.replace(" ", "_"): round(limit.value, 4) for limit in limits}
    return Check(name, all(limit.kept for limit in limits), ", ".join(limit.words for limit in limits), figures)
