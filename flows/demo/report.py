"""The demonstration's report: one page as markdown and as HTML, with the figures first."""

import html
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tasks import storage
from tasks.markdown import table

STYLE = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:60em;margin:2em auto;padding:0 1em;color:#1a1a1a}"
    "table{border-collapse:collapse;margin:1em 0}td,th{border-bottom:1px solid #ccc;padding:.3em .8em;text-align:left;"
    "vertical-align:top}pre{background:#f4f4f4;padding:1em;overflow:auto;white-space:pre-wrap}"
)

Rows = list[tuple[str, ...]]


@dataclass(frozen=True)
class Figures:
    """What the demonstration shows. Accuracies are shares, on texts of the new kinds that never arrived."""

    before: float
    after: float
    at_random: float
    everything: float
    products_before: float
    products_after: float
    labels: int
    asked: int
    teach: int
    all_labels: int
    unseen: int
    version: int | None
    chain: list[dict[str, Any]]
    windows: list[dict[str, Any]]
    seconds: float
    asked_when_quiet: int


def write(root: Path, found: Figures, lines: Sequence[str]) -> None:
    """Write report.md and report.html into the folder."""
    parts = sections(found)
    text = "\n\n".join([f"# {TITLE}", *(f"## {name}\n\n{table(head, rows)}" for name, head, rows in parts)])
    storage.write_text(root / "report.md", f"{text}\n## The story\n\n```\n{chr(10).join(lines)}\n```\n")
    body = "".join(f"<h2>{html.escape(name)}</h2>{_html(head, rows)}" for name, head, rows in parts)
    story = f"<h2>The story</h2><pre>{html.escape(chr(10).join(lines))}</pre>"
    page = f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{TITLE}</title><style>{STYLE}</style>'
    storage.write_text(root / "report.html", f"{page}<body><h1>{TITLE}</h1>{body}{story}</body></html>\n")


TITLE = "The tide: from an alarm to a new champion"


def sections(found: Figures) -> list[tuple[str, tuple[str, ...], Rows]]:
    """Each table's heading, columns and rows."""
    return [
        ("Accuracy on the new kinds of text", ("model", "labels that teach", "accuracy"), _accuracies(found)),
        ("Figures", ("what", "figure"), _others(found)),
        (
            "Windows",
            ("day", "answers", "by", "what arrived", "the watch"),
            [
                (w["day"], f"{w['rows']:,}", f"tide@{w['version']}", w["what"], "DRIFT" if w["alarm"] else "quiet")
                for w in found.windows
            ],
        ),
        (
            "The chain in the ledger",
            ("when (UTC)", "what", "why"),
            [(entry["at"][:19].replace("T", " "), entry["kind"], entry["reason"]) for entry in found.chain],
        ),
    ]


def _accuracies(found: Figures) -> Rows:
    return [
        ("before: product reviews alone", "0", f"{found.before:.1%}"),
        (f"after: tide@{found.version}, what the loop chose", f"{found.teach:,}", f"{found.after:.1%}"),
        ("as many drawn at random", f"{found.teach:,}", f"{found.at_random:.1%}"),
        ("everything labelled, without error", f"{found.all_labels:,}", f"{found.everything:.1%}"),
    ]


def _others(found: Figures) -> Rows:
    return [
        ("texts that accuracy is measured on", f"{found.unseen:,}, which never arrived"),
        ("records asked", f"{found.asked:,}, of which {found.teach:,} teach and the others examine"),
        ("answers asked for", f"{found.labels:,}"),
        ("accuracy on product reviews", f"{found.products_before:.1%} before, {found.products_after:.1%} after"),
        ("questions before the tide", str(found.asked_when_quiet)),
        ("wall time", f"{found.seconds / 60:.1f} minutes"),
    ]


def _html(head: tuple[str, ...], rows: Rows) -> str:
    lines = "".join(f"<tr>{_cells('td', row)}</tr>" for row in rows)
    return f"<table><tr>{_cells('th', head)}</tr>{lines}</table>"


def _cells(tag: str, row: tuple[str, ...]) -> str:
    return "".join(f"<{tag}>{html.escape(cell)}</{tag}>" for cell in row)
