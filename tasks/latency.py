"""How long models take for a text: alternating rounds, so that all of them meet the same noise."""

import time
from collections.abc import Mapping, Sequence

from tasks import inference
from tasks.progress import progress

ROUNDS, TEXTS = 7, 128

Timings = dict[str, dict[str, list[float]]]
"""By model, then by `single_ms` (one by one) and `batched_ms`: milliseconds a text, one value a round."""


def timings(models: Mapping[str, inference.Model], texts: Sequence[str]) -> Timings:
    """The latency of each model on these texts in ROUNDS rounds, after one that warms up."""
    found: Timings = {name: {"single_ms": [], "batched_ms": []} for name in models}
    with progress("measuring latency", ROUNDS * len(models)) as report:
        for round_number in range(ROUNDS + 1):
            for name, model in models.items():
                single = _milliseconds(model, [[text] for text in texts[::4]])
                batched = _milliseconds(model, [texts])
                if round_number:
                    found[name]["single_ms"].append(single / len(texts[::4]))
                    found[name]["batched_ms"].append(batched / len(texts))
                    report((round_number - 1) * len(models) + 1)
    return found


def ratios(slower: Sequence[float], faster: Sequence[float]) -> list[float]:
    """How many times longer the first takes than the second, round by round."""
    return [a / b for a, b in zip(slower, faster, strict=True)]


def _milliseconds(model: inference.Model, requests: Sequence[Sequence[str]]) -> float:
    start = time.perf_counter()
    for texts in requests:
        model.probabilities(texts)
    return 1000 * (time.perf_counter() - start)
