"""Great Expectations' pages made to be read without internet and without scripts."""

import ast
import html
import re
import shutil
from collections.abc import Sequence
from html.parser import HTMLParser
from pathlib import Path

from tasks.storage import write_text

STYLE = Path(__file__).with_name("data_docs.css")

KEPT_TAGS = frozenset(
    {"a", "b", "body", "br", "code", "dd", "div", "dl", "dt", "em", "h1", "h2", "h3", "h4", "h5", "h6", "i", "li"}
    | {"nav", "ol", "p", "pre", "small", "span", "strong", "table", "tbody", "td", "th", "thead", "tr", "ul"}
)
SILENT_TAGS = frozenset({"script", "style", "title", "footer", "button", "label"})
"""Dropped with all they hold: outside assets, and controls that only work with scripts."""

VOID_TAGS = frozenset({"br"})
KEPT_ATTRIBUTES = frozenset({"class", "id", "href", "title"})

_ROWS = re.compile(r"^\s*columns: (?P<columns>\[.*\]),\n\s*data: (?P<rows>\[.*\]),$", re.MULTILINE)
"""The index keeps its tables as Python literals inside scripts."""


def publish(built: Path, pages: Path) -> None:
    """Write every page of the folder `built` into `pages` as one self-contained file; older pages go."""
    style = STYLE.read_text(encoding="utf-8")
    shutil.rmtree(pages, ignore_errors=True)
    for page in sorted(built.rglob("*.html")):
        write_text(pages / page.relative_to(built), offline(page.read_text(encoding="utf-8"), style))


def offline(page: str, style: str) -> str:
    """The page with `style` inside, without scripts, images, fonts or anything else that a browser would fetch."""
    head = (
        f'<head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><style>{style}</style></head>'
    )
    return f'<!DOCTYPE html>\n<html lang="en">{head}{_kept(page)}</html>\n'


def _kept(page: str) -> str:
    keeper = _Keeper()
    keeper.feed(page)
    keeper.close()
    return re.sub(r"\n\s*\n+", "\n", "".join(keeper.parts))


class _Keeper(HTMLParser):
    """Writes back the tags, attributes and words that need nothing from outside."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.parts: list[str] = []
        self.silent: list[str] = []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        if tag in SILENT_TAGS:
            self.silent.append(tag)
        elif tag in KEPT_TAGS and not self.silent:
            self.parts.append(f"<{tag}{_attributes(attributes)}>")

    def handle_endtag(self, tag: str) -> None:
        if self.silent and tag == self.silent[-1]:
            self.silent.pop()
        elif tag in KEPT_TAGS - VOID_TAGS and not self.silent:
            self.parts.append(f"</{tag}>")

    def handle_data(self, data: str) -> None:
        if not self.silent:
            self.parts.append(html.escape(data))
        elif self.silent[-1] == "script" and (match := _ROWS.search(data)):
            self.parts.append(_kept(_table(ast.literal_eval(match["columns"]), ast.literal_eval(match["rows"]))))


def _attributes(attributes: Sequence[tuple[str, str | None]]) -> str:
    kept = [(name, value or "") for name, value in attributes if name in KEPT_ATTRIBUTES]
    inside = [
        (name, value)
        for name, value in kept
        if name != "href" or not re.match(r"\s*([a-z]+:|//)", value, re.IGNORECASE)
    ]
    return "".join(f' {name}="{html.escape(value)}"' for name, value in inside)


def _table(columns: Sequence[dict[str, str]], rows: Sequence[dict[str, str]]) -> str:
    """An HTML table of what the index's scripts would have drawn; a row's page is linked from its first cell."""
    titles = "".join(f"<th>{column['title']}</th>" for column in columns)
    lines = [f"<tr>{''.join(_cells(columns, row))}</tr>" for row in rows]
    return f'<table class="table index"><thead><tr>{titles}</tr></thead><tbody>{"".join(lines)}</tbody></table>'


def _cells(columns: Sequence[dict[str, str]], row: dict[str, str]) -> list[str]:
    cells = [str(row.get(column["field"], "")) for column in columns]
    link = html.escape(row.get("_table_row_link_path", "#"))
    return [f'<td><a href="{link}">{cell}</a></td>' for cell in cells]
