"""What a release has to know of a model that silos have trained together."""

from tasks import federated
from tasks.paths import Paths
from tasks.recipe import Gate
from tasks.release.verdict import Verdict


def federated_words(paths: Paths) -> dict[str, str]:
    """Strategy, silos with their data's hashes, epsilon and delta, for the version; nothing for any other model."""
    told = federated.manifest(paths)
    return federated.summary(told) if told else {}


def too_little_privacy(gate: Gate, paths: Paths) -> Verdict | None:
    """The verdict against a federated model that spent more than `gate.max_epsilon`, or None."""
    told = federated.manifest(paths)
    if told is None or gate.max_epsilon is None:
        return None
    if told["epsilon"] is None:
        spent = "its silos trained without privacy"
    elif told["epsilon"] > gate.max_epsilon:
        spent = f"its silos spent epsilon {told['epsilon']:g}"
    else:
        return None
    return Verdict(promoted=False, reason=f"not private enough: {spent}, and gate.max_epsilon is {gate.max_epsilon:g}")
