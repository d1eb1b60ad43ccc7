"""E-mails (RFC 5322) as rows: what a person reads, and when it really arrived."""

import datetime as dt
import email
import hashlib
import re
from collections.abc import Iterable
from email.header import decode_header
from email.message import Message
from email.utils import parseaddr, parsedate_to_datetime
from html.parser import HTMLParser

import pandas as pd

from tasks.collect.tables import table_of

PLAUSIBLE_YEARS = range(1985, 2100)
"""Mail with Received headers began in the eighties; other years are clocks that were set wrong."""

_ANSWER = re.compile(r"^\s*(?:(?:re|fwd?|aw|wg|sv|antw|tr)\s*(?:\[\d+\])?\s*:|\[[^\]]*\])\s*", re.IGNORECASE)


def mail_table(members: Iterable[tuple[str, bytes]], encoding: str) -> pd.DataFrame:
    """Columns path, text, subject, sender_domain, thread, received_at (ISO 8601, UTC); one row a message.

    `encoding` is for bytes that do not say their own. `thread` is a hash of the subject without Re: and list tags.
    """
    rows = [mail_row(path, content, encoding) for path, content in members]
    return table_of(rows, pd.Index([row["path"] for row in rows], name="file"))


def mail_row(path: str, content: bytes, encoding: str) -> dict[str, str | None]:
    """One message as a row."""
    message = email.message_from_bytes(content)
    subject = _header(message, "subject", encoding)
    received = received_at(message)
    return {
        "path": path,
        "text": f"{subject}\n{body(message, encoding)}".strip(),
        "subject": subject,
        "sender_domain": _sender_domain(message, encoding),
        "thread": thread(subject),
        "received_at": received.isoformat() if received else None,
    }


def body(message: Message, encoding: str) -> str:
    """The first text part that holds something; HTML as its words."""
    for part in message.walk():
        if part.get_content_maintype() == "text" and not part.is_multipart():
            text = _decoded(part, encoding)
            found = words(text) if part.get_content_subtype() == "html" else text.strip()
            if found:
                return found
    return ""


def words(html: str) -> str:
    """The text that a browser would show, in one line."""
    parser = _Words()
    parser.feed(html)
    parser.close()
    return " ".join(" ".join(parser.found).split())


def thread(subject: str) -> str | None:
    """A name for all messages with this subject (16 hexadecimal digits), or None without one."""
    plain = " ".join(subject.casefold().split())
    while (shorter := _ANSWER.sub("", plain)) != plain:
        plain = shorter
    return hashlib.sha256(plain.encode()).hexdigest()[:16] if plain else None


def received_at(message: Message) -> dt.datetime | None:
    """When the last server took the message (UTC): its Received header is the first, and no sender can forge it."""
    for header in message.get_all("Received") or []:
        try:
            found = parsedate_to_datetime(str(header).rpartition(";")[2].strip())
        except (ValueError, IndexError, TypeError, OverflowError):
            continue
        aware = found if found.tzinfo else found.replace(tzinfo=dt.UTC)
        return aware.astimezone(dt.UTC) if aware.year in PLAUSIBLE_YEARS else None
    return None


class _Words(HTMLParser):
    """Collects text outside of scripts and style sheets."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.found: list[str] = []
        self._hidden = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:  # noqa: ARG002 (the parser's signature)
        self._hidden += tag in ("script", "style")

    def handle_endtag(self, tag: str) -> None:
        self._hidden = max(0, self._hidden - (tag in ("script", "style")))

    def handle_data(self, data: str) -> None:
        if not self._hidden:
            self.found.append(data)


def _decoded(part: Message, encoding: str) -> str:
    payload = part.get_payload(decode=True)
    content = payload if isinstance(payload, bytes) else b""
    return _text(content, part.get_content_charset() or encoding, encoding)


def _text(content: bytes, charset: str, fallback: str) -> str:
    """The bytes in their own charset, or in the fallback when that is unknown or wrong."""
    try:
        return content.decode(charset)
    except (LookupError, UnicodeDecodeError, ValueError):
        return content.decode(fallback, "replace")


def _header(message: Message, name: str, encoding: str) -> str:
    """A header as text, its encoded words read, its folds undone."""
    values = (str(value) for key, value in message.raw_items() if key.lower() == name)
    raw = _text(next(values, "").encode("utf-8", "surrogateescape"), "utf-8", encoding)
    try:
        parts = decode_header(raw)
    except (ValueError, LookupError):
        return " ".join(raw.split())
    texts = [part if isinstance(part, str) else _text(part, charset or encoding, encoding) for part, charset in parts]
    return " ".join("".join(texts).split())


def _sender_domain(message: Message, encoding: str) -> str | None:
    domain = parseaddr(_header(message, "from", encoding))[1].rpartition("@")[2]
    return domain.lower().strip(">. ") or None
