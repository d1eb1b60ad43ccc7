"""Four silos (tweets, products, films, editorials): alone, federated each way, pooled, personal; bytes, deaths, poison.

    python bench/federate.py --feedback data/feedback --cache FOLDER [--rows 0] [--seeds 3] [--parts choose quality ...]

A head on the frozen MiniLM, texts encoded once; silos and rounds are the product's own code in one process
(`tasks.federate.here`), but for `--parts processes`, which starts a SuperLink and SuperNodes. Learning rates, passes and
rounds are chosen on validation records with the first seed (`choose`, kept in the cache); test records are looked at once.
Accuracy is the mean of the four silos' accuracies on their own test records, averaged over seeds; the interval resamples
test records within silos (95 %, 1,000 resamples). `--rows 0` takes all records. Privacy: `bench/federate_privacy.py`.
"""

import itertools
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from silos import (
    CLASSES,
    PARTS,
    Disturbed,
    Study,
    accuracy,
    against,
    arguments,
    by_silo,
    by_silo_against,
    everywhere,
    figure,
    hits,
    prepared,
    run,
    settled,
    trained_here,
)

from tasks import storage
from tasks.federate import personal
from tasks.federate.here import Here
from tasks.federate.local import local
from tasks.federate.messages import Arrays
from tasks.markdown import table
from tasks.recipe import Federate

if TYPE_CHECKING:
    from tasks.federate.state import State

LIAR = "products"
KILLED, BACK = {"tweets": (4, 999), "products": (6, 9)}, "products"
TURNED = {"negative": "positive", "positive": "negative", "neutral": "neutral"}
ROUNDS, RATES = 100, (0.1, 0.3)
EPOCHS, LOCAL_EPOCHS = (5.0, 20.0, 80.0), (0.25, 0.5, 1.0)


def main() -> None:
    """Print one table for each question."""
    parser = arguments(__doc__, 0, "training records a silo, 0: all; a quarter validate")
    parser.add_argument("--seeds", type=int, default=3)
    parts: dict[str, Callable[[Study, dict[str, Any]], None]] = {"quality": quality, "bytes": sent, "poison": poison}
    parts |= {"deaths": deaths}
    parser.add_argument("--parts", nargs="*", default=["choose", *parts])
    asked = parser.parse_args()
    study = prepared(asked.feedback, asked.cache, asked.rows, asked.seeds)
    kept = asked.cache / f"chosen-{asked.rows}.json"
    if "choose" in asked.parts or not kept.is_file():
        storage.write_json(kept, choose(study))
    for name, part in parts.items():
        if name in asked.parts:
            part(study, storage.read_json(kept))


# ---- chosen on validation records


def choose(study: Study) -> dict[str, Any]:
    """Learning rates, passes and rounds with which the validation records come out best, first seed."""
    tried: list[tuple[str, str, float]] = []

    def best(label: str, candidates: Sequence[dict[str, Any]], score: Callable[[dict[str, Any]], float]) -> Any:
        scores = [score(candidate) for candidate in candidates]
        tried.extend((label, str(c), s) for c, s in zip(candidates, scores, strict=True))
        return candidates[int(np.argmax(scores))]

    def pooled(knobs: dict[str, float]) -> float:
        return accuracy(study, everywhere(study, trained_here(study, study.part("train"), 0, **knobs)), "validation")

    known: dict[str, tuple[float, int]] = {}

    def reached(knobs: dict[str, Any]) -> tuple[float, int]:
        if str(knobs) not in known:
            known[str(knobs)] = _at_best(study, knobs)
        return known[str(knobs)]

    def alone(knobs: dict[str, float]) -> float:
        heads = {name: trained_here(study, own["train"], 0, **knobs) for name, own in study.encoded.items()}
        return accuracy(study, heads, "validation")

    here = [{"epochs": e, "learning_rate": r} for e, r in itertools.product(EPOCHS, RATES)]
    chosen: dict[str, Any] = {"pooled": best("pooled", here, pooled), "alone": best("alone", here, alone)}
    ways = [{"local_epochs": e, "learning_rate": r} for e, r in itertools.product(LOCAL_EPOCHS, RATES)]
    chosen["FedAvg"] = best("FedAvg", ways, lambda knobs: reached(knobs)[0])
    others = {
        "FedProx": [{"strategy": "fedprox", "proximal": pull} for pull in (0.03, 0.1, 0.3)],
        "FedAdam": [{"strategy": "fedadam", "server_learning_rate": rate} for rate in (0.01, 0.03, 0.1)],
    }
    for label, knobs in others.items():
        chosen[label] = best(label, [{**chosen["FedAvg"], **k} for k in knobs], lambda k: reached(k)[0])
    for label in ("FedAvg", *others):
        chosen[label]["rounds"] = reached(chosen[label])[1]
    print("\n" + table(["training", "knobs", "validation"], [(n, k, f"{s:.4f}") for n, k, s in tried]))
    print(f"chosen: {chosen}", flush=True)
    return chosen


