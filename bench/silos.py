"""The four silos of the feedback recipe for `bench/federate.py`: their records, runs of them, and figures with intervals."""

import argparse
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tasks import storage
from tasks.federate import head, head_kind, rules, silo
from tasks.federate.head import Encoded
from tasks.federate.here import Here
from tasks.federate.local import local
from tasks.federate.messages import Answer, Arrays, Ask, Fleet
from tasks.federate.plan import Plan
from tasks.federate.rounds import federated
from tasks.federate.silo_data import Coding, Records, read, states
from tasks.federate.state import Federation, State
from tasks.recipe import Federate
from tasks.statistics import Resampling, bootstrap

CLASSES = ("negative", "neutral", "positive")
PARTS = ("train", "validation", "test")
RESAMPLING = Resampling(1000, 0.95, 17)


@dataclass(frozen=True)
class Study:
    """The silos' homes, their encoded records, and what all runs share."""

    homes: tuple[Path, ...]
    encoded: dict[str, dict[str, Encoded]]
    coding: Coding
    plan: Plan
    seeds: int

    @property
    def names(self) -> list[str]:
        """Of the silos."""
        return list(self.encoded)

    def part(self, part: str) -> Encoded:
        """These records of all silos together."""
        parts = [own[part] for own in self.encoded.values()]
        return Encoded(np.concatenate([p.states for p in parts]), np.concatenate([p.classes for p in parts]))


def arguments(description: str | None, rows: int, help_on_rows: str | None = None) -> argparse.ArgumentParser:
    """The parser of a study's command line, with what each of them asks: the recipe's data, a cache, rows a silo."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--feedback", type=Path, required=True)
    parser.add_argument("--cache", type=Path, required=True)
    parser.add_argument("--rows", type=int, default=rows, help=help_on_rows)
    return parser


def prepared(feedback: Path, kept: Path, rows: int, seeds: int) -> Study:
    """The silos, encoded (kept in the folder `kept`); `rows` training records each at most, 0: all."""
    folder = kept / f"silos-{rows}"
    for part, most in {"train": rows, "validation": rows // 4, "test": rows // 2}.items():
        records = storage.read_table(feedback / "split" / f"{part}.parquet", ["record_id", "text", "label", "domain"])
        for domain, own in records.sort_values("record_id", ignore_index=True).groupby("domain"):
            kept = own.head(most) if rows else own
            storage.write_table(folder / str(domain) / "data" / f"{part}.parquet", kept[["text", "label"]])
    base = feedback / "base_model"
    described = Plan(
        recipe="feedback", seed=0, classes=CLASSES, max_tokens=128,
        base_model=storage.sha256_file(base / "model.safetensors"), federate=Federate(),
    )  # fmt: skip
    homes = tuple(sorted(path for path in folder.iterdir() if path.is_dir()))
    coding = Coding(base, described.base_model, described.max_tokens, CLASSES, threads=1)
    encoded = {home.name: settled(home, coding) for home in homes}
    read_once()
    for name, own in encoded.items():
        print(f"{name}: " + ", ".join(f"{len(records):,} {part}" for part, records in own.items()), flush=True)
    return Study(homes, encoded, coding, described, seeds)


def settled(home: Path, coding: Coding) -> dict[str, Encoded]:
    """The home's rules laid down and its records encoded."""
    rules.write(home, rules.Rules(home.name, str(home / "data"), str(coding.base_model)))
    return states(read(home / "data", CLASSES), coding, home)


def read_once() -> None:
    """Keep what silos read and encode: in a process of its own a silo reads its records anew for each question."""
    silo.read = cache(silo.read)
    encoded = {}

    def kept(records: Records, coding: Coding, home: Path) -> dict[str, Encoded]:
        if home not in encoded:
            encoded[home] = states(records, coding, home)
        return encoded[home]

    head_kind.states = kept


def start(study: Study) -> Arrays:
    """A head of zeros."""
    width = study.part("test").states.shape[1]
    return {head.BIAS: np.zeros(3, np.float32), head.WEIGHT: np.zeros((3, width), np.float32)}


