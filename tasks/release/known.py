"""Whether the present outputs are registered already: the same lineage registers once."""

from tasks import tracking
from tasks.paths import Paths
from tasks.recipe import Recipe
from tasks.release.lineage import lineage


def registered_version(recipe: Recipe, paths: Paths) -> int | None:
    """The version whose lineage is that of the present outputs, or None. Raises ServerError without MLflow."""
    return tracking.released_version(recipe.name, str(lineage(recipe.name, paths)["id"]))
