"""How fast a text model is fine-tuned, beside the Hugging Face `Trainer` at its defaults, on the same rows.

    python bench/training_speed.py data/feedback [--rows 2000] [--test 1000] [--threads 2] [--rounds 2]

needs a project whose split stage and base model are there (`tidemill run feedback`) and the extra `bench`. Both start
from the same base model, see the same training rows once, and answer the same test rows. Rounds alternate; samples a
second are told by wall clock and by CPU seconds, which other programs on the machine disturb less.
"""

import argparse
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from tasks import storage, tokens
from tasks.paths import Paths, project_root
from tasks.recipe import Recipe, load
from tasks.train import classify_text
from tasks.train.hardware import chosen, make_deterministic
from tasks.train.loop import Plan, Training

Outcome = dict[str, float]


@contextmanager
def measured(outcome: Outcome) -> Iterator[None]:
    """Puts wall and CPU seconds of the block into `outcome`."""
    wall, cpu = time.perf_counter(), time.process_time()
    yield
    outcome |= {"wall": time.perf_counter() - wall, "cpu": time.process_time() - cpu}


def ours(recipe: Recipe, base_model: Path, train: pd.DataFrame, test: pd.DataFrame) -> Outcome:
    """One epoch with the recipe's knobs: bf16 where the chip has units for it, batches of like length."""
    import torch

    make_deterministic(recipe.seed, recipe.threads)
    hardware, knobs = chosen(recipe.train.precision), recipe.train
    plan = Plan(
        epochs=1, batch_size=knobs.batch_size, learning_rate=knobs.learning_rate,
        head_learning_rate=knobs.head_learning_rate, warmup=knobs.warmup,
        weight_decay=knobs.weight_decay, patience=9, validations_per_epoch=1, seed=recipe.seed,
        checkpoint_minutes=1e9, hardware=hardware,
    )  # fmt: skip
    examples, held_out = (classify_text.examples(rows, recipe, base_model) for rows in (train, test))
    nothing = classify_text.examples(test.head(0), recipe, base_model)
    training = Training(classify_text.model(recipe, base_model), plan, len(train))
    outcome: Outcome = {}
    with tempfile.TemporaryDirectory() as folder, measured(outcome):
        training.train(examples, nothing, Path(folder) / "state", "", lambda _step, _figures: None)
    model = training.model.eval()
    with torch.inference_mode():
        batches = [held_out.batch(range(at, min(at + 32, len(test))), None) for at in range(0, len(test), 32)]
        scores = [model(*map(torch.from_numpy, batch.inputs)).argmax(1).numpy() for batch in batches]
    return {**outcome, "accuracy": float((np.concatenate(scores) == held_out.targets.argmax(1)).mean())}


def theirs(recipe: Recipe, base_model: Path, train: pd.DataFrame, test: pd.DataFrame) -> Outcome:
    """One epoch of `Trainer` with `TrainingArguments` as they are: batches of 8 in fp32, padded to their longest."""
    import transformers as hf

    hf.set_seed(recipe.seed)
    reader = hf.PreTrainedTokenizerFast(tokenizer_file=str(base_model / "tokenizer.json"), pad_token="[PAD]")
    sets = [_rows(rows, recipe, base_model) for rows in (train, test)]
    model = hf.AutoModelForSequenceClassification.from_pretrained(base_model, num_labels=len(recipe.labels.classes))
    outcome: Outcome = {}
    with tempfile.TemporaryDirectory() as folder:
        settings = {"num_train_epochs": 1, "report_to": [], "save_strategy": "no", "disable_tqdm": True}
        arguments = hf.TrainingArguments(folder, use_cpu=True, **settings)
        trainer = hf.Trainer(model, arguments, hf.DataCollatorWithPadding(reader), train_dataset=sets[0])
        with measured(outcome):
            trainer.train()
        predicted = trainer.predict(sets[1]).predictions.argmax(1)
    truth = [row["labels"] for row in sets[1]]
    return {**outcome, "accuracy": float((predicted == truth).mean())}


def _rows(table: pd.DataFrame, recipe: Recipe, base_model: Path) -> list[dict[str, Any]]:
    ids = tokens.encoded(tokens.tokenizer(base_model, recipe.train.max_tokens), table["text"].tolist())
    labels = [recipe.labels.classes.index(label) for label in table["label"]]
    return [{"input_ids": row, "labels": label} for row, label in zip(ids, labels, strict=True)]


def main() -> None:
    """Print a table of both, and their ratio."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="data/RECIPE of a project")
    for name, default in (("--rows", 2000), ("--test", 1000), ("--threads", 2), ("--rounds", 2)):
        parser.add_argument(name, type=int, default=default)
    asked = parser.parse_args()
    paths = Paths(asked.data.resolve().parents[1], asked.data.name)
    recipe = load(project_root() / "recipes" / f"{paths.recipe}.yaml").model_copy(update={"threads": asked.threads})
    train, test = (storage.read_table(paths.stage("split") / f"{part}.parquet") for part in ("train", "test"))
    train, test = train.sample(asked.rows, random_state=1), test.sample(min(asked.test, len(test)), random_state=1)
    ways: dict[str, Callable[..., Outcome]] = {"Trainer": theirs, "Tidemill": ours}
    found: dict[str, list[Outcome]] = {name: [] for name in ways}
    print(f"{'':10} {'samples/s':>10} {'per CPU s':>10} {'accuracy':>10}   {asked.rows} rows, {asked.threads} threads")
    for _ in range(asked.rounds):
        for name, way in ways.items():
            one = way(recipe, paths.base_model, train, test)
            found[name].append(one)
            told = (asked.rows / one["wall"], asked.rows / one["cpu"], one["accuracy"])
            print(f"{name:10} {told[0]:10.1f} {told[1]:10.1f} {told[2]:10.3f}", flush=True)
    for what in ("wall", "cpu"):
        ratios = [a[what] / b[what] for a, b in zip(found["Trainer"], found["Tidemill"], strict=True)]
        print(f"Tidemill is {min(ratios):.2f} to {max(ratios):.2f} times as fast by {what} seconds")


if __name__ == "__main__":
    main()
