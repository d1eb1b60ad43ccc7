"""Four silos (tweets, products, films, editorials): alone, federated each way, pooled; bytes, deaths, poison, privacy.

    python bench/federate.py --feedback data/feedback --cache FOLDER [--rows 800] [--seeds 3]

The silos and rounds are the product's own code in one process (`tasks.federate.here`); texts are encoded once. Accuracy
is the mean of the four silos' accuracies on their own test records, averaged over seeds; the interval resamples test
records within silos (95 %, 1,000 resamples). `--rows 0` takes all records.
"""

import argparse
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tasks import storage
from tasks.federate import head, personal, rules
from tasks.federate.head import Encoded
from tasks.federate.here import Here
from tasks.federate.local import local
from tasks.federate.messages import Answer, Arrays, Ask, Fleet
from tasks.federate.plan import Plan
from tasks.federate.rounds import Federation, State, federated
from tasks.federate.silo_data import Coding, read, states
from tasks.markdown import table
from tasks.recipe import Federate
from tasks.statistics import Resampling, bootstrap

CLASSES = ("negative", "neutral", "positive")
RESAMPLING = Resampling(1000, 0.95, 17)
POISONER = "products"
KILLED, BACK = {"tweets": (4, 99), "products": (4, 7)}, "products"
DELTA = 1e-4
POOLED_EPOCHS = 20.0


@dataclass(frozen=True)
class Study:
    """The silos' homes, their encoded records, and what all runs share."""

    homes: tuple[Path, ...]
    encoded: dict[str, dict[str, Encoded]]
    plan: Plan
    seeds: int


def main() -> None:
    """Print one table for each question."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--feedback", type=Path, required=True)
    parser.add_argument("--cache", type=Path, required=True)
    parser.add_argument("--rows", type=int, default=800, help="training records a silo; a quarter validate, half test")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--epsilons", type=float, nargs="*", default=[1.0, 3.0, 8.0])
    asked = parser.parse_args()
    study = prepared(asked.feedback, asked.cache, asked.rows, asked.seeds)
    quality(study)
    defences(study)
    privacy(study, asked.epsilons)


def prepared(feedback: Path, cache: Path, rows: int, seeds: int) -> Study:
    """The silos of the feedback recipe, encoded (from the cache, if they are there)."""
    parts = {"train": rows, "validation": rows // 4, "test": rows // 2}
    for part, most in parts.items():
        records = storage.read_table(feedback / "split" / f"{part}.parquet", ["record_id", "text", "label", "domain"])
        ordered = records.sort_values("record_id", ignore_index=True)
        for domain, own in ordered.groupby("domain"):
            kept = own.head(most) if rows else own
            storage.write_table(
                cache / f"silos-{rows}" / str(domain) / "data" / f"{part}.parquet", kept[["text", "label"]]
            )
    base = feedback / "base_model"
    described = Plan(
        recipe="feedback", seed=0, classes=CLASSES, max_tokens=128,
        base_model=storage.sha256_file(base / "model.safetensors"), federate=Federate(),
    )  # fmt: skip
    homes = tuple(sorted(path for path in (cache / f"silos-{rows}").iterdir()))
    coding = Coding(base, described.base_model, described.max_tokens, CLASSES, threads=1)
    for home in homes:
        rules.write(home, rules.Rules(home.name, str(home / "data"), str(base)))
    encoded = {home.name: states(read(home / "data", CLASSES), coding, home) for home in homes}
    for name, own in encoded.items():
        print(f"{name}: " + ", ".join(f"{len(records):,} {part}" for part, records in own.items()))
    return Study(homes, encoded, described, seeds)


# ---- one run


@dataclass(frozen=True)
class Disturbed:
    """A fleet in which silos die and return, or lie."""

    fleet: Here
    absent: dict[str, tuple[int, int]]
    liar: str | None = None

    def connected(self) -> list[str]:
        """All that ever were."""
        return self.fleet.connected()

    def ask(self, question: Ask, silos: Sequence[str], seconds: float) -> list[Answer]:
        """Their answers, but for the absent; the liar's update is ten times as long and turned round."""
        there = [name for name in silos if not self._away(name, question.round)]
        return [self._changed(question, answer) for answer in self.fleet.ask(question, there, seconds)]

    def _away(self, name: str, number: int) -> bool:
        first, back = self.absent.get(name, (99, 99))
        return first <= number < back

    def _changed(self, question: Ask, answer: Answer) -> Answer:
        if answer.silo != self.liar or question.what != "train":
            return answer
        return replace(answer, arrays={name: -10 * values for name, values in answer.arrays.items()})


