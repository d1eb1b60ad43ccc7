"""Passages of forgotten texts found in bytes, in whatever way a page, a log or a database has written them."""

import html
import json
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tasks.records import normalised

if TYPE_CHECKING:
    from mmap import mmap

Span = tuple[int, int]
"""The first byte and the one after the last."""

LEAST = 40
"""Bytes that a passage shares with a longer text to be taken for a part of it. The shortest excerpts that Tidemill
itself makes have 40 characters; below that, two people write the same words by chance."""

WINDOW, STRIDE = 24, 16
"""Every STRIDE bytes a window of the content is looked up among all windows of the texts. WINDOW + STRIDE - 1 is below
LEAST, so that no passage slips through."""

SHORT = 16
"""A text of fewer bytes is found only where it stands alone: between tags, quotes or line breaks."""

MARK = b"[forgotten]"
EDGES = b"\"'\\<>&|,;: \t\r\n"
"""Never cut from the ends of a passage: there they may be the page's own signs."""

_ALONE = rb"(?:^|(?<=[\"'<>|,\t\r\n]))%s(?=[\"'<>|,\t\r\n]|$)"


@dataclass(frozen=True)
class Needles:
    """What to look for. Build it with `needles`."""

    long: tuple[bytes, ...]
    whole: tuple[bytes, ...]
    """Found where all of it stands: texts below LEAST, record ids."""
    alone: re.Pattern[bytes] | None
    windows: Mapping[bytes, tuple[tuple[int, int], ...]]
    """By window: which of the long texts has it, and where."""


def needles(texts: Iterable[str], ids: Iterable[str]) -> Needles:
    """The needles for these texts in all their forms, and for these record ids."""
    written = sorted({form for text in texts for form in forms(text)} - {b""})
    long = tuple(form for form in written if len(form) >= LEAST)
    middle = [form for form in written if SHORT <= len(form) < LEAST]
    short = [re.escape(form) for form in written if len(form) < SHORT]
    windows: dict[bytes, list[tuple[int, int]]] = defaultdict(list)
    for number, form in enumerate(long):
        for at in range(len(form) - WINDOW + 1):
            windows[form[at : at + WINDOW]].append((number, at))
    alone = re.compile(_ALONE % (b"(?:" + b"|".join(short) + b")")) if short else None
    found = {window: tuple(places) for window, places in windows.items()}
    return Needles(long, (*middle, *sorted(identity.encode() for identity in ids)), alone, found)


def forms(text: str) -> set[bytes]:
    """The text as it may stand in a file: plain, on one line, as HTML, JSON, JSON in JSON, markdown, Python."""
    found = set()
    for plain in {text, normalised(text)}:
        once = html.escape(plain)
        in_json = json.dumps(plain)[1:-1]
        written = {plain, once, once.replace("&#x27;", "&#39;").replace("&quot;", "&#34;"), html.escape(once), in_json}
        written |= {json.dumps(in_json)[1:-1], json.dumps(plain, ensure_ascii=False)[1:-1]}
        written |= {html.escape(plain, quote=False), html.escape(plain, quote=False).replace("&gt;", ">")}
        written |= {plain.replace("|", "\\|"), repr(plain)[1:-1], " ".join(once.split())}
        found |= {form.encode(errors="replace") for form in written}
    return found


def spans(content: "bytes | mmap", wanted: Needles) -> list[Span]:
    """Where passages of the texts stand, in order and without overlaps."""
    found = [*_passages(content, wanted), *_wholes(content, wanted)]
    if wanted.alone:
        found += [match.span() for match in wanted.alone.finditer(content)]
    return _united(found)


def redacted(content: bytes, wanted: Needles) -> tuple[bytes, int]:
    """The content with MARK in the place of each passage, and how many there were."""
    found = spans(content, wanted)
    if not found:
        return content, 0
    starts = [0, *(end for _, end in found)]
    ends = [*(start for start, _ in found), len(content)]
    return MARK.join(content[start:end] for start, end in zip(starts, ends, strict=True)), len(found)


def _passages(content: "bytes | mmap", wanted: Needles) -> Iterator[Span]:
    windows, reached = wanted.windows, 0
    if not windows:
        return
    for at in range(0, len(content) - WINDOW + 1, STRIDE):
        if at >= reached and (places := windows.get(content[at : at + WINDOW])):
            whole = [_grown(content, at, wanted.long[number], offset) for number, offset in places]
            start, end = max(whole, key=lambda span: span[1] - span[0])
            if end - start >= LEAST:
                reached = end
                yield _trimmed(content, start, end)


def _grown(content: "bytes | mmap", at: int, form: bytes, offset: int) -> Span:
    """The longest passage around content[at:] that goes with form[offset:]."""
    before = after = 0
    while before < min(at, offset) and content[at - before - 1] == form[offset - before - 1]:
        before += 1
    longest = min(len(content) - at, len(form) - offset)
    while after < longest and content[at + after] == form[offset + after]:
        after += 1
    return at - before, at + after


def _trimmed(content: "bytes | mmap", start: int, end: int) -> Span:
    while start < end and content[start] in EDGES:
        start += 1
    while start < end and content[end - 1] in EDGES:
        end -= 1
    return start, end


def _wholes(content: "bytes | mmap", wanted: Needles) -> Iterator[Span]:
    for form in wanted.whole:
        at = content.find(form)
        while at >= 0:
            yield at, at + len(form)
            at = content.find(form, at + len(form))


def _united(found: Iterable[Span]) -> list[Span]:
    united: list[Span] = []
    for start, end in sorted(found):
        if united and start <= united[-1][1]:
            united[-1] = (united[-1][0], max(end, united[-1][1]))
        else:
            united.append((start, end))
    return united
