"""A small real project: the repository's own stages and graph on real reviews, with a model that trains in seconds.

A pytest plugin beside `tiny_project`, whose servers it uses (PYTEST_DONT_REWRITE: the test files import it first).
"""

import os
import re
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import yaml
from tiny_project import Project, Servers

from tasks import storage, text_model
from tasks.collect.archive import members
from tasks.collect.fetch import local_file
from tasks.paths import Paths
from tasks.recipe import Recipe, load

REPOSITORY = Path(__file__).parents[1]
COPIED = (
    "tasks",
    "flows",
    "expectations",
    "dvc.yaml",
    "pyproject.toml",
    "requirements.lock",
    ".dvcignore",
)
ROWS = 300
"""Of each of two sources."""
WORDS = 2000
CONFIG = {"model_type": "bert", "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}
CONFIG |= {"intermediate_size": 64, "vocab_size": WORDS + 2, "max_position_embeddings": 64}


def recipe_of(name: str, **changes: Any) -> str:
    """The recipe `feedback` on the first rows of two of its sources, with a base model on file; `changes` add to sections and lists."""
    content = yaml.safe_load((REPOSITORY / "recipes" / "feedback.yaml").read_text())
    kept = ("amazon", "films")
    sources = [{**source, "limit": ROWS} for source in content["sources"] if source["name"] in kept]
    labels = [{**source, "limit": ROWS} for source in content["labels"]["sources"] if source["of"] in kept]
    train = {"base_model": {"url": "file:base"}, "epochs": 4, "learning_rate": 0.005, "max_tokens": 32}
    content |= {"name": name, "sources": sources, "train": train, "budget": {"minutes": 10, "memory_gb": 6}}
    content["labels"]["sources"] = labels
    content["evaluate"] = {"baselines": ["majority", "tfidf"], "bootstrap_samples": 200}
    for section, values in changes.items():
        old = content.get(section)
        content[section] = (
            {**old, **values} if isinstance(old, dict) else [*old, *values] if isinstance(old, list) else values
        )
    return str(yaml.safe_dump(content, sort_keys=False))


def write_base_model(folder: Path, texts: list[str]) -> None:
    """A two-layer BERT with random weights that reads the commonest words of the texts."""
    import torch
    from safetensors.torch import save_file
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers

    counts = Counter(word for text in texts for word in re.findall(r"\w+|[^\w\s]", text.lower()))
    words = [word for word, _ in sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:WORDS]]
    vocabulary = {word: number for number, word in enumerate(["[PAD]", "[UNK]", *words])}
    reader = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    reader.normalizer = normalizers.Lowercase()
    reader.pre_tokenizer = pre_tokenizers.Whitespace()
    folder.mkdir(parents=True)
    reader.save(str(folder / "tokenizer.json"))
    storage.write_json(folder / "config.json", CONFIG)
    torch.manual_seed(1)
    save_file(dict(text_model.classifier(CONFIG, 3).encoder.state_dict()), folder / "model.safetensors")


@pytest.fixture(scope="session")
def small_template(tmp_path_factory: pytest.TempPathFactory, empty_repository: Path) -> Path:
    """The project's folder before anything ran: code, graph, suites, base model, fetched sources; no recipe."""
    return write_template(tmp_path_factory.mktemp("small") / "project", empty_repository)


def write_template(root: Path, empty_repository: Path) -> Path:
    """`small_template` in the folder `root`."""
    shutil.copytree(empty_repository / ".dvc", root / ".dvc")
    for name in COPIED:
        source, target = REPOSITORY / name, root / name
        if source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy2(source, target)
    # As `dvc init` leaves it (no git here), with the repository's own remote.
    with (root / ".dvc" / "config").open("a") as config:
        config.write((REPOSITORY / ".dvc" / "config").read_text().replace("[core]\n", ""))
    (root / "recipes").mkdir()
    paths, films = Paths(root, "small"), write_recipe(root, "small").sources[1]
    reviews = next(stream.read() for _, stream in members(local_file(films, paths), films.member, films.url))
    write_base_model(root / "base", reviews.decode(errors="replace").splitlines()[:WORDS])
    return root


def write_recipe(root: Path, name: str, **changes: Any) -> Recipe:
    """Write the recipe into the project, as its only one, and read it."""
    file = root / "recipes" / f"{name}.yaml"
    file.write_text(recipe_of(name, **changes))
    (root / "recipes" / "all.yaml").write_text(f"recipes: [{name}]\n")
    return load(file)


def small_project(template: Path, folder: Path, servers: Servers, name: str, **changes: Any) -> Project:
    """A project in `folder` with the recipe `name`: a name of one's own is a registered model of one's own."""
    root = folder / "project"
    shutil.copytree(template, root)
    for recipe in (root / "recipes").glob("*.yaml"):
        recipe.unlink()
    write_recipe(root, name, **changes)
    outside = {"PREFECT_API_URL": f"{servers.urls['prefect']}/api", "MLFLOW_TRACKING_URI": servers.urls["mlflow"]}
    own = {"TIDEMILL_HOME": str(root / ".tidemill"), "DVC_SITE_CACHE_DIR": str(folder), "DVC_NO_ANALYTICS": "1"}
    # The project's own copy of the code is what its stages and its command line run.
    return Project(root, {**os.environ, **outside, **own, "PYTHONPATH": str(root)})


@pytest.fixture(scope="session")
def small_released(small_template: Path, live_servers: Servers, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The project with version 1 of its recipe `small` released. Shared by all tests: look, and change nothing."""
    project = small_project(small_template, tmp_path_factory.mktemp("released"), live_servers, "small")
    project.tidemill("run", "small")
    return project