def run(study: Study, seed: int, fleet: Fleet | None = None, **knobs: object) -> State:
    """One federation of the study's silos, what they keep between rounds in a folder of its own."""
    settings = Federate.model_validate({"round_seconds": 0.1, **knobs})
    described = study.plan.model_copy(update={"seed": seed, "federate": settings})
    name = f"bench-{abs(hash((seed, settings.model_dump_json(), str(fleet))))}"
    with tempfile.TemporaryDirectory() as folder:
        made = Federation(described, name, tuple(home.name for home in study.homes), Path(folder))
        first = next(iter(study.encoded.values()))["train"].states.shape[1]
        start = {head.BIAS: np.zeros(3, np.float32), head.WEIGHT: np.zeros((3, first), np.float32)}
        return federated(made, start, fleet or Here(study.homes))


def trained_here(records: Encoded, seed: int) -> Arrays:
    """A head trained on these records in one place, with as many passes as ten rounds of two."""
    start = {head.BIAS: np.zeros(3, np.float32), head.WEIGHT: np.zeros((3, records.states.shape[1]), np.float32)}
    return head.trained(start, records, replace(local(Federate(), (seed, 1)), epochs=POOLED_EPOCHS))


def joined(parts: Sequence[Encoded]) -> Encoded:
    """All records together."""
    return Encoded(np.concatenate([p.states for p in parts]), np.concatenate([p.classes for p in parts]))


# ---- how good


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


def everywhere(study: Study, arrays: Arrays) -> dict[str, Arrays]:
    """The same head in each silo."""
    return dict.fromkeys(study.encoded, arrays)


def quality(study: Study) -> None:
    """Alone, federated, pooled, personal; and what is sent."""
    seeds = range(study.seeds)
    names = list(study.encoded)
    alone = [{name: trained_here(own["train"], seed) for name, own in study.encoded.items()} for seed in seeds]
    pooled = [everywhere(study, trained_here(joined([o["train"] for o in study.encoded.values()]), s)) for s in seeds]
    reference = hits(study, pooled)
    rows = [("each its own, at home", hits(study, alone), "")]
    rows += [(f"only {name}'s", hits(study, [everywhere(study, by[name]) for by in alone]), "") for name in names]
    rows.append(("pooled (records moved)", reference, ""))
    shared: list[Arrays] = []
    for label, knobs in {
        "FedAvg": {},
        "FedProx, 0.1": {"strategy": "fedprox", "proximal": 0.1},
        "FedAdam, 0.03": {"strategy": "fedadam", "server_learning_rate": 0.03},
        "FedAvg, 30 rounds": {"rounds": 30},
        "FedAvg, int8": {"compression": "int8"},
        "FedAvg, top 5 %": {"compression": "topk", "top_share": 0.05},
    }.items():
        runs = [run(study, seed, **knobs) for seed in seeds]
        shared = shared or [state.shared for state in runs]
        sent = sum(heard.bytes_up for heard in runs[0].rounds) / sum(heard.number > 0 for heard in runs[0].rounds[:-1])
        rows.append((label, hits(study, [everywhere(study, state.shared) for state in runs]), f"{sent / 1e3:.1f} kB"))
    own = [personal_heads(study, arrays, seed) for seed, arrays in zip(seeds, shared, strict=True)]
    rows.append(("FedAvg, then a head of its own each", hits(study, own), ""))
    told = [(n, figure(study, r), against(study, r, reference), *by_silo(study, r), sent) for n, r, sent in rows]
    print("\n" + table(["head", "mean accuracy", "points against pooled", *names, "sent up a round"], told))
    print("own head after FedAvg against alone, points: " + against(study, rows[-1][1], rows[0][1]))


def personal_heads(study: Study, shared: Arrays, seed: int) -> dict[str, Arrays]:
    """Each silo's own head, pulled towards the shared one as its validation records want it."""
    knobs = local(Federate(), (seed, 2))
    return {name: personal.best(shared, own["train"], own["validation"], knobs) for name, own in study.encoded.items()}


