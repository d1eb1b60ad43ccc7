"""What a metric is, whatever the answers are."""

from dataclasses import dataclass

from tasks.statistics import FloatArray, Statistic


@dataclass(frozen=True)
class Metric:
    """A figure of answers: how it follows from sums over rows (..., columns), and how it is read and written."""

    statistic: Statistic
    higher_is_better: bool = True
    format: str = ".4f"
    counts: bool = False
    """Whether it is the share of the rows that are right: of one row it is 0 or 1."""

    def gain(self, first: FloatArray, second: FloatArray) -> FloatArray:
        """How much better the sums `first` are than `second`: positive is better, whichever way the metric goes."""
        difference = self.statistic(first) - self.statistic(second)
        return difference if self.higher_is_better else -difference
