"""Whether the present outputs are registered already: the same lineage registers once, and is judged once by a gate."""

import hashlib

from tasks import tracking
from tasks.paths import Paths
from tasks.recipe import Gate, Recipe
from tasks.release.lineage import lineage


def registered_version(recipe: Recipe, paths: Paths) -> int | None:
    """The version of the present outputs' lineage that was judged by the present gate, or None.

    Raises ServerError without MLflow.
    """
    tags = {tracking.LINEAGE_TAG: str(lineage(recipe.name, paths)["id"]), tracking.GATE_TAG: gate_mark(recipe.gate)}
    return tracking.released_version(recipe.name, tags)


def gate_mark(gate: Gate) -> str:
    """A short hash of the gate's settings: a version that failed may be judged again by others."""
    return hashlib.sha256(gate.model_dump_json().encode()).hexdigest()[:16]