def defences(study: Study) -> None:
    """Two of four silos killed and one back; one poisoned, with and without a defence."""
    seeds, here = range(study.seeds), Here(study.homes)
    reference = hits(study, [everywhere(study, run(study, seed).shared) for seed in seeds])
    killed = Disturbed(here, KILLED)
    liar = Disturbed(here, {}, POISONER)
    rows = []
    for label, fleet, knobs in (
        ("undisturbed", here, {}),
        (f"tweets and products killed at round 4, {BACK} back at round 7", killed, {}),
        (f"{POISONER} sends -10 times its update, no defence", liar, {}),
        ("same, norm bound 1", liar, {"norm_bound": 1.0}),
        ("same, median", liar, {"aggregation": "median"}),
        ("same, trimmed mean", liar, {"aggregation": "trimmed_mean"}),
        ("same, trimmed mean and norm bound 1", liar, {"aggregation": "trimmed_mean", "norm_bound": 1.0}),
        ("no lie, norm bound 1", here, {"norm_bound": 1.0}),
        ("no lie, trimmed mean", here, {"aggregation": "trimmed_mean"}),
    ):
        found = hits(study, [everywhere(study, run(study, seed, fleet, **knobs).shared) for seed in seeds])
        rows.append((label, figure(study, found), against(study, found, reference)))
    print("\n" + table(["what happens", "mean accuracy", "points against undisturbed"], rows))


# ---- privacy


def privacy(study: Study, epsilons: Sequence[float]) -> None:
    """What record-level privacy costs, and what an attacker who knows the shared head learns of who was in."""
    seeds = range(study.seeds)
    overfit = [everywhere(study, memorised(study, seed)) for seed in seeds]
    rows = [("no privacy, trained until it memorises", overfit), *_private(study, epsilons, seeds)]
    told = []
    for label, heads in rows:
        attacks = [attack(study, by["films"]) for by in heads]
        told.append((label, figure(study, hits(study, heads)), f"{np.mean(attacks):.3f}"))
    print("\n" + table(["head", "mean accuracy", "membership attack (AUC; 0.5: knows nothing)"], told))


def _private(
    study: Study, epsilons: Sequence[float], seeds: Sequence[int]
) -> list[tuple[str, list[dict[str, Arrays]]]]:
    found = []
    for epsilon in [None, *epsilons]:
        knobs = {} if epsilon is None else {"privacy": {"epsilon": epsilon, "delta": DELTA}, "batch_size": 64}
        runs = [run(study, seed, **knobs) for seed in seeds]
        spent = [facts["epsilon"] for facts in runs[0].rounds[-1].silos.values()] if epsilon else []
        label = f"FedAvg, epsilon {max(spent):.2f}, delta {DELTA:g}" if spent else "FedAvg, no privacy"
        found.append((label, [everywhere(study, state.shared) for state in runs]))
    return found


def memorised(study: Study, seed: int) -> Arrays:
    """A pooled head after two hundred passes without any restraint."""
    records = joined([own["train"] for own in study.encoded.values()])
    start = {head.BIAS: np.zeros(3, np.float32), head.WEIGHT: np.zeros((3, records.states.shape[1]), np.float32)}
    return head.trained(start, records, replace(local(Federate(), (seed, 1)), epochs=200.0, learning_rate=1.0))


def attack(study: Study, shared: Arrays) -> float:
    """AUC of telling training from test records by their loss (Yeom et al. 2018), mean over silos."""
    return float(
        np.mean([_auc(_losses(shared, own["train"]), _losses(shared, own["test"])) for own in study.encoded.values()])
    )


def _losses(arrays: Arrays, records: Encoded) -> NDArray[np.float64]:
    scores = head.logits(arrays, records.states).astype(np.float64)
    scores -= scores.max(axis=1, keepdims=True)
    logs = scores - np.log(np.exp(scores).sum(axis=1, keepdims=True))
    return -logs[np.arange(len(records)), records.classes]


def _auc(members: NDArray[np.float64], others: NDArray[np.float64]) -> float:
    """The probability that a member's loss is the smaller one (Mann and Whitney)."""
    ranks = pd.Series(np.concatenate([members, others])).rank().to_numpy()
    below = ranks[len(members) :].sum() - len(others) * (len(others) + 1) / 2
    return float(below / (len(members) * len(others)))


if __name__ == "__main__":
    main()
