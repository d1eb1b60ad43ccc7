"""What the figures say, in sentences."""

from collections.abc import Sequence

from tasks.evaluate.answers import FILES
from tasks.evaluate.scores import Figures

NAMES = {
    "model": "This model",
    "fp32": "the model before quantisation",
    "int8": "the model in int8",
    "majority": "always the most frequent class",
    "tfidf": "TF-IDF with logistic regression",
    "vader": "VADER",
    "pixels": "logistic regression on pixels",
}

SHORT_NAMES = {
    "model": "This model",
    "majority": "Majority",
    "tfidf": "TF-IDF",
    "vader": "VADER",
    "pixels": "Pixels",
}


def headline(figures: Figures, noun: str = "text") -> str:
    """The main finding: how often it is right, and whom it beats."""
    hits = round(100 * figures["overall"]["model"]["accuracy"]["estimate"])
    gaps = baseline_gaps(figures)
    if not gaps:
        return f"Right on {hits} of 100 {noun}s."
    unbeaten = [NAMES[name] for name, gap in gaps.items() if gap["low"] <= 0]
    if not unbeaten:
        every = "its baseline" if len(gaps) == 1 else "every baseline"
        return f"Right on {hits} of 100 {noun}s, and better than {every}."
    return f"Right on {hits} of 100 {noun}s, but not shown to be better than {listed(unbeaten)}."


def strongest_gap(figures: Figures) -> str:
    """How far the model is from its strongest baseline, in points of weighted F1; "" without baselines."""
    gaps = baseline_gaps(figures)
    if not gaps:
        return ""
    name = strongest_baseline(figures)
    gap = gaps[name]
    side = "above" if gap["estimate"] >= 0 else "below"
    return (
        f"It lies {abs(100 * gap['estimate']):.1f} points of weighted F1 {side} {NAMES[name]}, "
        f"the strongest of them (interval {points(gap['low'])} to {points(gap['high'])})."
    )


def strongest_baseline(figures: Figures) -> str:
    """The name of the baseline with the highest weighted F1 (of equals the first)."""
    gaps = baseline_gaps(figures)
    return min(gaps, key=lambda name: gaps[name]["estimate"])


def baseline_gaps(figures: Figures) -> Figures:
    """Model minus each baseline in weighted F1."""
    gaps = figures["differences"]["overall"]
    return {name: gap["weighted_f1"] for name, gap in gaps.items() if name not in FILES}


def verdict(gap: Figures) -> str:
    """A difference in one word or two."""
    if gap["low"] > 0:
        return "better"
    return "worse" if gap["high"] < 0 else "no difference shown"


def beside_a_human(figures: Figures) -> str:
    """Whether the model agrees with the raters as well as one of them does; "" when it cannot be told."""
    overall = figures["humans"].get("overall")
    if overall is None:
        return ""
    gap = overall["difference"]["weighted_f1"]
    span = f"{points(gap['estimate'])} points of weighted F1 (interval {points(gap['low'])} to {points(gap['high'])})"
    if gap["low"] > 0:
        return f"The model agrees with the raters better than one of them agrees with the rest: {span}."
    if gap["high"] < 0:
        return f"The model agrees with the raters less well than one of them agrees with the rest: {span}."
    return f"No difference is shown between the model and one human rater: {span}."


def weakest_slice(figures: Figures) -> str:
    """The domain with the lowest weighted F1 beside the best one; "" with one domain."""
    domains = figures["slices"]["domain"]
    if len(domains) <= 1:
        return ""
    scores = {name: slice_["model"]["weighted_f1"]["estimate"] for name, slice_ in domains.items()}
    low, high = min(scores, key=lambda name: scores[name]), max(scores, key=lambda name: scores[name])
    return f"Strongest on {high} ({scores[high]:.2f}), weakest on {low} ({scores[low]:.2f})."


def commonest_mistake(figures: Figures, noun: str = "text") -> str:
    """The confusion with the largest share of its true class; "" when nothing is confused."""
    cells = [
        (cell["estimate"], true, guess)
        for true, row in figures["confusion"].items()
        for guess, cell in row.items()
        if true != guess and cell["rows"]
    ]
    if not cells:
        return "No class is ever mistaken for another."
    share, true, guess = max(cells)
    return f"Most often mistaken: {true} {noun}s taken for {guess}, {100 * share:.0f} of 100."


def calibration(figures: Figures) -> str:
    """How far confidence and truth lie apart."""
    error = figures["overall"]["model"]["ece"]["estimate"]
    return f"On average the stated confidence is {100 * error:.1f} points away from how often the model is right."


def points(value: float) -> str:
    """A difference in points (hundredths) with its sign."""
    return f"{100 * value:+.1f}".replace("-", "−")  # noqa: RUF001


def listed(names: Sequence[str]) -> str:
    """a; a and b; a, b and c."""
    return " and ".join(part for part in (", ".join(names[:-1]), names[-1]) if part)
