"""Which values of a recipe each stage may read, and a view of the recipe that shows no others."""

from typing import Any, cast

from pydantic import BaseModel

from tasks.errors import RecipeError
from tasks.recipe import Recipe

SECTIONS: dict[str, tuple[str, ...]] = {
    "annotate": ("kind", "labels.classes", "labels.ratings", "labels.consensus"),
    "prepare": ("kind", "prepare"),
    "validate": ("kind", "labels.classes", "labels.ratings", "validation"),
    "split": ("kind", "labels.classes", "split"),
    "train": ("kind", "seed", "threads", "labels.classes", "train"),
    "compress": ("kind", "threads", "labels.classes", "compress", "train.max_tokens"),
    "evaluate": ("kind", "title", "seed", "threads", "labels.classes", "labels.ratings", "labels.consensus",
                 "evaluate", "drift.reference_rows"),
}  # fmt: skip
"""Dotted paths into the recipe, by stage. A stage that reads another value fails at once."""

ALWAYS = ("name", "budget")
"""What every stage may read: no output byte depends on it."""


def values(recipe: Recipe, stage: str) -> dict[str, Any]:
    """The recipe values that the stage depends on, by dotted path, defaults filled in."""
    found = {}
    for path in SECTIONS[stage]:
        value: Any = recipe
        for part in path.split("."):
            value = getattr(value, part)
        found[path] = value.model_dump(mode="json") if isinstance(value, BaseModel) else value
    return found


def view(recipe: Recipe, stage: str) -> Recipe:
    """The recipe as the stage may see it. Reading an undeclared value raises RecipeError."""
    return cast("Recipe", _View(recipe, (*SECTIONS[stage], *ALWAYS), stage))


class _View:
    """Shows the declared attributes of a value, and sections of it as views of their own."""

    def __init__(self, value: BaseModel, allowed: tuple[str, ...], stage: str) -> None:
        self._value, self._allowed, self._stage = value, allowed, stage

    def __getattr__(self, name: str) -> Any:
        inner = getattr(self._value, name)
        if name in self._allowed:
            return inner
        below = tuple(path.partition(".")[2] for path in self._allowed if path.startswith(f"{name}."))
        if not below:
            raise RecipeError(
                f"stage {self._stage} reads {name!r}, which tasks/fingerprint/sections.py does not declare for it"
            )
        return _View(inner, below, self._stage)
