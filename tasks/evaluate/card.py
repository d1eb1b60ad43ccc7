"""The page that a person looks at in the flow."""

from tasks.evaluate import words
from tasks.evaluate.scores import Figures
from tasks.markdown import table

COLUMNS = {"accuracy": "accuracy", "weighted_f1": "weighted F1", "macro_f1": "macro F1"}


def card(figures: Figures, confidence: float, noun: str) -> str:
    """Markdown: the finding, everybody's metrics with intervals, how far the model is from each."""
    sentences = [words.headline(figures, noun), words.strongest_gap(figures), words.beside_a_human(figures)]
    header = [f"{figures['rows']:,} test rows", *COLUMNS.values(), "model minus it, weighted F1"]
    rows = [_row(name, figures) for name in ("model", *figures["differences"]["overall"])]
    note = (
        f"Brackets hold {100 * confidence:g} % bootstrap intervals. Calibration error of the model: "
        f"{figures['overall']['model']['ece']['estimate']:.3f}. The whole story is in report.html."
    )
    return "\n\n".join([" ".join(filter(None, sentences)), table(header, rows).rstrip(), note]) + "\n"


def _row(name: str, figures: Figures) -> list[str]:
    scores = [_shown(figures["overall"][name][metric]) for metric in COLUMNS]
    if name == "model":
        return [words.NAMES[name], *scores, ""]
    gap = figures["differences"]["overall"][name]["weighted_f1"]
    return [words.NAMES[name], *scores, f"{words.points(gap['estimate'])} points, {words.verdict(gap)}"]


def _shown(mark: Figures) -> str:
    return f"{mark['estimate']:.3f} [{mark['low']:.3f}, {mark['high']:.3f}]"