def _at_best(study: Study, knobs: dict[str, Any]) -> tuple[float, int]:
    """The best mean of the silos' validation accuracies within ROUNDS rounds, and after how many it came."""
    told = run(study, 0, **{"rounds": ROUNDS, **knobs}).rounds
    shares = [
        np.mean([facts["validation_right"] / facts["validation_rows"] for facts in heard.silos.values()])
        for heard in told
    ]
    return float(max(shares)), max(1, int(np.argmax(shares)))


# ---- how good


def quality(study: Study, chosen: dict[str, Any]) -> None:
    """Alone, federated each way, pooled, personal."""
    seeds, names = range(study.seeds), study.names
    alone = [
        {name: trained_here(study, own["train"], seed, **chosen["alone"]) for name, own in study.encoded.items()}
        for seed in seeds
    ]
    pooled = [everywhere(study, trained_here(study, study.part("train"), seed, **chosen["pooled"])) for seed in seeds]
    reference, home = hits(study, pooled), hits(study, alone)
    rows = [("each its own, at home", home)]
    rows += [(f"only {name}'s", hits(study, [everywhere(study, by[name]) for by in alone])) for name in names]
    rows.append(("pooled (records moved)", reference))
    ways = {"FedAvg, as the recipe has it": {}, **{label: chosen[label] for label in ("FedAvg", "FedProx", "FedAdam")}}
    runs = {label: [run(study, seed, **knobs) for seed in seeds] for label, knobs in ways.items()}
    rows += [(label, hits(study, [everywhere(study, one.shared) for one in made])) for label, made in runs.items()]
    own = [personal_heads(study, one.shared, seed) for seed, one in zip(seeds, runs["FedProx"], strict=True)]
    rows.append(("FedProx, then a head of its own each", hits(study, own)))
    told = [(label, figure(study, r), against(study, r, reference), *by_silo(study, r)) for label, r in rows]
    print("\n" + table(["head", "mean accuracy", "points against pooled", *names], told))
    difference = ("own head after FedProx", against(study, rows[-1][1], home))
    told = [(*difference, *by_silo_against(study, rows[-1][1], home))]
    print("\n" + table(["points against each alone", "mean", *names], told), flush=True)


def personal_heads(study: Study, shared: Arrays, seed: int) -> dict[str, Arrays]:
    """Each silo's own head, as `personal: true` fits it."""
    knobs = local(Federate(), (seed, 2))
    return {name: personal.best(shared, own["train"], own["validation"], knobs) for name, own in study.encoded.items()}


