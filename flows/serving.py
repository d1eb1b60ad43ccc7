"""Serving, batch scoring and API keys as the command line offers them."""

import os
from pathlib import Path
from typing import Any

from flows import servers, settings, steps
from tasks import tracking
from tasks.errors import TidemillError
from tasks.paths import Paths
from tasks.recipe import Recipe
from tasks.serve import keys, run
from tasks.serve import score as scoring
from tasks.serve.follow import opened
from tasks.serve.live import Live


def serve(recipe: str, host: str, port: int | None) -> None:
    """Serve the recipe's champion until told to stop; MLflow is started when it does not run."""
    found, paths = _opened(recipe)
    run.serve_champion(found, paths, host, found.serve.port if port is None else port)


def score(recipe: str, source: Path, target: Path) -> str:
    """What was done, in words: the champion's answers to every row of `source` are in `target`."""
    live = _champion(*_opened(recipe))
    rows = scoring.score(live, source, target)
    return f"{target}: {rows:,} rows, answered by {recipe}@{live.version}"


def add_key(recipe: str, name: str, scopes: tuple[str, ...]) -> str:
    """The new key with a word of warning."""
    paths = steps.opened(recipe).paths
    key = keys.add(keys.file(paths.home, recipe), name, scopes or keys.SCOPES)
    return f"{key}\nkeep it now: only its hash is stored. Send it as: Authorization: Bearer {key[:6]}..."


def keys_after(recipe: str, revoked: str | None) -> dict[str, dict[str, Any]]:
    """All keys without their hashes, after one was revoked (None: none is)."""
    path = keys.file(steps.opened(recipe).paths.home, recipe)
    if revoked is not None:
        keys.revoke(path, revoked)
    known = keys.listed(path).items()
    return {name: {key: value for key, value in entry.items() if key != "sha256"} for name, entry in known}


def keys_as_text(found: dict[str, dict[str, Any]]) -> str:
    """One line a key."""
    lines = [
        f"{name}: {', '.join(entry['scopes'])}; made {entry['made_at']}"
        + (f", revoked {entry['revoked_at']}" if entry["revoked_at"] else "")
        for name, entry in sorted(found.items())
    ]
    return "\n".join(lines) or "there is no key; make one with --add NAME"


def _opened(recipe: str) -> tuple[Recipe, Paths]:
    """The recipe with its paths, and this process ready to ask MLflow."""
    turn = steps.opened(recipe)
    home = turn.paths.home
    settings.apply(settings.project(home))
    os.environ["MLFLOW_TRACKING_URI"] = servers.up(home, ["mlflow"])["mlflow"]
    return turn.recipe, turn.paths


def _champion(recipe: Recipe, paths: Paths) -> Live:
    """The champion, loaded. Raises TidemillError when there is none."""
    version = tracking.at_alias(recipe.name, tracking.CHAMPION)
    if version is None:
        raise TidemillError(f"{recipe.name}: has no champion yet; make one with: tidemill run {recipe.name}")
    return opened(recipe, version, paths.home)
