"""How many records a second each caller may ask: a bucket that fills steadily (Turner 1986, the leaky bucket)."""

import math
import time
from collections import OrderedDict
from dataclasses import dataclass, field

from tasks.serve.refusal import Refusal

TOO_MANY = 429
BURST_S = 2.0
"""Seconds of its rate that a caller may ask at once after a rest."""
MOST_CALLERS = 10_000
"""The least recent ones are forgotten: the table must not grow with the addresses of the world."""


@dataclass(eq=False)
class Rates:
    """The buckets of one server; without a rate nobody is held up."""

    rate: float | None
    _buckets: "OrderedDict[str, tuple[float, float]]" = field(default_factory=OrderedDict)

    def charge(self, caller: str, records: int) -> None:
        """Take `records` from the caller's bucket. Raises Refusal 429 with when there will be enough."""
        if self.rate is None:
            return
        now, most = time.monotonic(), max(self.rate * BURST_S, 1.0)
        left, at = self._buckets.pop(caller, (most, now))
        left = min(most, left + (now - at) * self.rate)
        # A request larger than the bucket passes when that is full, and is paid for afterwards.
        enough = left >= min(records, most)
        self._buckets[caller] = (left - records if enough else left, now)
        if len(self._buckets) > MOST_CALLERS:
            self._buckets.popitem(last=False)
        if not enough:
            seconds = max(1, math.ceil((min(records, most) - left) / self.rate))
            raise Refusal(TOO_MANY, f"more than {self.rate:g} records a second; come back in {seconds} s", seconds)
