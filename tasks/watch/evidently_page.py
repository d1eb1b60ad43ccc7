"""The one module that touches Evidently: our verdict beside its plots, as a page and in a workspace with trends."""

import contextvars
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tasks import storage

if TYPE_CHECKING:
    import pandas as pd
    from evidently.core.report import Snapshot

MOST_ROWS = 10_000
"""Of each side, in the plots. The verdict has seen all rows."""

SHOWN: contextvars.ContextVar[Mapping[str, Any]] = contextvars.ContextVar("verdict")
"""The verdict that the metrics below show. A metric's own fields are its name in the trends, so they hold no values."""


@dataclass(frozen=True)
class Sides:
    """Rows of reference and window with the tested columns, those of numbers and those of names."""

    reference: "pd.DataFrame"
    window: "pd.DataFrame"
    numbers: Sequence[str]
    names: Sequence[str]


def write(sides: Sides, outcome: Mapping[str, Any], page: Path, workspace: Path) -> None:
    """Write the page, which opens without internet, and add the report to the recipe's project in the workspace."""
    token = SHOWN.set(outcome)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # its own deprecations
            snapshot = report(sides, outcome)
            with storage.atomic(page) as temporary:
                snapshot.save_html(str(temporary))
            add(snapshot, outcome, workspace)
    finally:
        SHOWN.reset(token)


def report(sides: Sides, outcome: Mapping[str, Any]) -> "Snapshot":
    """Evidently's report: our findings first, then its own look at each column."""
    from evidently import DataDefinition, Dataset, Report
    from evidently.metrics import ValueDrift

    columns = [*sides.numbers, *sides.names]
    definition = DataDefinition(numerical_columns=list(sides.numbers), categorical_columns=list(sides.names))
    window, reference = (
        Dataset.from_pandas(table[columns].reset_index(drop=True), data_definition=definition)
        for table in (sides.window, sides.reference)
    )
    metric = finding_metric()
    ours = [metric(finding=each["name"]) for each in outcome["findings"]]
    made = Report([*ours, *(ValueDrift(column=column) for column in columns)], tags=[f"version {outcome['version']}"])
    at = datetime.fromisoformat(outcome["until"])
    return made.run(window, reference, timestamp=at.replace(tzinfo=None), name=f"until {at:%Y-%m-%d %H:%M}")


def finding_metric() -> Any:
    """The class of a metric that shows one of our findings: its effect, its corrected p-value, alarm or none.

    Made on the first call, since Evidently takes seconds to import.
    """
    if "made" not in _CLASSES:
        _CLASSES["made"] = _finding_metric()
    return _CLASSES["made"]


_CLASSES: dict[str, Any] = {}


def _finding_metric() -> Any:
    from evidently.core.metric_types import SingleValueCalculation, SingleValueMetric
    from evidently.legacy.renderers.html_widgets import CounterData, counter

    class TidemillFinding(SingleValueMetric):  # type: ignore[misc]
        finding: str

    class TidemillFindingCalculation(SingleValueCalculation[TidemillFinding]):  # type: ignore[misc]
        def calculate(self, context: Any, current_data: Any, reference_data: Any) -> Any:
            del context, current_data, reference_data
            said = next(each for each in SHOWN.get()["findings"] if each["name"] == self.metric.finding)
            made = self.result(said["effect"])
            figures = {
                "Tidemill's verdict": "drift" if said["alarm"] else "no drift",
                "effect": f"{said['effect']:.3f}",
                "corrected p": f"{said['adjusted']:.2g}",
            }
            made.widget = [counter(counters=[CounterData(name, value) for name, value in figures.items()])]
            made.widget[0].title = f"{self.metric.finding}: permutation test"
            return made

        def display_name(self) -> str:
            return f"effect on {self.metric.finding}"

    return TidemillFinding


def add(snapshot: "Snapshot", outcome: Mapping[str, Any], folder: Path) -> None:
    """Add the report to the workspace, to the project with the recipe's name, made with its trends if need be."""
    from evidently.ui.workspace import Workspace

    workspace = Workspace.create(str(folder))
    found = [project for project in workspace.list_projects() if project.name == outcome["recipe"]]
    project = found[0] if found else workspace.create_project(outcome["recipe"])
    if not found:
        project.dashboard.add_panel(_trends(outcome))
    workspace.add_run(project.id, snapshot)


def _trends(outcome: Mapping[str, Any]) -> Any:
    from evidently.sdk.models import PanelMetric
    from evidently.sdk.panels import line_plot_panel

    names = [each["name"] for each in outcome["findings"]]
    lines = [PanelMetric(legend=name, metric="TidemillFinding", metric_labels={"finding": name}) for name in names]
    return line_plot_panel("Effect of each finding, window by window", lines)
