"""The recipes of a project: files in `recipes/`, and the list of those that dvc.yaml runs."""

import re
from pathlib import Path
from typing import Any

import yaml

from tasks import storage
from tasks.errors import RecipeError, TidemillError
from tasks.recipe import Recipe, load

NAME = re.compile(r"[a-z][a-z0-9_]{0,39}")
NAME_LINE = re.compile(r"^name:.*$", re.MULTILINE)
LIST_LINE = re.compile(r"^recipes:.*(\n[ \t-].*)*$", re.MULTILINE)


def file(root: Path, name: str) -> Path:
    """Where the recipe of that name lies."""
    return root / "recipes" / f"{name}.yaml"


def known(root: Path) -> list[str]:
    """The names of all recipe files, sorted."""
    return sorted(path.stem for path in (root / "recipes").glob("*.yaml") if path.stem != "all")


def listed(root: Path) -> list[str]:
    """The recipes that dvc.yaml runs, in the order of recipes/all.yaml. Raises RecipeError when it is no such list."""
    try:
        content = yaml.safe_load(file(root, "all").read_text(encoding="utf-8"))
    except FileNotFoundError:
        return []
    except yaml.YAMLError as error:
        raise RecipeError(f"{file(root, 'all')}: is no valid YAML ({' '.join(str(error).split())})") from error
    names = content.get("recipes") if isinstance(content, dict) else None
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise RecipeError(f"{file(root, 'all')}: has to say which recipes run, such as: recipes: [feedback, inbox]")
    return names


def add(root: Path, name: str) -> bool:
    """Whether the recipe had to be added to recipes/all.yaml. The file's comments stay."""
    names = listed(root)
    if name in names:
        return False
    line = f"recipes: [{', '.join([*names, name])}]"
    path = file(root, "all")
    text = path.read_text(encoding="utf-8") if path.is_file() else ""
    changed = LIST_LINE.sub(line, text, count=1) if LIST_LINE.search(text) else f"{text}{line}\n"
    storage.write_text(path, changed)
    return True


def copy(root: Path, name: str, source: str) -> Path:
    """The new recipe's file, a copy of another one under its own name. Raises RecipeError if it cannot be made."""
    if not NAME.fullmatch(name) or name == "all":
        raise RecipeError(f"{name!r}: is no name for a recipe; use small letters, figures and _, a letter first")
    if file(root, name).exists():
        raise RecipeError(f"{file(root, name)}: exists already; edit it, or choose another name")
    load(file(root, source))
    text = file(root, source).read_text(encoding="utf-8")
    storage.write_text(file(root, name), NAME_LINE.sub(f"name: {name}", text, count=1))
    return file(root, name)


def overview(root: Path) -> list[dict[str, Any]]:
    """Each recipe file: name, kind, title, whether dvc.yaml runs it (listed), and its fault if it has one."""
    running = listed(root)
    return [{"name": name, "listed": name in running, **_read(root, name)} for name in known(root)]


def _read(root: Path, name: str) -> dict[str, str | None]:
    try:
        recipe = load(file(root, name))
    except RecipeError as error:
        return {"kind": None, "title": None, "fault": str(error)}
    return {"kind": recipe.kind, "title": recipe.title, "fault": None}


def faults(root: Path, name: str) -> list[str]:
    """What is wrong with the recipe and the suites it names; empty when all is well."""
    try:
        recipe = load(file(root, name))
    except RecipeError as error:
        return [str(error)]
    found = []
    for suite in sorted({recipe.validation.records, recipe.validation.labels}):
        try:
            _check_suite(root / "expectations", suite, recipe)
        except TidemillError as error:
            found.append(str(error))
    return found


def _check_suite(folder: Path, name: str, recipe: Recipe) -> None:
    """Raises RecipeError when the suite's form, a placeholder, an expectation or an argument of one is wrong."""
    import pandas as pd

    from tasks.validate.suite_files import filled, placeholders, read_suite
    from tasks.validate.suites import Check, validated

    path = folder / f"{name}.json"
    suite = filled(read_suite(folder, name), placeholders(recipe.labels), path)
    # What an empty table fails is no fault of the suite.
    validated([Check(name, pd.DataFrame(), suite, path)])
