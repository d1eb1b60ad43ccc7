"""How many opinions are enough, and whom to trust: majority against Dawid-Skene and its kin, on real answers.

    python bench/crowd.py --feedback data/feedback --crowd FOLDER

Feedback: the consensus of k of an item's ratings against the consensus of all of them (the raters are anonymous).
FOLDER holds real workers who have ids: answer.csv (question, worker, answer) and truth.csv (question, truth).
"""

import argparse
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

from tasks import storage
from tasks.annotate.annotators import annotators
from tasks.annotate.classes import votes
from tasks.annotate.consensus import class_shares, consensus
from tasks.annotate.spammers import suspected
from tasks.markdown import table
from tasks.metrics.classes import weighted_f1
from tasks.recipe import Labels, load

SEEDS = range(5)
OPINIONS = range(1, 11)
SPAM_SHARE = 0.2


def interval(values: list[float]) -> str:
    """Mean over the seeds, and the range of them."""
    return f"{np.mean(values):.3f} ({min(values):.3f} to {max(values):.3f})"


def consensus_of_k(opinions: pd.DataFrame, scheme: Labels, k: int, seed: int) -> pd.DataFrame:
    """The consensus of k opinions by lot of each record (of fewer where there are fewer)."""
    order = np.random.default_rng(seed).permutation(len(opinions))
    drawn = opinions.iloc[order].groupby("record_id", sort=False).head(k)
    return consensus(drawn, class_shares(drawn, scheme), scheme)


def enough(folder: Path, recipe_file: Path) -> None:
    """Agreement of the consensus of k with that of all, by k and domain."""
    scheme = load(recipe_file).labels
    labels = pd.concat([storage.read_table(file) for file in sorted((folder / "labels").glob("*.parquet"))])
    records = storage.read_table(folder / "prepare" / "records.parquet", ["record_id", "domain"])
    opinions = votes(labels[labels["source"].str.endswith("_ratings")], scheme)
    whole = consensus(opinions, class_shares(opinions, scheme), scheme).merge(records, on="record_id")
    rows = []
    for k in OPINIONS:
        found = [consensus_of_k(opinions, scheme, k, seed).set_index("record_id") for seed in SEEDS]
        rows.append((k, interval([agreement(whole, one) for one in found]), *by_domain(whole, found)))
    domains = sorted(whole["domain"].unique())
    print(
        f"The consensus of k ratings against that of all ({len(whole):,} records, median {whole['n_labels'].median():g} ratings)\n"
    )
    print(
        table(
            ("k", "all (least and most of 5 seeds)", *domains, "weighted F1 of all"),
            [(*row, f1) for row, f1 in zip(rows, scores(whole, opinions, scheme), strict=True)],
        )
    )


def agreement(whole: pd.DataFrame, few: pd.DataFrame) -> float:
    """The share of records with the same class."""
    return float((few.loc[whole["record_id"], "label"].to_numpy() == whole["label"].to_numpy()).mean())


def by_domain(whole: pd.DataFrame, found: list[pd.DataFrame]) -> list[str]:
    """The mean agreement on each domain."""
    return [f"{np.mean([agreement(rows, one) for one in found]):.3f}" for _, rows in whole.groupby("domain")]


def scores(whole: pd.DataFrame, opinions: pd.DataFrame, scheme: Labels) -> list[str]:
    """The weighted F1 of the consensus of k, taken as an answer to that of all."""
    truth = pd.Index(scheme.classes).get_indexer(pd.Index(whole["label"]))
    told = []
    for k in OPINIONS:
        few = consensus_of_k(opinions, scheme, k, 0).set_index("record_id").loc[whole["record_id"], "label"]
        told.append(
            f"{weighted_f1(truth, pd.Index(scheme.classes).get_indexer(pd.Index(few)), len(scheme.classes)):.3f}"
        )
    return told


def crowd_votes(folder: Path) -> tuple[pd.DataFrame, pd.Series]:
    """Real workers' answers as votes, and the truth by question."""
    answers = pd.read_csv(folder / "answer.csv", dtype="str")
    truth = pd.read_csv(folder / "truth.csv", dtype="str").set_index("question")["truth"]
    named = {
        "record_id": answers["question"],
        "annotator": answers["worker"],
        "class_index": answers["answer"].astype("int64"),
    }
    return pd.DataFrame(named).assign(source="crowd", rating=np.nan), truth


def kin() -> dict[str, Callable[[pd.DataFrame], pd.Series]]:
    """Ways to one answer a question, by name: crowd-kit's beside ours."""
    from crowdkit.aggregation import OneCoinDawidSkene

    def by(model: object) -> Callable[[pd.DataFrame], pd.Series]:
        return lambda found: model.fit_predict(  # type: ignore[attr-defined]
            found.rename(columns={"record_id": "task", "annotator": "worker", "class_index": "label"})[
                ["task", "worker", "label"]
            ]
        )

    ours = {how: lambda found, how=how: our_consensus(found, how) for how in ("majority", "dawid_skene")}
    theirs = {"one-coin Dawid-Skene": OneCoinDawidSkene(100)}
    return {**ours, **{name: by(model) for name, model in theirs.items()}}


