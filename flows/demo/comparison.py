"""What the labels were worth: the same training without them, with as many drawn at random, and with everything labelled."""

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import yaml

from flows.demo.annotators import ERROR_RATE
from flows.demo.project import NAME, Project
from flows.demo.world import QUIET_DAYS, World
from tasks import inference, registered, storage, tides
from tasks.groups import group_keys
from tasks.hash_split import by_hash
from tasks.label import stand_in
from tasks.recipe import load

STAGES = ("fingerprint", "train", "compress")


def accuracy(folder: Path, rows: pd.DataFrame, threads: int) -> float:
    """The share of the rows that the served model in the folder gets right."""
    model = inference.load(folder, registered.served_file(folder), threads)
    answers = model.probabilities(rows["text"].tolist()).argmax(axis=1)
    return float((np.array(model.classes, dtype=object)[answers] == rows["label"].to_numpy()).mean())


def teaching(project: Project, world: World) -> tuple[int, pd.DataFrame]:
    """How many records of the tide teach the new version, and all that could have: those that a hash lets teach."""
    recipe = load(project.root / "recipes" / f"{NAME}.yaml")
    taught = storage.read_table(project.data / "split" / "train.parquet", ["record_id", "domain"])
    used = int((taught["domain"].map(tides.number) > 0).sum())
    arrived = world.days[QUIET_DAYS].assign(source=tides.TRAFFIC, group=None)
    return used, arrived[by_hash(group_keys(arrived), recipe.split) == "train"].reset_index(drop=True)


def at_random(project: Project, pool: pd.DataFrame, count: int, seed: int) -> pd.DataFrame:
    """As many of the pool as the loop chose, drawn at random and labelled by the same stand-ins."""
    recipe = load(project.root / "recipes" / f"{NAME}.yaml")
    rng = np.random.default_rng(seed)
    drawn = pool.iloc[rng.permutation(len(pool))[:count]]
    known = dict(zip(pool["record_id"], pool["label"], strict=True))
    opinion = stand_in.answering(known, recipe.labels, ERROR_RATE, rng)
    return drawn.assign(label=[opinion({"record_id": name}) or "" for name in drawn["record_id"]])


def trained(project: Project, name: str, rows: pd.DataFrame) -> Path:
    """The served model's folder after the recipe's own training on the first world and these rows."""
    recipe = yaml.safe_load((project.root / "recipes" / f"{NAME}.yaml").read_text(encoding="utf-8"))
    storage.write_text(project.root / "recipes" / f"{name}.yaml", yaml.safe_dump({**recipe, "name": name}))
    data = project.root / "data" / name
    shutil.copytree(project.data / "base_model", data / "base_model")
    parts = {part: storage.read_table(project.data / "split" / f"{part}.parquet") for part in ("train", "validation")}
    parts = {part: table[table["domain"].map(tides.number) == 0] for part, table in parts.items()}
    both = pd.concat([parts["train"], rows.reindex(columns=parts["train"].columns)], ignore_index=True)
    both = both.sort_values("record_id", ignore_index=True)
    for part, table in {**parts, "train": both}.items():
        storage.write_table(data / "split" / f"{part}.parquet", table)
    for stage in STAGES:
        project.run(stage, name, module="tasks")
    return data / "compress"
