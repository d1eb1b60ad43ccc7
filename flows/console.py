"""What `tidemill run` shows: a live line for each stage on a terminal, plain lines elsewhere."""

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

from flows.events import Display, Ended, Event, Line, Progress, Started, silent

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress as Bars
    from rich.progress import TaskID

MARKS = {"Completed": "[green]✓[/]", "Cached": "[dim]=[/]", "Restored": "[cyan]↺[/]", "Failed": "[red]✗[/]",
         "Identical": "[green]✓[/]", "Different": "[yellow]≠[/]"}  # fmt: skip
LONGEST_NOTE = 60
"""Characters of a stage's newest line that stand beside its bar."""


@contextlib.contextmanager
def showing(*, quiet: bool = False) -> Iterator[Display]:
    """A display on standard output, closed in good order whatever happens; `quiet`: one that shows nothing."""
    if quiet:
        yield silent
        return
    from rich.console import Console

    console = Console(highlight=False)
    if console.is_terminal:
        with _bars(console) as bars:
            yield live(bars)
    else:
        yield plain(console)


def plain(console: "Console") -> Display:
    """One line for each event and no control characters: for logs and pipes."""

    def show(stage: str, event: Event) -> None:
        if isinstance(event, Started):
            text = f"{stage}: started"
        elif isinstance(event, Line):
            text = f"{stage} | {event.text}"
        elif isinstance(event, Ended):
            text = f"{stage}: {event.state.lower()} ({event.seconds:.1f} s)"
        else:
            return
        console.print(text, markup=False, soft_wrap=True)

    return show


def live(bars: "Bars") -> Display:
    """One line for each stage, which changes in place."""
    rows: dict[str, TaskID] = {}

    def show(stage: str, event: Event) -> None:
        if stage not in rows:
            rows[stage] = bars.add_task(stage, total=None, mark="[yellow]●[/]", state="running", took="", note="")
        row = rows[stage]
        if isinstance(event, Line):
            bars.update(row, note=_short(event.text))
        elif isinstance(event, Progress):
            bars.update(row, completed=event.done, total=event.total, note=_short(event.note or event.what))
        elif isinstance(event, Ended):
            done = 0 if event.state == "Failed" else 1
            bars.update(row, total=1, completed=done, mark=MARKS.get(event.state, " "), note="")
            bars.update(row, state=event.state.lower(), took=f"{event.seconds:.1f} s")

    return show


def _bars(console: "Console") -> "Bars":
    from rich.progress import BarColumn, TextColumn
    from rich.progress import Progress as Bars

    return Bars(
        TextColumn("{task.fields[mark]}"),
        TextColumn("{task.description:<11}"),
        BarColumn(bar_width=20),
        TextColumn("{task.fields[state]:<9}"),
        TextColumn("{task.fields[took]:>8}"),
        TextColumn("[dim]{task.fields[note]}[/]"),
        console=console,
        refresh_per_second=4,
    )


def _short(text: str) -> str:
    from rich.markup import escape

    return escape(text if len(text) <= LONGEST_NOTE else f"{text[: LONGEST_NOTE - 1]}…")
