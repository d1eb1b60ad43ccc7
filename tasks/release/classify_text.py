"""The steps between a text and its answer: as they were when it was evaluated, and which one is another now."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from tasks import inference, storage, tokens
from tasks.release.broken import Broken
from tasks.release.class_answers import ANSWER_COLUMNS, SIMPLEST, TRUTH_COLUMNS, against_simplest, contest
from tasks.release.class_parity import answered, compared, evaluated_columns, expected
from tasks.release.diagnosis import diagnosed

__all__ = [
    "ANSWER_COLUMNS",
    "SIMPLEST",
    "TRUTH_COLUMNS",
    "against_simplest",
    "answered",
    "broken_input",
    "compared",
    "contest",
    "diagnosed",
    "evaluated_columns",
    "expected",
    "steps",
]


def steps(folder: Path, texts: Sequence[str]) -> dict[str, list[list[int]]]:
    """The token ids of each text, by the tokenizer and the length in model folder `folder`."""
    return {"tokens": _token_ids(folder, texts)}


def broken_input(folder: Path, probes: pd.DataFrame) -> Broken | None:
    """The step before the model that model folder `folder` takes otherwise than `probes` (their `tokens`), if any."""
    texts = probes["text"].tolist()
    expected = [row.tolist() for row in probes["tokens"]]
    found = _token_ids(folder, texts)
    others = [number for number, row in enumerate(found) if row != expected[number]]
    if not others:
        return None
    share = f"{len(others)} of {len(texts)} probes"
    if _cut_elsewhere(folder, texts, expected):
        lengths = f"texts are cut after {max(map(len, found))} tokens, evaluated after {max(map(len, expected))}"
        return Broken("truncation", f"{lengths} ({share})")
    if _token_ids(folder, [text.lower() for text in texts]) == expected:
        return Broken("lower-casing", f"capitals are kept, which the evaluated model never saw ({share})")
    example = probes["record_id"].iloc[others[0]]
    return Broken("tokeniser", f"{share} become other tokens, record {example} first")


def _token_ids(folder: Path, texts: Sequence[str], longest: int | None = None) -> list[list[int]]:
    most = longest or int(storage.read_json(folder / inference.DESCRIPTION)["max_tokens"])
    return tokens.encoded(tokens.tokenizer(folder, most), texts)


def _cut_elsewhere(folder: Path, texts: Sequence[str], expected: list[list[int]]) -> bool:
    """Whether the tokens become the evaluated ones when texts are cut where those were."""
    return _token_ids(folder, texts, max(map(len, expected))) == expected
