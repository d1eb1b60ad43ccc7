"""Collect: what is new in the sources lands as shards under DVC, with a manifest of where it came from."""

from collections.abc import Sequence

import pandas as pd

from tasks import dvc_repo, shards, storage, tombstones
from tasks.collect.base_model import no_staging_left
from tasks.collect.card import card, line
from tasks.collect.forgotten import left_out, remove_fetched
from tasks.collect.incoming import Incoming, incoming
from tasks.collect.landing import Landed, land
from tasks.collect.pending import pending
from tasks.errors import SourceError
from tasks.locks import alone
from tasks.manifests import manifests
from tasks.paths import Paths
from tasks.recipe import Recipe


def run(recipe: Recipe, paths: Paths) -> None:
    """Read every source that could bring something new, land what is new, and put it under DVC.

    Raises SourceError with the faults of all sources, BusyError when another collect runs; nothing landed then.
    """
    with alone(paths), no_staging_left(paths):
        _refuse_absent_shards(paths)
        for folder in (paths.raw, paths.labels):
            shards.remove_unfinished(folder)
        wanted = pending(recipe, paths)
        before = shards.landed(paths.raw, ["record_id", "source", "source_key"])
        came, bringing = left_out(incoming(recipe, paths, wanted, before), tombstones.read(paths.root))
        remove_fetched([s for s in (*recipe.sources, *recipe.labels.sources) if s.name in bringing], paths)
        landed = land(recipe, paths, came, wanted, pd.Timestamp.now("UTC").floor("us"))
        _tell(recipe, paths, came, landed)
        # Also when nothing is new: an earlier run may have been killed between its shard and this.
        dvc_repo.track(paths.root, [paths.raw, paths.labels, paths.base_model], recipe.remote)


def _refuse_absent_shards(paths: Paths) -> None:
    """A fresh clone has pointers to shards but no shards: collecting then would begin a second history."""
    for folder in (paths.raw, paths.labels, paths.base_model):
        pointer = folder.with_name(f"{folder.name}.dvc")
        if pointer.is_file() and not folder.is_dir():
            raise SourceError(
                f"{folder}: is tracked by DVC but not here; fetch it first: dvc pull {pointer.relative_to(paths.root)}"
            )


def _tell(recipe: Recipe, paths: Paths, came: Incoming, landed: Landed) -> None:
    readings = [*landed.records, *landed.labels]
    refused = [note for rows in came.labels.values() for note in rows.refused]
    for text in (*map(line, readings), *(f"refused: {note}" for note in refused)):
        print(text, flush=True)
    if landed.new_model:
        print("base_model: a new one is here", flush=True)
    if not readings and not landed.new_model:
        print("every source is as it was collected before", flush=True)
    totals = (_rows(manifests(paths.raw)), _rows(manifests(paths.labels)))
    storage.write_text(paths.home / "collect" / paths.recipe / "card.md", card(recipe, readings, refused, totals))


def _rows(shards_of: Sequence[dict[str, object]]) -> int:
    return sum(int(str(manifest["rows"])) for manifest in shards_of)
