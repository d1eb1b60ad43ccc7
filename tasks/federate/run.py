"""Federate a recipe: the silos train one model together, which is added to data/<recipe>/federated."""

import hashlib
import os
import secrets
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tasks import dvc_repo, federated, storage, tracking
from tasks.errors import PromiseError, RecipeError
from tasks.federate import array_file, kinds, local_silos, rules
from tasks.federate.aggregation import least_silos
from tasks.federate.card import card
from tasks.federate.certificates import Certificates, ensure
from tasks.federate.desk import Desk
from tasks.federate.flower.server import INITIAL
from tasks.federate.messages import Arrays
from tasks.federate.plan import Plan, plan
from tasks.federate.silo_data import read
from tasks.federate.state import CHECKPOINT, Round
from tasks.federate.watch import Site, carried_out
from tasks.paths import Paths
from tasks.recipe import Federate, Recipe

LISTEN = "TIDEMILL_FEDERATE_LISTEN"
"""Environment variable with HOST:PORT for silos on other machines; unset: loopback, a free port."""
OPEN = "open.json"


def run(recipe: Recipe, paths: Paths) -> None:
    """Start what runs here, carry out all rounds, and leave the model, its manifest and a card."""
    require_possible(recipe)
    described, folder = plan(recipe, paths.base_model), paths.federation / "server"
    files = certificates(paths)
    homes = _homes(recipe, paths)
    invited = sorted(homes) if recipe.federate.silos != "remote" else files.silos()
    require_enough(recipe.federate, invited)
    ensure(files, _hosts(), invited)
    _prepare(homes, described)
    array_file.save(folder / INITIAL, kinds.of(recipe.federate.partial).initial(described, paths.base_model))
    run_name = _run_name(folder, [described.model_dump_json(), *invited, str(inputs(recipe, paths))])
    job = {"plan": described.model_dump(mode="json"), "run": run_name, "invited": invited}
    arrays = carried_out(Site(folder, files, homes, job, os.environ.get(LISTEN)))
    rounds = [Round(**heard) for heard in array_file.note(folder / CHECKPOINT)["rounds"]]
    _leave(recipe, paths, arrays, manifest(described, rounds, inputs(recipe, paths)), rounds)
    (folder / OPEN).unlink()


def require_possible(recipe: Recipe) -> None:
    """Raises RecipeError for a kind of problem that cannot be federated."""
    if recipe.kind != "classify_text":
        raise RecipeError(f"{recipe.name}: kind {recipe.kind} cannot be federated; classify_text can")


def require_enough(settings: Federate, invited: Sequence[str]) -> None:
    """Raises PromiseError when the invited silos are fewer than the plan's promises need."""
    if not invited:
        raise PromiseError(
            "federate.silos: remote, and no silo has a key yet; make keys: tidemill federate certs --silo NAME"
        )
    least = max(settings.min_silos, least_silos(settings.aggregation, settings.poisoned))
    if len(invited) < least:
        why = f"federate.aggregation: {settings.aggregation} against {settings.poisoned} poisoned, and min_silos"
        raise PromiseError(f"{why}, need {least} silos, and there are {len(invited)}: {', '.join(invited)}")


def certificates(paths: Paths) -> Certificates:
    """The recipe's certificates: a federation's silos are known to it alone."""
    return Certificates(paths.federation / "certificates")


def inputs(recipe: Recipe, paths: Paths) -> str | None:
    """sha256 over all that a federation on this machine follows from; None when the records are elsewhere."""
    if recipe.federate.silos == "remote":
        return None
    parts = [paths.stage("split") / f"{part}.parquet" for part in ("train", "validation", "test")]
    texts = [plan(recipe, paths.base_model).model_dump_json(), *map(storage.sha256_file, parts)]
    return hashlib.sha256("\n".join(texts).encode()).hexdigest()


def _homes(recipe: Recipe, paths: Paths) -> dict[str, Path]:
    if recipe.federate.silos == "remote":
        return {}
    return local_silos.homes(paths.federation / "silos", recipe.federate.silos, paths)


def _prepare(homes: dict[str, Path], described: Plan) -> None:
    """Let each silo on this machine read and encode its records before a round's clock runs."""
    for name, home in homes.items():
        own = rules.read(home)
        records = read(Path(own.data), described.classes)
        kinds.of(described.federate.partial).examples(Desk(home, own, described, records))
        print(f"silo {name}: {len(records.parts['train']):,} records to train on", flush=True)


