"""How long models take for a content (a text, an image): alternating rounds, so that all of them meet the same noise."""

import time
from collections.abc import Mapping, Sequence
from typing import Any

from tasks import inference
from tasks.progress import progress

ROUNDS, CONTENTS = 7, 128

Timings = dict[str, dict[str, list[float]]]
"""By model, then by `single_ms` (one by one) and `batched_ms`: milliseconds each, one value a round."""


def timings(models: Mapping[str, inference.Model], contents: Sequence[Any]) -> Timings:
    """The latency of each model on these contents in ROUNDS rounds, after one that warms up."""
    found: Timings = {name: {"single_ms": [], "batched_ms": []} for name in models}
    with progress("measuring latency", ROUNDS * len(models)) as report:
        for round_number in range(ROUNDS + 1):
            for name, model in models.items():
                single = _milliseconds(model, [[content] for content in contents[::4]])
                batched = _milliseconds(model, [contents])
                if round_number:
                    found[name]["single_ms"].append(single / len(contents[::4]))
                    found[name]["batched_ms"].append(batched / len(contents))
                    report((round_number - 1) * len(models) + 1)
    return found


def ratios(slower: Sequence[float], faster: Sequence[float]) -> list[float]:
    """How many times longer the first takes than the second, round by round."""
    return [a / b for a, b in zip(slower, faster, strict=True)]


def _milliseconds(model: inference.Model, requests: Sequence[Sequence[Any]]) -> float:
    start = time.perf_counter()
    for contents in requests:
        model.probabilities(contents)
    return 1000 * (time.perf_counter() - start)
