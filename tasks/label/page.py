"""The labelling page for each kind of problem, and what a person's answer on it looks like.

Every page has one answer, by the tag `label`, and cannot be sent without it: Label Studio would take an empty one.
"""

from collections.abc import Callable, Sequence
from typing import Any
from xml.sax.saxutils import quoteattr

from tasks.errors import RecipeError
from tasks.recipe import Labels

CONTROL, OBJECT = "label", "item"

MOST_BUTTONS = 12
"""More classes than this are a list to search in."""

PREFERENCES = ("left", "right")
"""Which of two answers is better."""

STARS = 5
"""Of a rating when the recipe gives no scale."""

# `plaintext` lets each text run in the direction of its own first letter; the lines stay as they were written.
TEXT_STYLE = "unicode-bidi: plaintext; white-space: pre-wrap; font-size: 1.15em; line-height: 1.5; margin: 0.5em 0 1em"
REQUIRED = 'required="true" requiredMessage="Please answer first"'

Answer = dict[str, Any]


def page(kind: str, scheme: Labels) -> str:
    """Label Studio's XML for records of that kind. Raises RecipeError for a kind without a page."""
    if kind not in PAGES:
        raise RecipeError(f"kind {kind!r} has no labelling page; known are: {', '.join(PAGES)}")
    return f"<View>{PAGES[kind](scheme)}</View>"


def answer(kind: str, scheme: Labels, label: str) -> Answer:
    """The answer `label` in the form that the page sends it."""
    form, value = _value(kind, scheme, label)
    return {"from_name": CONTROL, "to_name": OBJECT, "type": form, "value": value}


def answers(scheme: Labels) -> tuple[str, ...]:
    """What a person can answer about a record with classes: the classes, or the whole numbers of the scale."""
    if scheme.ratings is None:
        return scheme.classes
    return tuple(str(number) for number in range(round(scheme.ratings.low), round(scheme.ratings.high) + 1))


def _value(kind: str, scheme: Labels, label: str) -> tuple[str, dict[str, Any]]:
    if kind == "translate":
        return "textarea", {"text": [label]}
    if kind == "recommend" and scheme.ratings is None:
        return "rating", {"rating": int(label)}
    return "choices", {"choices": [label]}


def _text(value: str = "$text", name: str = OBJECT) -> str:
    return f'<View style="{TEXT_STYLE}"><Text name="{name}" value="{value}"/></View>'


def _choices(scheme: Labels) -> str:
    return _scale(scheme) + _buttons(answers(scheme))


def _buttons(choices: Sequence[str]) -> str:
    layout = 'layout="select"' if len(choices) > MOST_BUTTONS else 'showInline="true"'
    tags = "".join(f"<Choice value={quoteattr(choice)}/>" for choice in choices)
    return f'<Choices name="{CONTROL}" toName="{OBJECT}" choice="single" {REQUIRED} {layout}>{tags}</Choices>'


def _scale(scheme: Labels) -> str:
    """What the numbers of a scale mean, or nothing for classes."""
    if scheme.ratings is None:
        return ""
    ends = (scheme.ratings.low, *scheme.ratings.cuts, scheme.ratings.high)
    spans = [f"{low:g} to {high:g}: {name}" for low, high, name in zip(ends, ends[1:], scheme.classes, strict=False)]
    return f'<Header size="5" value={quoteattr(" | ".join(spans))}/>'


def _classify_text(scheme: Labels) -> str:
    return _text() + _choices(scheme)


def _classify_image(scheme: Labels) -> str:
    return f'<Image name="{OBJECT}" value="$image"/>{_choices(scheme)}'


def _translate(_scheme: Labels) -> str:
    writing = f'<TextArea name="{CONTROL}" toName="{OBJECT}" value="$target_text" rows="4" maxSubmissions="1" editable="true" {REQUIRED}/>'
    return f'{_text("$source_text")}<Header size="5" value="Translation"/>{writing}'


def _generate(_scheme: Labels) -> str:
    """Two answers to one prompt side by side: which one is better?"""
    pair = "".join(
        f'<View style="flex: 1; padding: 0 1em">{_text(f"${one}", one)}</View>' for one in ("answer_a", "answer_b")
    )
    # The tag `Pairwise` cannot be required.
    chosen = _buttons(PREFERENCES)
    return f'{_text("$prompt")}<Header size="5" value="Which answer is better?"/><View style="display: flex">{pair}</View>{chosen}'


def _recommend(scheme: Labels) -> str:
    if scheme.ratings is not None:
        return _text() + _choices(scheme)
    return f'{_text()}<Rating name="{CONTROL}" toName="{OBJECT}" maxRating="{STARS}" {REQUIRED}/>'


PAGES: dict[str, Callable[[Labels], str]] = {
    "classify_text": _classify_text,
    "classify_image": _classify_image,
    "translate": _translate,
    "generate": _generate,
    "recommend": _recommend,
}
"""The inside of the page, by kind."""