def our_consensus(found: pd.DataFrame, how: str) -> pd.Series:
    """The class index by question, as the annotate stage finds it."""
    scheme = Labels(classes=("0", "1"), consensus=how)
    agreed = consensus(found, class_shares(found, scheme), scheme)
    return agreed.set_index("record_id")["label"].astype("int64")


def f1_of_same(truth: pd.Series, told: pd.Series) -> tuple[float, float]:
    """Accuracy, and F1 of the rarer class 1."""
    right, answers = truth.astype("int64"), told.reindex(truth.index).astype("int64")
    hits = ((right == 1) & (answers == 1)).sum()
    return float((right == answers).mean()), float(2 * hits / ((right == 1).sum() + (answers == 1).sum()))


def trust(folder: Path) -> None:
    """Each way's accuracy on the crowd, as it is and with clickers among it, and asking the better workers first."""
    found, truth = crowd_votes(folder)
    with_spam = [spammed(found, seed) for seed in SEEDS]
    rows = []
    for name, aggregate in kin().items():
        clean = f1_of_same(truth, aggregate(found))
        dirty = [f1_of_same(truth, aggregate(one)) for one, _ in with_spam]
        rows.append(
            (name, f"{clean[0]:.4f}", f"{clean[1]:.4f}", *(interval([pair[i] for pair in dirty]) for i in (0, 1)))
        )
    rows += better_first(found, truth)
    print(f"{found['annotator'].nunique()} workers, {len(found):,} answers, {len(truth):,} questions with truth\n")
    print(table(("way", "accuracy", "F1 of `same`", "accuracy, 20 % clickers", "F1, 20 % clickers"), rows))


def better_first(found: pd.DataFrame, truth: pd.Series) -> list[tuple[str, ...]]:
    """One and two answers a question from the workers who agree best with the others, against as many by lot."""
    scheme = Labels(classes=("0", "1"), consensus="dawid_skene")
    shares = class_shares(found, scheme)
    quality = annotators(found, shares, consensus(found, shares, scheme), scheme).set_index("annotator")["accuracy"]
    rows = []
    for k in (1, 2):
        ranked = found.assign(skill=found["annotator"].map(quality)).sort_values(
            "skill", ascending=False, kind="stable"
        )
        best = f1_of_same(truth, our_consensus(ranked.groupby("record_id").head(k), "majority"))
        lots = [found.sample(frac=1, random_state=seed).groupby("record_id").head(k) for seed in SEEDS]
        lot = np.mean([f1_of_same(truth, our_consensus(one, "majority")) for one in lots], axis=0)
        rows.append((f"{k} of the better workers", f"{best[0]:.4f}", f"{best[1]:.4f}", "", ""))
        rows.append((f"{k} by lot", f"{lot[0]:.4f}", f"{lot[1]:.4f}", "", ""))
    return rows


def spammed(found: pd.DataFrame, seed: int) -> tuple[pd.DataFrame, set[str]]:
    """The answers with a fifth of the workers turned into people who click at random, and who they are."""
    rng = np.random.default_rng(seed)
    workers = np.sort(found["annotator"].unique())
    clickers = set(rng.permutation(workers)[: round(SPAM_SHARE * len(workers))])
    clicked = found["annotator"].isin(clickers).to_numpy()
    return found.assign(class_index=np.where(clicked, rng.integers(2, size=len(found)), found["class_index"])), clickers


def spammers(folder: Path) -> None:
    """Precision and recall of the workers who are called clickers, by how many answers they gave.

    `of new ones`: precision when those do not count who are suspected without any planted clicker, as real ones may be.
    """
    found, _ = crowd_votes(folder)
    real = set(suspected(found, ("0", "1"))["annotator"])
    rows = []
    for least in (1, 20, 50):
        figures = [_spam_figures(*spammed(found, seed), real, least) for seed in SEEDS]
        rows.append((least, f"{figures[0][0]:g}", *(interval([one[i] for one in figures]) for i in (1, 2, 3))))
    print(f"A fifth of the workers click at random: who is suspected? ({len(real)} are without any planted one)\n")
    print(table(("answers at least", "workers", "precision", "precision of new ones", "recall"), rows))


def _spam_figures(dirty: pd.DataFrame, clickers: set[str], real: set[str], least: int) -> tuple[float, ...]:
    """Workers judged, precision, precision of new ones, recall."""
    counts = dirty["annotator"].value_counts()
    judged = set(counts[counts >= least].index)
    called = set(suspected(dirty, ("0", "1"))["annotator"]) & judged
    hits = len(called & clickers)
    return (
        len(judged),
        hits / max(1, len(called)),
        hits / max(1, len(called - (real - clickers))),
        hits / len(clickers & judged),
    )


def main() -> None:
    """Print the tables."""
    warnings.filterwarnings("ignore", message="The copy keyword is deprecated")
    parser = argparse.ArgumentParser()
    parser.add_argument("--feedback", type=Path)
    parser.add_argument("--recipe", type=Path, default=Path("recipes/feedback.yaml"))
    parser.add_argument("--crowd", type=Path)
    given = parser.parse_args()
    if given.feedback:
        enough(given.feedback, given.recipe)
    if given.crowd:
        trust(given.crowd)
        spammers(given.crowd)


if __name__ == "__main__":
    main()