def rounds_so_far(paths: Paths) -> list[Round]:
    """The rounds that the federation under way, or cut off, has behind it; none when there is no such."""
    folder = paths.federation / "server"
    found = array_file.note(folder / CHECKPOINT)
    if found is None or not (folder / OPEN).is_file() or storage.read_json(folder / OPEN)["run"] != found["run"]:
        return []
    return [Round(**heard) for heard in found["rounds"]]


def _hosts() -> list[str]:
    listen = os.environ.get(LISTEN, "").rpartition(":")[0].strip("[]")
    return [listen] if listen and listen not in ("0.0.0.0", "::") else []  # noqa: S104 (a comparison)


def _run_name(folder: Path, follows_from: Sequence[str]) -> str:
    """The name of the run that was cut off, if it followed from the same; else a new one."""
    mark = hashlib.sha256("\n".join(follows_from).encode()).hexdigest()
    left = storage.read_json(folder / OPEN) if (folder / OPEN).is_file() else {}
    if left.get("mark") != mark:
        left = {"mark": mark, "run": secrets.token_hex(8)}
        storage.write_json(folder / OPEN, left)
    return str(left["run"])


def manifest(described: Plan, rounds: Sequence[Round], made_from: str | None) -> dict[str, Any]:
    """How the model came about, for the lineage: silos with the hashes of their data, rounds, privacy."""
    settings, last = described.federate, rounds[-1]
    silos = {name: _silo(name, rounds) for name in sorted({name for heard in rounds for name in heard.silos})}
    spent = [silo["epsilon"] for silo in silos.values() if silo["epsilon"] is not None]
    return {
        "recipe": described.recipe,
        "classes": list(described.classes),
        "base_model": described.base_model,
        "seed": described.seed,
        "inputs": made_from,
        "plan": settings.model_dump(mode="json"),
        "strategy": settings.strategy,
        "partial": settings.partial,
        "rounds": len(rounds) - 1,
        "silos": silos,
        "epsilon": max(spent) if spent else None,
        "delta": settings.privacy.delta if settings.privacy else None,
        "bytes_up": sum(heard.bytes_up for heard in rounds),
        "bytes_down": sum(heard.bytes_down for heard in rounds),
        "absent_at_the_end": dict(last.refused),
    }


def _silo(name: str, rounds: Sequence[Round]) -> dict[str, Any]:
    """What is known of one silo: the newest facts it told, and in how many rounds it took part."""
    told = [heard.silos[name] for heard in rounds if name in heard.silos]
    took_part = sum(name in heard.silos for heard in rounds[:-1])
    return {"epsilon": None, **told[-1], "rounds": took_part}


def _leave(recipe: Recipe, paths: Paths, arrays: Arrays, told: dict[str, Any], rounds: Sequence[Round]) -> None:
    """Add the model under DVC: the manifest last, so that what it describes is whole."""
    folder = paths.federated
    (folder / federated.MANIFEST).unlink(missing_ok=True)
    kinds.of(recipe.federate.partial).save(arrays, plan(recipe, paths.base_model), paths.base_model, folder)
    storage.write_json(folder / federated.ROUNDS, [asdict(heard) for heard in rounds])
    told["files"] = {name: storage.sha256_file(folder / name) for name in federated.MODEL}
    storage.write_json(folder / federated.MANIFEST, told)
    page = card(told, rounds)
    storage.write_text(paths.federation / "card.md", page)
    _log(recipe.name, rounds)
    dvc_repo.track(paths.root, [folder], recipe.remote)


def _log(recipe: str, rounds: Sequence[Round]) -> None:
    """The rounds' figures as a training run in MLflow."""
    with tracking.training_run(recipe) as log:
        for heard in rounds:
            rows = sum(int(facts["validation_rows"]) for facts in heard.silos.values())
            right = sum(int(facts["validation_right"]) for facts in heard.silos.values())
            figures = {"validation_accuracy": right / max(1, rows), "silos": float(len(heard.silos))}
            log(heard.number, {**figures, "bytes_up": float(heard.bytes_up), "seconds": heard.seconds})
