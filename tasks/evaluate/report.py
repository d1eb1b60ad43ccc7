"""One self-contained HTML page about an evaluation, made from its figures: no clock, no outside resource."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tasks.evaluate import words
from tasks.evaluate.answers import FILES, Answers
from tasks.evaluate.charts import Dots, dot_plot, reliability
from tasks.evaluate.scores import Figures
from tasks.evaluate.worst import WorstError
from tasks.slices import MEANINGS
from tasks.statistics import Interval

MOST_SLICES = 12
"""Of one way of slicing, in the chart; metrics.json has them all."""

LONGEST_NAME = 18
"""Characters of a slice's name that a chart has room for."""

TILES = {
    "accuracy": ("Accuracy", "share that was answered right"),
    "weighted_f1": ("Weighted F1", "classes count by their size"),
    "macro_f1": ("Macro F1", "every class counts the same"),
    "ece": ("Calibration error", "0 is best"),
}


@dataclass(frozen=True)
class Subject:
    """What the report is about, beside its figures."""

    title: str
    """Of the recipe."""
    noun: str
    """What a record is called: text, image."""
    sizes: Mapping[str, int]
    """Bytes of the model files by name."""
    confidence: float
    samples: int


def report(subject: Subject, figures: Figures, answers: Answers, worst: Sequence[WorstError]) -> str:
    """The page as HTML."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"points": words.points, "verdict": words.verdict, "size": size}
    page = environment.get_template("report.html.j2")
    return page.render(
        subject=subject,
        figures=figures,
        classes=answers.classes,
        served=answers.served,
        files={name: file for name, file in FILES.items() if name in answers.forms},
        worst=worst,
        sentences=sentences(figures, subject.noun),
        gaps=words.baseline_gaps(figures),
        names=words.NAMES,
        tiles=TILES,
        short_names={name: short for name, short in words.SHORT_NAMES.items() if name in figures["overall"]},
        charts=charts(figures, answers),
    )


def sentences(figures: Figures, noun: str) -> Mapping[str, str]:
    """What the figures say, by the name of the sentence."""
    return {
        "headline": words.headline(figures, noun),
        "strongest_gap": words.strongest_gap(figures),
        "beside_a_human": words.beside_a_human(figures),
        "weakest_slice": words.weakest_slice(figures),
        "commonest_mistake": words.commonest_mistake(figures, noun),
        "slice_bounds": slice_bounds(figures),
        "calibration": words.calibration(figures),
    }


def slice_bounds(figures: Figures) -> str:
    """What the names of the ordinal slices in the chart mean."""
    shown = [way for way, slices in figures["slices"].items() if len(slices) > 1]
    listed = ["; ".join(f"{name}: {what}" for name, what in MEANINGS[way].items()) for way in shown if way in MEANINGS]
    return " ".join(f"{part[0].upper()}{part[1:]}." for part in listed)


def charts(figures: Figures, answers: Answers) -> Mapping[str, str]:
    """Every chart of the page as SVG, by name; those without anything to show are left out."""
    rivals = [name for name in words.SHORT_NAMES if name in figures["overall"]]
    drawn = {
        "baselines": dot_plot("baselines", baseline_dots(figures, rivals), ["Weighted F1"], "weighted F1"),
        "reliability": reliability("reliability", answers.right, answers.confidence),
    }
    rival = words.strongest_baseline(figures) if answers.baselines else None
    series = ["This model", *([words.SHORT_NAMES[rival]] if rival else [])]
    drawn["slices"] = dot_plot("slices", slice_dots(figures, rival), series, "weighted F1")
    if figures["humans"]:
        drawn["humans"] = dot_plot("humans", human_dots(figures), ["This model", "One human rater"], "weighted F1")
    return drawn


def baseline_dots(figures: Figures, names: Sequence[str]) -> list[Dots]:
    """The model above its baselines, best first."""
    marks = {name: Interval(**figures["overall"][name]["weighted_f1"]) for name in names}
    order = sorted(names, key=lambda name: (name != "model", -marks[name].estimate))
    return [Dots(words.SHORT_NAMES[name], (marks[name],)) for name in order]


def slice_dots(figures: Figures, rival: str | None) -> list[Dots]:
    """A heading for each way of slicing, then its slices; ways with one slice say nothing and are left out."""
    lines: list[Dots] = []
    for way, slices in figures["slices"].items():
        largest = sorted(slices, key=lambda name: -slices[name]["rows"])[:MOST_SLICES]
        if len(slices) > 1:
            lines.append(Dots(way.capitalize()))
            lines += [_slice_line(name, part, rival) for name, part in slices.items() if name in largest]
    return lines or [_slice_line("all", {"rows": figures["rows"], **figures["overall"]}, rival)]


def _slice_line(name: str, part: Figures, rival: str | None) -> Dots:
    names = ["model", *([rival] if rival else [])]
    return Dots(f"{_short(name)} ({part['rows']:,})", tuple(Interval(**part[who]["weighted_f1"]) for who in names))


def human_dots(figures: Figures) -> list[Dots]:
    """Model and one human, overall and, where there are several, by domain."""
    domains = list(figures["humans"]["domain"].items())[:MOST_SLICES]
    pairs = [("overall", figures["humans"]["overall"]), *(domains if len(domains) > 1 else [])]
    return [
        Dots(_short(name), (Interval(**pair["model"]["weighted_f1"]), Interval(**pair["human"]["weighted_f1"])))
        for name, pair in pairs
    ]


def _short(name: str) -> str:
    return name if len(name) <= LONGEST_NAME else f"{name[: LONGEST_NAME - 1]}…"


def size(count: int) -> str:
    """Bytes as megabytes with one decimal."""
    return f"{count / 1e6:.1f} MB"
