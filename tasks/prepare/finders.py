"""Where personal data stands in a text: one function a kind, each giving spans in order."""

import re
from collections.abc import Iterable

import phonenumbers
from stdnum import iban, luhn

Span = tuple[int, int]
"""The first character and the one after the last."""

IBAN_LENGTHS = range(34, 14, -1)
"""Longest first, so that a number is never taken for a shorter one that it begins with."""

CARD_LENGTHS = range(13, 20)

_EMAIL = re.compile(r"(?<![\w.+%-])[\w.+%-]{1,64}@(?:[\w-]{1,63}\.){1,8}[^\W\d_]{2,24}(?![\w@])")
_CARD = re.compile(r"(?<![\w.,+/=@-])(?:[3-6][0-9]|2[2-7])[0-9]{2}(?:[ -]?[0-9]{3,15}){1,4}(?![\w/=@]|[.,-][0-9])")
_ACCOUNT_START = re.compile(r"(?<![\w/=.-])[A-Za-z]{2}[0-9]{2}(?= ?[A-Za-z0-9]{4})")
_LETTER_OR_DIGIT = re.compile(r"[A-Za-z0-9]")
_PHONE_LIKE = re.compile(r"[0-9](?:[ ().\-/]{0,3}[0-9]){6}")
_LINK = re.compile(r"(?:https?|ftp)://\S+|www\.\S+")


def emails(text: str) -> list[Span]:
    """Spans of e-mail addresses; message ids have the same form and are found too."""
    return [match.span() for match in _EMAIL.finditer(text)] if "@" in text else []


def cards(text: str) -> list[Span]:
    """Spans of payment card numbers: 13 to 19 digits, an issuer's first digits and Luhn's check digit (ISO/IEC 7812-1).

    One number in ten has a right check digit by chance, so digits inside a word, path, amount or hex dump are no card.
    """
    ends = ((match.start(), _card_end(match)) for match in _CARD.finditer(text))
    return [(start, end) for start, end in ends if end is not None]


def _card_end(match: re.Match[str]) -> int | None:
    """Where the longest card number ends that starts with the match and leaves no group of digits torn."""
    groups = list(re.finditer(r"[0-9]+", match.group()))
    for last in reversed(groups):
        found = match.group()[: last.end()]
        separators = set(re.findall(r"[ -]", found))
        digits = re.sub(r"[ -]", "", found)
        alike = len(separators) <= 1 and len(set(digits)) > 1
        if alike and len(digits) in CARD_LENGTHS and luhn.is_valid(digits):
            return match.start() + last.end()
    return None


def accounts(text: str) -> list[Span]:
    """Spans of bank account numbers (IBAN, ISO 13616): country, structure and check digits must be right."""
    ends = ((match.start(), _account_end(text, match.start())) for match in _ACCOUNT_START.finditer(text))
    return [(start, end) for start, end in ends if end is not None]


def _account_end(text: str, start: int) -> int | None:
    """Where the longest account number ends that starts at `start` and stops where a word does."""
    ends = [match.end() for match in _LETTER_OR_DIGIT.finditer(text, start, start + 2 * IBAN_LENGTHS.start)]
    for length in IBAN_LENGTHS:
        if length <= len(ends):
            end = ends[length - 1]
            if not text[end : end + 1].isalnum() and iban.is_valid(text[start:end]):
                return end
    return None


def phones(text: str, region: str) -> list[Span]:
    """Spans of phone numbers: written the way of `region`, or valid anywhere when they begin with +.

    Strict grouping is what keeps network addresses and version numbers out: on 5,927 mails the looser rule added
    322 spans, nearly all of them the IP addresses of links. Numbers inside links are left alone.
    """
    if not _PHONE_LIKE.search(text):
        return []
    found = set(_matched(text, region, phonenumbers.Leniency.STRICT_GROUPING))
    if "+" in text:
        found |= {span for span in _matched(text, region, phonenumbers.Leniency.VALID) if text[span[0]] == "+"}
    links = [match.span() for match in _LINK.finditer(text)] if found else []
    return [span for span in sorted(found) if not overlaps(span, links)]


def _matched(text: str, region: str, leniency: int) -> list[Span]:
    return [(match.start, match.end) for match in phonenumbers.PhoneNumberMatcher(text, region, leniency=leniency)]


def overlaps(span: Span, others: Iterable[Span]) -> bool:
    """Whether the span shares a character with one of the others."""
    return any(span[0] < end and start < span[1] for start, end in others)
