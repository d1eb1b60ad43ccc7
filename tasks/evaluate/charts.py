"""Charts as inline SVG: equal figures give equal bytes, and the colours are the page's, for dark mode and print."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from io import StringIO
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tasks.statistics import CALIBRATION_BINS, Interval, calibration_bin

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

INK, SOFT, GRID, FIRST, SECOND, PAPER = (f"#0{number}0{number}0{number}" for number in range(1, 7))
"""Placeholders: matplotlib writes them, the page's colours take their places."""

PAGE_COLOURS = {INK: "ink", SOFT: "soft", GRID: "grid", FIRST: "first", SECOND: "second", PAPER: "paper"}

STYLE: dict[Any, Any] = {
    "svg.hashsalt": "tidemill",
    "svg.fonttype": "path",
    "font.family": "DejaVu Sans",
    "font.size": 9.5,
    "text.parse_math": False,
}

NO_METADATA = {"Date": None, "Creator": None, "Format": None, "Type": None}

WIDTH = 4.5
"""Inches. Narrow, so that the letters are still legible when a phone shrinks the chart."""

MARKERS = ("o", "s")


@dataclass(frozen=True)
class Dots:
    """One line of a dot plot: an interval for each series, or none at all for a heading."""

    label: str
    marks: tuple[Interval | None, ...] = ()


def dot_plot(name: str, dots: Sequence[Dots], series: Sequence[str], axis: str) -> str:
    """Estimates with their intervals, a line each; the first series is printed as a figure at the right."""
    row_inches = 0.3 if len(series) == 1 else 0.36
    height = row_inches * len(dots) + 0.62 + 0.3 * (len(series) > 1)

    def draw(figure: "Figure") -> None:
        left = 0.08 * max(len(line.label) for line in dots) + 0.15
        top = height - 0.08 - 0.3 * (len(series) > 1)
        box = (left / WIDTH, 0.52 / height, (WIDTH - left - 0.5) / WIDTH, (top - 0.52) / height)
        axes = figure.add_axes(box)
        _draw_dots(axes, dots, series)
        axes.set_xlabel(axis, color=SOFT)
        if len(series) > 1:
            axes.legend(
                loc="lower left", bbox_to_anchor=(-0.03, 1.0), ncols=2, frameon=False, labelcolor=INK,
                borderpad=0, handletextpad=0.2, columnspacing=1.4,
            )  # fmt: skip

    return _svg(name, (WIDTH, height), draw)


def _draw_dots(axes: "Axes", dots: Sequence[Dots], series: Sequence[str]) -> None:
    offsets = np.linspace(0.14, -0.14, len(series)) if len(series) > 1 else np.zeros(1)
    for number, (label, colour, marker) in enumerate(zip(series, (FIRST, SECOND), MARKERS, strict=False)):
        marks = [(len(dots) - 1 - i, line.marks[number]) for i, line in enumerate(dots) if line.marks]
        known = [(y + offsets[number], mark) for y, mark in marks if mark is not None]
        for y, mark in known:
            axes.plot([mark.low, mark.high], [y, y], color=colour, linewidth=2.2, solid_capstyle="round")
        xs, ys = [mark.estimate for _, mark in known], [y for y, _ in known]
        face = colour if number == 0 else PAPER
        axes.plot(xs, ys, marker, color=colour, markerfacecolor=face, markersize=7, markeredgewidth=1.8, label=label)
    for i, line in enumerate(dots):
        first = line.marks[0] if line.marks else None
        if first is not None:
            axes.text(1.03, len(dots) - 1 - i, f"{first.estimate:.2f}", color=INK, va="center",
                      transform=axes.get_yaxis_transform())  # fmt: skip
    _frame(axes)
    axes.set_xlim(*_limits([mark for line in dots for mark in line.marks if mark is not None]))
    axes.locator_params(axis="x", nbins=5)
    axes.set_ylim(-0.6, len(dots) - 0.4)
    axes.set_yticks(range(len(dots)), [line.label for line in reversed(dots)])
    for tick, line in zip(axes.get_yticklabels(), reversed(dots), strict=True):
        tick.set_fontweight("normal" if line.marks else "bold")
    axes.tick_params(axis="y", length=0, labelcolor=INK)


def _limits(marks: Sequence[Interval]) -> tuple[float, float]:
    """From a little below the lowest end to a little above the highest, at tenths, within 0 and 1."""
    low = np.floor(min(mark.low for mark in marks) * 10 - 0.2) / 10
    high = np.ceil(max(mark.high for mark in marks) * 10 + 0.2) / 10
    return max(0.0, float(low)), min(1.0, float(high))


def reliability(name: str, right: NDArray[np.bool_], confidence: NDArray[Any]) -> str:
    """How often the model is right at each confidence (15 bins), above how many rows have that confidence."""
    bins = calibration_bin(confidence)
    rows = np.bincount(bins, minlength=CALIBRATION_BINS)
    filled = rows > 0
    said = np.bincount(bins, confidence, CALIBRATION_BINS)[filled] / rows[filled]
    was = np.bincount(bins, right, CALIBRATION_BINS)[filled] / rows[filled]

    def draw(figure: "Figure") -> None:
        upper = figure.add_axes((0.14, 0.36, 0.83, 0.62))
        upper.plot([0, 1], [0, 1], color=SOFT, linewidth=1.2, linestyle=(0, (4, 3)))
        upper.vlines(said, said, was, color=SECOND, linewidth=2.2)
        upper.plot(said, was, "o", color=FIRST, markersize=7)
        upper.set_ylabel("share that was right", color=SOFT)
        lower = figure.add_axes((0.14, 0.125, 0.83, 0.19))
        edges = (np.arange(CALIBRATION_BINS) + 0.5) / CALIBRATION_BINS
        lower.bar(edges, rows / rows.sum(), width=0.85 / CALIBRATION_BINS, color=FIRST)
        lower.set_ylabel("of rows", color=SOFT)
        lower.set_xlabel("confidence of the model", color=SOFT)
        for axes in (upper, lower):
            _frame(axes)
            axes.set_xlim(0, 1.02)
        upper.set_ylim(0, 1.04)
        upper.tick_params(labelbottom=False)
        lower.locator_params(axis="y", nbins=2)

    return _svg(name, (WIDTH, 3.7), draw)


def _frame(axes: "Axes") -> None:
    """A quiet frame: a grid, no box."""
    axes.set_facecolor("none")
    axes.set_axisbelow(True)
    axes.grid(axis="x", color=GRID, linewidth=0.8)
    axes.tick_params(length=0, labelcolor=SOFT)
    axes.spines[:].set_visible(False)


def _svg(name: str, inches: tuple[float, float], draw: Callable[["Figure"], None]) -> str:
    """The drawing as an <svg> element, its ids made unique by `name`, its colours those of the page."""
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    buffer = StringIO()
    with rc_context(STYLE):
        figure = Figure(figsize=inches, facecolor="none")
        draw(figure)
        figure.savefig(buffer, format="svg", metadata=NO_METADATA)
    text = buffer.getvalue()
    svg = text[text.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>\s*", "", svg, flags=re.DOTALL)
    svg = re.sub(r'(id="|href="#|url\(#)', rf"\g<1>{name}-", svg)
    svg = re.sub(r'^<svg[^>]*?viewBox="([^"]+)"[^>]*>', r'<svg viewBox="\1" aria-hidden="true" focusable="false"'
                 r' xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink">', svg)  # fmt: skip
    for placeholder, colour in PAGE_COLOURS.items():
        svg = svg.replace(placeholder, f"var(--{colour})")
    return svg.strip()
