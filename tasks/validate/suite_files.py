"""Suites of promises as people write them: one JSON file in `expectations/`, checked and filled in from the recipe."""

import difflib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import Field, ValidationError

from tasks.errors import RecipeError, listed
from tasks.recipe import Labels, Strict
from tasks.storage import read_json


class Promise(Strict):
    """One expectation: its type, its arguments (`kwargs`) and, in `meta`, why it must hold."""

    type: str
    kwargs: dict[str, Any] = Field(default_factory=dict)
    meta: dict[str, Any] = Field(default_factory=dict)

    @property
    def why(self) -> str:
        """The reason that a person gave for it, or nothing."""
        return str(self.meta.get("why", ""))


class Suite(Strict):
    """The promises that one table keeps."""

    name: str
    meta: dict[str, Any] = Field(default_factory=dict)
    expectations: tuple[Promise, ...] = Field(min_length=1)


def read_suite(folder: Path, name: str) -> Suite:
    """The suite in `<folder>/<name>.json`. Raises RecipeError that lists every fault of its form."""
    path = folder / f"{name}.json"
    if not path.is_file():
        known = ", ".join(sorted(file.stem for file in folder.glob("*.json"))) or "none"
        raise RecipeError(f"{path}: there is no such suite; known are: {known}")
    try:
        suite = Suite.model_validate(read_json(path))
    except ValidationError as error:
        faults = [f"{'.'.join(str(part) for part in item['loc'])}: {item['msg']}" for item in error.errors()]
        raise RecipeError(listed(faults, str(path))) from error
    if suite.name != name:
        raise RecipeError(f"{path}: name is {suite.name!r}; it must be the file's name, {name!r}")
    return suite


def placeholders(labels: Labels) -> dict[str, Any]:
    """What a suite may leave to the recipe: $classes, $share_columns and, where labels are ratings, $low and $high."""
    values: dict[str, Any] = {
        "$classes": list(labels.classes),
        "$share_columns": [f"share_{name}" for name in labels.classes],
    }
    if labels.ratings is not None:
        values |= {"$low": labels.ratings.low, "$high": labels.ratings.high}
    return values


def filled(suite: Suite, values: Mapping[str, Any], path: Path) -> Suite:
    """The suite with every placeholder in its arguments replaced. Raises RecipeError that lists the unknown ones."""
    wanted = [text for promise in suite.expectations for text in _placeholders_in(promise.kwargs)]
    unknown = [name for name in dict.fromkeys(wanted) if name not in values]
    if unknown:
        known = ", ".join(sorted(values))
        faults = [f"{name} is nothing this recipe says{_hint(name, values)}" for name in unknown]
        raise RecipeError(f"{listed(faults, str(path))}; placeholders are: {known}")
    promises = tuple(p.model_copy(update={"kwargs": _replaced(p.kwargs, values)}) for p in suite.expectations)
    return suite.model_copy(update={"expectations": promises})


def _placeholders_in(value: Any) -> list[str]:
    if isinstance(value, str):
        return [value] if value.startswith("$") else []
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [name for part in parts for name in _placeholders_in(part)]


def _replaced(value: Any, values: Mapping[str, Any]) -> Any:
    if isinstance(value, dict):
        return {key: _replaced(part, values) for key, part in value.items()}
    if isinstance(value, list):
        return [_replaced(part, values) for part in value]
    return values.get(value, value) if isinstance(value, str) else value


def _hint(name: str, values: Mapping[str, Any]) -> str:
    if name in ("$low", "$high"):
        return " (it has no labels.ratings)"
    near = difflib.get_close_matches(name, values)
    return f" (did you mean {near[0]}?)" if near else ""
