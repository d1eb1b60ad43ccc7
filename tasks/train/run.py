"""Fine-tune the recipe's model on train.parquet, watched on validation.parquet."""

import contextlib
import hashlib
import importlib
import os
import subprocess
from typing import Any

from tasks import storage, tracking
from tasks.errors import PromiseError, TidemillError
from tasks.markdown import table
from tasks.paths import Paths
from tasks.recipe import Recipe
from tasks.train.federated_model import taken
from tasks.train.hardware import Hardware, chosen, make_deterministic, seed_process
from tasks.train.loop import Plan, Training
from tasks.train.processes import together, torchrun, world


def plan(recipe: Recipe, hardware: Hardware) -> Plan:
    """The recipe's knobs as the loop wants them."""
    knobs = recipe.train
    return Plan(
        epochs=knobs.epochs,
        batch_size=knobs.batch_size,
        learning_rate=knobs.learning_rate,
        head_learning_rate=knobs.learning_rate if knobs.base_model is None else knobs.head_learning_rate,
        warmup=knobs.warmup,
        weight_decay=knobs.weight_decay,
        patience=knobs.patience,
        validations_per_epoch=knobs.validations_per_epoch,
        seed=recipe.seed,
        checkpoint_minutes=recipe.budget.checkpoint_minutes,
        hardware=hardware,
        smoothing=knobs.smoothing,
        micro_batch=knobs.micro_batch,
        compiled=knobs.compile,
        world=world(),
    )


def inputs_key(paths: Paths, hardware: Hardware) -> str:
    """sha256 over everything the weights follow from: a checkpoint of other inputs is never continued."""
    files = [
        paths.fingerprints / "train.json",
        paths.stage("split") / "train.parquet",
        paths.stage("split") / "validation.parquet",
        paths.base_model / "manifest.json",
    ]
    parts = [*(storage.sha256_file(file) for file in files), repr(hardware)]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def told(recipe: Recipe, hardware: Hardware) -> str:
    """One line on what the machine has and what is made of it."""
    knobs = recipe.train
    parts = [
        hardware.name,
        f"{recipe.threads} threads",
        "bf16" if hardware.bf16 else "fp32",
        f"{knobs.micro_batch or knobs.batch_size} of {knobs.batch_size} rows at once",
    ]
    parts += [f"{knobs.processes} processes"] if knobs.processes > 1 else []
    parts += ["compiled"] if knobs.compile else []
    parts += [] if knobs.deterministic else ["not deterministic"]
    return f"training on: {', '.join(parts)}"


def card(recipe: Recipe, hardware: Hardware, result: dict[str, Any], rows: dict[str, int]) -> str:
    """What a person wants to know of a training run, as markdown."""
    summary = (
        f"Trained on {rows['train']:,} records, watched on {rows['validation']:,}, "
        f"{'in bf16' if hardware.bf16 else 'in fp32'} on the {hardware.device.upper()}; "
        f"best validation loss {result['best_loss']:.4f} after {result['steps']:,} steps of {recipe.train.batch_size}."
    )
    steps = [(f"{h['step']:,}", f"{h['train_loss']:.4f}", f"{h['validation_loss']:.4f}") for h in result["history"]]
    return f"{summary}\n\n" + table(["step", "training loss", "validation loss"], steps)


def run(recipe: Recipe, paths: Paths) -> None:
    """Train, then leave weights, configuration, history and card; a federated model is taken instead.

    With `train.processes` it is done in several processes. Raises PromiseError without a training row, TidemillError
    when one of several processes fails.
    """
    if taken(recipe, paths):
        return
    if recipe.train.processes > world().size:
        _in_processes(recipe, paths)
        return
    hardware = chosen(recipe.train.precision)
    with together(world(), hardware.device):
        _train(recipe, paths, hardware)


def _silent(step: int, figures: dict[str, float]) -> None:
    """Log nothing: another process does."""


def _in_processes(recipe: Recipe, paths: Paths) -> None:
    command = torchrun(recipe.train.processes, ["-m", "tasks", "train", recipe.name])
    environment = {**os.environ, "OMP_NUM_THREADS": str(recipe.threads)}
    if subprocess.run(command, check=False, cwd=paths.root, env=environment).returncode:
        raise TidemillError(f"train: one of {recipe.train.processes} processes failed; its own line stands above")


def _train(recipe: Recipe, paths: Paths, hardware: Hardware) -> None:
    mine = world()
    if mine.leads:
        print(told(recipe, hardware), flush=True)
    # Each process draws its own dropout; the weights that they start from are the leading one's.
    make_deterministic(recipe.seed, recipe.threads, recipe.train.deterministic)
    kind = importlib.import_module(f"tasks.train.{recipe.kind}")
    tables = {part: storage.read_table(paths.stage("split") / f"{part}.parquet") for part in ("train", "validation")}
    if tables["train"].empty:
        raise PromiseError(f"{paths.stage('split') / 'train.parquet'}: has no rows; the labels reach no record")
    sets = {part: kind.examples(table, recipe, paths.base_model) for part, table in tables.items()}
    training = Training(kind.model(recipe, paths.base_model), plan(recipe, hardware), len(tables["train"]))
    seed_process(recipe.seed, mine.rank)
    file = paths.checkpoints / "train.safetensors"
    with tracking.training_run(recipe.name) if mine.leads else contextlib.nullcontext(_silent) as log:
        result = training.train(sets["train"], sets["validation"], file, inputs_key(paths, hardware), log)
    if not mine.leads:
        return
    folder = paths.stage("train")
    kind.save(training.model, recipe, paths.base_model, folder)
    storage.write_json(folder / "history.json", result)
    storage.write_text(folder / "card.md", card(recipe, hardware, result, {k: len(t) for k, t in tables.items()}))
    file.unlink(missing_ok=True)