def sent(study: Study, chosen: dict[str, Any]) -> None:
    """Bytes of a round both ways, with and without compression, and what it costs."""
    seeds = range(study.seeds)
    rows: list[tuple[str, ...]] = []
    reference = None
    for label, knobs in {
        "none": {},
        "int8 up": {"compression": "int8"},
        "top 5 % up": {"compression": "topk", "top_share": 0.05},
        "int8 up and down": {"compression": "int8", "downlink": "int8"},
        "none, behind masks": {"secure_aggregation": True},
    }.items():
        runs = [run(study, seed, **chosen["FedAvg"], **knobs) for seed in seeds]
        found = hits(study, [everywhere(study, one.shared) for one in runs])
        reference = found if reference is None else reference
        first = runs[0].rounds[0]
        moved = (f"{first.bytes_up / 1e3:.2f}", f"{first.bytes_down / 1e3:.2f}")
        rows.append((label, *moved, figure(study, found), against(study, found, reference)))
    header = ["compression", "kB up a round", "kB down a round", "mean accuracy", "points against none"]
    print("\n" + table(header, rows), flush=True)


# ---- what goes wrong


def poison(study: Study, chosen: dict[str, Any]) -> None:
    """One of four silos lies: its labels turned round, its update scaled, both; with and without a defence."""
    homes = _with_turned_labels(study)
    flipped, here = Here(homes), Here(study.homes)
    lies = {
        "no lie": here,
        "labels turned": flipped,
        "update times -10": Disturbed(here, {}, LIAR, -10.0),
        "labels turned, update times 10": Disturbed(flipped, {}, LIAR, 10.0),
    }
    defences: dict[str, dict[str, Any]] = {
        "none": {},
        "norm bound 1": {"norm_bound": 1.0},
        "median": {"aggregation": "median"},
        "trimmed mean": {"aggregation": "trimmed_mean"},
        "trimmed mean, norm bound 1": {"aggregation": "trimmed_mean", "norm_bound": 1.0},
    }
    seeds, rows = range(study.seeds), []
    reference = None
    for defence, knobs in defences.items():
        found = []
        for fleet in lies.values():
            runs = [run(study, seed, fleet, **chosen["FedAvg"], **knobs) for seed in seeds]
            found.append(hits(study, [everywhere(study, one.shared) for one in runs]))
            reference = found[0] if reference is None else reference
        rows.append((defence, *(f"{figure(study, f)}; {against(study, f, reference)}" for f in found)))
    print(f"\n{LIAR} lies: mean accuracy; points against no lie and no defence")
    print("\n" + table(["defence", *lies], rows), flush=True)


def _with_turned_labels(study: Study) -> tuple[Path, ...]:
    """The homes, the liar's replaced by one with positive and negative exchanged in its training records."""
    (honest,) = (home for home in study.homes if home.name == LIAR)
    home = honest.parent.with_name(f"{honest.parent.name}-turned") / LIAR
    for part in PARTS:
        records = storage.read_table(honest / "data" / f"{part}.parquet", ["text", "label"])
        turned = records.assign(label=records["label"].map(TURNED)) if part == "train" else records
        storage.write_table(home / "data" / f"{part}.parquet", turned)
    settled(home, replace(study.coding, classes=CLASSES))
    return tuple(home if old.name == LIAR else old for old in study.homes)


def deaths(study: Study, chosen: dict[str, Any]) -> None:
    """Two of four silos killed, one of them back."""
    seeds, here = range(study.seeds), Here(study.homes)
    reference = None
    rows = []
    for label, fleet in (
        ("undisturbed", here),
        (f"tweets gone from round 4 on, {BACK} from 6 to 8", Disturbed(here, KILLED)),
        ("both gone from the start", Disturbed(here, dict.fromkeys(KILLED, (1, 999)))),
    ):
        runs: list[State] = [run(study, seed, fleet, **{**chosen["FedAvg"], "rounds": 12}) for seed in seeds]
        found = hits(study, [everywhere(study, one.shared) for one in runs])
        reference = found if reference is None else reference
        took = ", ".join(str(len(heard.silos)) for heard in runs[0].rounds[:-1])
        rows.append((label, took, figure(study, found), against(study, found, reference), *by_silo(study, found)))
    header = ["what happens", "silos in each round", "mean accuracy", "points against undisturbed", *study.names]
    print("\n" + table(header, rows), flush=True)


if __name__ == "__main__":
    main()
