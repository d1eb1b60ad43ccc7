"""The steps between an image and its answer: as they were when it was evaluated, and which one is another now."""

import hashlib
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from tasks import images, inference, storage
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


def steps(folder: Path, contents: Sequence[bytes]) -> dict[str, list[str]]:
    """The sha256 of each image's pixels, in the size and mode of model folder `folder`."""
    return {"pixels": _pixel_hashes(folder, contents)}


def broken_input(folder: Path, probes: pd.DataFrame) -> Broken | None:
    """The step before the model that model folder `folder` takes otherwise than `probes` (their `pixels`), if any."""
    contents, expected = probes["image"].tolist(), probes["pixels"].tolist()
    others = [number for number, found in enumerate(_pixel_hashes(folder, contents)) if found != expected[number]]
    if not others:
        return None
    form = storage.read_json(folder / inference.DESCRIPTION)["images"]
    share = f"{len(others)} of {len(contents)} probes, record {probes['record_id'].iloc[others[0]]} first"
    return Broken("pixels", f"images become other pixels at {form['size']} x {form['size']} {form['mode']} ({share})")


def _pixel_hashes(folder: Path, contents: Sequence[bytes]) -> list[str]:
    form = storage.read_json(folder / inference.DESCRIPTION)["images"]
    pixels = images.batch(contents, form["size"], form["mode"])
    return [hashlib.sha256(str(image.shape).encode() + image.tobytes()).hexdigest() for image in pixels]
