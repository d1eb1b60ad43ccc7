"""The model that answers follows the registry's alias: fetched, checked, loaded and probed beside it, then switched."""

import asyncio
import contextlib
import shutil
import time
from collections import OrderedDict
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from tasks import inference, registered, storage, tracking
from tasks.errors import TidemillError
from tasks.recipe import Recipe
from tasks.serve import live
from tasks.serve.contest import Contest
from tasks.serve.live import Live
from tasks.serve.state import State
from tasks.tracking import CHECKSUMS_TAG

PROBES = 20
"""Records that a freshly loaded model must answer as it was evaluated; parity asked all of them before the release."""
MOST_LOADED = 3
"""Champion, challenger, and the champion before."""
RETRY_S = 30.0
"""After a version failed to load."""


@dataclass(eq=False)
class Follower:
    """Keeps a server's champion, and its challenger during a trial, those of the registry."""

    server: State
    home: Path
    _failed: dict[int, float] = field(default_factory=dict)
    _loaded: "OrderedDict[tuple[int, str], Live]" = field(default_factory=OrderedDict)
    """The last ones, by number and seal: a rollback must not wait for a file."""

    async def follow(self) -> None:
        """Look for ever; a registry that is away changes nothing."""
        while True:
            await asyncio.sleep(self.server.recipe.serve.follow_s)
            with contextlib.suppress(TidemillError):
                await asyncio.to_thread(self.look)

    def look(self) -> None:
        """Bring champion and challenger up to date. Raises TidemillError when MLflow does not answer."""
        server, recipe = self.server, self.server.recipe
        champion = tracking.at_alias(recipe.name, tracking.CHAMPION)
        if champion is not None and champion.number != (server.champion and server.champion.version):
            server.champion = self._ready(champion) or server.champion
        if recipe.serve.trial.mode != "off" and server.champion is not None:
            self._try(tracking.at_alias(recipe.name, tracking.CHALLENGER), server.champion)

    def _try(self, challenger: tracking.Version | None, champion: Live) -> None:
        """Have a contest between these two, and none when there is nobody to try."""
        server = self.server
        if challenger is None or champion.version is None or challenger.number == champion.version:
            server.challenger = server.contest = None
            return
        pair = (champion.version, challenger.number)
        if server.contest is not None and (server.contest.champion, server.contest.challenger) == pair:
            return
        if (loaded := self._ready(challenger)) is not None:
            settings = server.recipe.serve.trial
            server.contest = Contest(server.recipe.name, settings, *pair, self.home, self._promote)
            server.challenger = loaded

    def _promote(self, number: int) -> None:
        tracking.set_alias(self.server.recipe.name, tracking.CHAMPION, number)

    def _ready(self, version: tracking.Version) -> Live | None:
        """The version, ready to answer; None when it cannot, which is told and tried again later."""
        if time.monotonic() < self._failed.get(version.number, 0.0):
            return None
        name, key = f"{self.server.recipe.name}@{version.number}", (version.number, version.tags.get(CHECKSUMS_TAG, ""))
        try:
            found = self._loaded.pop(key, None) or opened(self.server.recipe, version, self.home)
        except Exception as error:  # noqa: BLE001 (whatever is wrong with a version, the one before it goes on)
            self._failed[version.number] = time.monotonic() + RETRY_S
            self.server.metrics.switches.labels("failed").inc()
            print(f"error: {name} cannot serve: {error}", flush=True)
            return None
        self._loaded[key] = found
        if len(self._loaded) > MOST_LOADED:
            self._loaded.popitem(last=False)
        self.server.metrics.switches.labels("done").inc()
        print(f"{name} is loaded", flush=True)
        return found


def opened(recipe: Recipe, version: tracking.Version, home: Path) -> Live:
    """The version loaded and probed. Raises TidemillError when it is not what was registered, or answers otherwise."""
    folder = home / "serve" / recipe.name
    place = registered.fetched(version, recipe.name, folder, inference.ENGINE_FILES[recipe.serve.engine])
    found = live.load(place, version.number, recipe.threads, recipe.serve.engine)
    require_probes(found, place, recipe)
    _prune(folder, version.number)
    return found


def require_probes(found: Live, folder: Path, recipe: Recipe) -> None:
    """Raises TidemillError when the model does not answer its own probes within the recipe's parity budget."""
    if not (folder / "probes.parquet").is_file():
        raise TidemillError(f"{folder}: has no probes.parquet; release the version again")
    probes = storage.read_table(folder / "probes.parquet").tail(PROBES)
    expected = probes[[f"p_{name}" for name in recipe.labels.classes]].to_numpy()
    rows = [found.kind.answers(found.model, [content]).probabilities[0] for content in probes[found.kind.COLUMN]]
    order = [found.model.classes.index(name) for name in recipe.labels.classes]
    difference = float(np.abs(np.array(rows)[:, order] - expected).max())
    if not difference <= recipe.gate.parity.largest_difference:
        raise TidemillError(f"{folder}: answers its probes otherwise than evaluated, by up to {difference:.4f}")


def _prune(folder: Path, newest: int) -> None:
    """Keep the three versions that were fetched last; a rollback finds its own here."""
    others = sorted((f for f in folder.iterdir() if f.name != str(newest)), key=lambda f: f.stat().st_mtime)
    for old in others[:-2]:
        shutil.rmtree(old, ignore_errors=True)
