"""What record-level privacy costs four silos, and what it takes from those who ask who was in.

    python bench/federate_privacy.py --feedback data/feedback --cache FOLDER [--rows 300] [--seeds 3] [--epsilons 1 3 8]

The same study as `bench/federate.py`. Two attackers hold a silo's training records and as many others and say which were
in, by a number for each record: who has the released head only, its loss (Yeom et al. 2018); who runs the server, how
well the record's gradient fits the updates that the silo sent (Nasr et al. 2019). AUC 0.5: knows nothing. Knobs are
chosen on validation records with the first seed (that choice is not on the silos' account).
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from silos import Study, accuracy, against, arguments, everywhere, figure, hits, prepared, run

from tasks.federate import head
from tasks.federate.head import Encoded
from tasks.federate.here import Here
from tasks.federate.messages import Answer, Arrays, Ask
from tasks.markdown import table

DELTA = 1e-4
KNOBS = [
    {"rounds": 10, "local_epochs": passes, "learning_rate": rate, "batch_size": 64}
    for passes in (1.0, 4.0)
    for rate in (0.1, 0.5, 2.0)
]


def main() -> None:
    """Print one table."""
    parser = arguments(__doc__, 300, "training records a silo, 0: all")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--epsilons", type=float, nargs="*", default=[8.0, 3.0, 1.0])
    asked = parser.parse_args()
    study = prepared(asked.feedback, asked.cache, asked.rows, asked.seeds)
    rows: list[tuple[str, ...]] = []
    reference = None
    for epsilon in [None, *asked.epsilons]:
        knobs = best(study, epsilon)
        heard = [Overheard(Here(study.homes)) for _ in range(study.seeds)]
        runs = [run(study, seed, fleet, **knobs) for seed, fleet in enumerate(heard)]
        found = hits(study, [everywhere(study, one.shared) for one in runs])
        reference = found if reference is None else reference
        spent = max(float(facts.get("epsilon", 0)) for facts in runs[0].rounds[-1].silos.values())
        label = f"epsilon {spent:.2f}, delta {DELTA:g}" if epsilon else "no privacy"
        released = [auc(study, partial(_loss_of, one.shared)) for one in runs]
        server = [auc(study, fleet.misfits) for fleet in heard]
        chosen = f"{knobs['local_epochs']:g} passes, rate {knobs['learning_rate']:g}"
        rows.append(
            (label, chosen, figure(study, found), against(study, found, reference), told(released), told(server))
        )
        header = ["head", "knobs", "mean accuracy", "points", "attack on the released head, AUC", "by the server, AUC"]
        print("\n" + table(header, rows), flush=True)


def best(study: Study, epsilon: float | None) -> dict[str, Any]:
    """The knobs with which the validation records come out best."""
    private = {} if epsilon is None else {"privacy": {"epsilon": epsilon, "delta": DELTA}}
    candidates = [{**knobs, **private} for knobs in KNOBS]
    scores = [accuracy(study, everywhere(study, run(study, 0, **c).shared), "validation") for c in candidates]
    return candidates[int(np.argmax(scores))]


def told(values: Sequence[float]) -> str:
    """Mean, least and most of the seeds."""
    return f"{np.mean(values):.3f} ({min(values):.3f} to {max(values):.3f})"


# ---- attacks


@dataclass(frozen=True)
class Overheard:
    """A fleet whose server keeps what it asks and what each silo sends back."""

    fleet: Here
    kept: dict[str, list[tuple[Arrays, Arrays]]] = field(default_factory=dict)

    def connected(self) -> list[str]:
        """All of them."""
        return self.fleet.connected()

    def ask(self, question: Ask, silos: Sequence[str], seconds: float) -> list[Answer]:
        """Their answers, unchanged."""
        answers = self.fleet.ask(question, silos, seconds)
        if question.what == "train":
            for answer in answers:
                self.kept.setdefault(answer.silo, []).append((question.arrays, answer.arrays))
        return answers

    def misfits(self, silo: str, records: Encoded) -> NDArray[np.float64]:
        """For each record how far its gradients point along the silo's updates; members' point against them."""
        states = np.hstack([records.states, np.ones((len(records), 1), np.float32)]).astype(np.float64)
        total = np.zeros(len(records))
        for shared, update in self.kept[silo]:
            errors = np.exp(_log_shares(shared, records)) - np.eye(3)[records.classes]
            moved = np.hstack([update[head.WEIGHT], update[head.BIAS][:, None]])
            total += np.einsum("rc,cw,rw->r", errors, moved, states)
        return total


def _loss_of(shared: Arrays, silo: str, records: Encoded) -> NDArray[np.float64]:
    """The attack of one who has the released head: the silo does not matter."""
    del silo
    return head.losses(shared, records)


def _log_shares(arrays: Arrays, records: Encoded) -> NDArray[np.float64]:
    scores = head.logits(arrays, records.states).astype(np.float64)
    scores -= scores.max(axis=1, keepdims=True)
    return np.asarray(scores - np.log(np.exp(scores).sum(axis=1, keepdims=True)))


def auc(study: Study, score: Any) -> float:
    """Of telling training from test records of a silo by a score that is smaller for members, mean over silos."""
    return float(
        np.mean([_auc(score(name, own["train"]), score(name, own["test"])) for name, own in study.encoded.items()])
    )


def _auc(members: NDArray[np.float64], others: NDArray[np.float64]) -> float:
    """The probability that a member's score is the smaller one (Mann and Whitney)."""
    ranks = pd.Series(np.concatenate([members, others])).rank().to_numpy()
    below = ranks[len(members) :].sum() - len(others) * (len(others) + 1) / 2
    return float(below / (len(members) * len(others)))


if __name__ == "__main__":
    main()