def run(study: Study, seed: int, fleet: Fleet | None = None, **knobs: object) -> State:
    """One federation of the study's silos, in this process, by the very functions that silos and server run."""
    settings = Federate.model_validate({"round_seconds": 0.1, **knobs})
    described = study.plan.model_copy(update={"seed": seed, "federate": settings})
    with tempfile.TemporaryDirectory() as folder:
        made = Federation(described, Path(folder).name, tuple(study.names), Path(folder))
        return federated(made, start(study), fleet or Here(study.homes))


def trained_here(study: Study, records: Encoded, seed: int, epochs: float, learning_rate: float) -> Arrays:
    """A head trained on these records in one place."""
    knobs = replace(local(Federate(), (seed, 1)), epochs=epochs, learning_rate=learning_rate)
    return head.trained(start(study), records, knobs)


@dataclass(frozen=True)
class Disturbed:
    """A fleet in which silos die and return, or lie."""

    fleet: Here
    absent: dict[str, tuple[int, int]]
    """Silo: first round without it, first round with it again."""
    liar: str | None = None
    factor: float = 1.0
    """What the liar's update is multiplied by."""

    def connected(self) -> list[str]:
        """All that ever were."""
        return self.fleet.connected()

    def ask(self, question: Ask, silos: Sequence[str], seconds: float) -> list[Answer]:
        """Their answers, but for the absent, the liar's changed."""
        there = [name for name in silos if not self._away(name, question)]
        return [self._changed(question, answer) for answer in self.fleet.ask(question, there, seconds)]

    def _away(self, name: str, question: Ask) -> bool:
        first, back = self.absent.get(name, (999, 999))
        return first <= question.round < back or (question.what == "finish" and back == 999 and name in self.absent)

    def _changed(self, question: Ask, answer: Answer) -> Answer:
        if answer.silo != self.liar or question.what != "train":
            return answer
        return replace(answer, arrays={name: self.factor * values for name, values in answer.arrays.items()})


def accuracy(study: Study, by_silo: dict[str, Arrays], part: str) -> float:
    """The mean of the silos' accuracies on one part of their records."""
    shares = [head.right(by_silo[name], own[part]) / len(own[part]) for name, own in study.encoded.items()]
    return float(np.mean(shares))


def everywhere(study: Study, arrays: Arrays) -> dict[str, Arrays]:
    """The same head in each silo."""
    return dict.fromkeys(study.names, arrays)


# ---- figures


def hits(study: Study, heads: Sequence[dict[str, Arrays]]) -> NDArray[np.float64]:
    """What each test record adds to the mean of the silos' accuracies, mean over seeds; silo by silo."""
    columns = []
    for name, own in study.encoded.items():
        test = own["test"]
        right = [head.logits(by_silo[name], test.states).argmax(1) == test.classes for by_silo in heads]
        columns.append(np.mean(right, axis=0) / (len(test) * len(study.encoded)))
    return np.concatenate(columns)[:, None]


def strata(study: Study) -> NDArray[np.int64]:
    """The silo of each test record."""
    return np.repeat(np.arange(len(study.encoded)), [len(own["test"]) for own in study.encoded.values()])


def figure(study: Study, rows: NDArray[np.float64]) -> str:
    """Estimate and interval."""
    found = bootstrap(rows, lambda totals: totals[..., 0], RESAMPLING, strata(study))
    return f"{found.estimate:.3f} ({found.low:.3f} to {found.high:.3f})"


def against(study: Study, rows: NDArray[np.float64], reference: NDArray[np.float64]) -> str:
    """The difference on the same records, in points."""
    both = bootstrap(rows - reference, lambda totals: totals[..., 0], RESAMPLING, strata(study))
    return f"{100 * both.estimate:+.1f} ({100 * both.low:+.1f} to {100 * both.high:+.1f})"


def by_silo(study: Study, rows: NDArray[np.float64]) -> list[str]:
    """The accuracy in each silo."""
    at = strata(study)
    return [f"{rows[at == number].sum() * len(study.encoded):.3f}" for number in range(len(study.encoded))]


def by_silo_against(study: Study, rows: NDArray[np.float64], reference: NDArray[np.float64]) -> list[str]:
    """The difference in each silo, in points, with its interval."""
    told = []
    for number in range(len(study.encoded)):
        own = (rows - reference)[strata(study) == number] * len(study.encoded)
        found = bootstrap(own, lambda totals: totals[..., 0], RESAMPLING)
        told.append(f"{100 * found.estimate:+.1f} ({100 * found.low:+.1f} to {100 * found.high:+.1f})")
    return told
