"""When findings are an alarm: a stated number of false ones a month, whatever the number of tests and windows."""

from collections.abc import Mapping

DAYS_A_MONTH = 30.0


def level(false_alarms_per_month: float, days: float) -> float:
    """The chance of a false alarm that a window covering so many days may have: its share of the month's.

    Windows do not overlap, so that the levels of a month's windows sum to the month's rate, however often one looks;
    the expected number of false alarms is at most that sum, whatever the dependence between windows (Dunn 1961).
    """
    return min(false_alarms_per_month, 1.0) * min(days / DAYS_A_MONTH, 1.0)


def adjusted(p_values: Mapping[str, float], weights: Mapping[str, float]) -> dict[str, float]:
    """Each p-value as the level of the whole window from which it counts (weighted Holm: Holm 1979, section 4).

    The chance that any true null is below the level is at most the level, under any dependence. Weights are positive.
    """
    order = sorted(p_values, key=lambda name: (p_values[name] / weights[name], name))
    left = sum(weights[name] for name in order)
    reached, found = 0.0, {}
    for name in order:
        reached = max(reached, min(1.0, p_values[name] * left / weights[name]))
        found[name] = reached
        left -= weights[name]
    return {name: found[name] for name in p_values}


def weights(columns: list[str], embedding: str | None) -> dict[str, float]:
    """Half of the level for the embedding, which sees most shifts, and half for all columns together."""
    each = dict.fromkeys(columns, 1.0)
    return {**each, embedding: float(max(len(columns), 1))} if embedding else each
