"""What a release has to know of a model that silos have trained together."""

from tasks import federated
from tasks.check import Check
from tasks.paths import Paths
from tasks.recipe import Gate


def federated_words(paths: Paths) -> dict[str, str]:
    """Strategy, silos with their data's hashes, epsilon and delta, for the version; nothing for any other model."""
    told = federated.manifest(paths)
    return federated.summary(told) if told else {}


def privacy_checks(gate: Gate, paths: Paths) -> list[Check]:
    """Whether a federated model spent no more than `gate.max_epsilon`; no check without a limit or a federation."""
    told = federated.manifest(paths)
    if told is None or gate.max_epsilon is None:
        return []
    limit = f"gate.max_epsilon is {gate.max_epsilon:g}"
    if told["epsilon"] is None:
        return [Check("privacy", False, f"the silos trained without privacy, and {limit}")]
    return [
        Check("privacy", told["epsilon"] <= gate.max_epsilon, f"the silos spent epsilon {told['epsilon']:g}; {limit}")
    ]
