"""The demonstration's own project: the code and suites of this one, a recipe for the first world, and its own servers."""

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from flows import process_tree, settings
from flows.demo.world import World
from tasks import storage
from tasks.errors import TidemillError

NAME = "tide"
COPIED = ("tasks", "flows", "expectations", "dvc.yaml", "pyproject.toml", "requirements.lock", ".dvcignore")
LOG = "demo.log"
END_GRACE_S = 20.0
"""A command that is told to end closes its run in Prefect first."""


@dataclass(frozen=True)
class Project:
    """A folder in which `tidemill` works by itself."""

    root: Path

    @property
    def home(self) -> Path:
        """Its state."""
        return self.root / ".tidemill"

    @property
    def data(self) -> Path:
        """The recipe's data."""
        return self.root / "data" / NAME

    @property
    def environment(self) -> dict[str, str]:
        """What its commands get: its own state and code, no server of another project."""
        kept = {
            key: value for key, value in os.environ.items() if key not in ("PREFECT_API_URL", "MLFLOW_TRACKING_URI")
        }
        own = {"TIDEMILL_HOME": str(self.home), "PYTHONPATH": str(self.root), "DVC_NO_ANALYTICS": "1"}
        return {**kept, **settings.project(self.home), **own}

    def run(self, *words: str, module: str = "flows.cli") -> str:
        """The output of `tidemill WORDS`. Raises TidemillError with its last line when it fails."""
        command = (sys.executable, "-m", module, *words)
        child = subprocess.Popen(
            command,
            cwd=self.root,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            start_new_session=True,
        )
        leader = process_tree.identity(child.pid)
        try:
            out, err = child.communicate()
        except BaseException:  # Ctrl-C and SIGTERM too: a stage must not go on by itself
            if leader is not None:
                process_tree.end(leader, END_GRACE_S)
            raise
        with (self.root / LOG).open("a", encoding="utf-8") as log:
            log.write(f"$ {' '.join(words)}\n{out}{err}\n")
        if child.returncode:
            said = (err or out).strip().splitlines()
            raise TidemillError(f"{' '.join(words)}: {said[-1] if said else child.returncode}; see {self.root / LOG}")
        return out


def made(source: Path, root: Path, world: World, *, studio: bool) -> Project:
    """The project in the new folder `root`. Raises TidemillError when the folder is there."""
    if root.exists():
        raise TidemillError(f"{root}: is there already; remove it, or name another folder with --into")
    root.mkdir(parents=True)
    project = Project(root)
    for name in COPIED:
        whole = source / name
        if whole.is_dir():
            shutil.copytree(whole, root / name, ignore=shutil.ignore_patterns("__pycache__"))
        elif whole.is_file():
            shutil.copy2(whole, root / name)
    _init_dvc(project, source)
    table = world.taught.reset_index(names="key")
    storage.write_text(root / "world" / "reviews.csv", table[["key", "text"]].to_csv(index=False))
    storage.write_text(root / "world" / "labels.csv", table[["key", "label"]].to_csv(index=False))
    base = yaml.safe_load((source / "recipes" / "feedback.yaml").read_text(encoding="utf-8"))
    recipe = recipe_of(base, studio=studio)
    storage.write_text(root / "recipes" / f"{NAME}.yaml", yaml.safe_dump(recipe, sort_keys=False))
    storage.write_text(root / "recipes" / "all.yaml", f"recipes: [{NAME}]\n")
    _share_downloads(project, source)
    return project


def _init_dvc(project: Project, source: Path) -> None:
    command = (sys.executable, "-m", "dvc", "init", "--no-scm", "--quiet")
    subprocess.run(command, cwd=project.root, env=project.environment, check=True)
    config = (source / ".dvc" / "config").read_text(encoding="utf-8")
    # No git here, and the remote of this project's own.
    storage.write_text(project.root / ".dvc" / "config", config.replace("[core]\n", "[core]\n    no_scm = true\n", 1))


def _share_downloads(project: Project, source: Path) -> None:
    """What this project has fetched or installed is not fetched or installed again."""
    from tasks.paths import home

    fetched, programs = home(source) / "downloads", home(source) / "studio" / "venv"
    if fetched.is_dir():
        shutil.copytree(fetched, project.home / "downloads", dirs_exist_ok=True)
    if programs.is_dir():
        (project.home / "studio").mkdir(parents=True)
        (project.home / "studio" / "venv").symlink_to(programs)


def recipe_of(base: dict[str, Any], *, studio: bool) -> dict[str, Any]:
    """The recipe `tide`: product reviews alone, a loop with a budget, and a log whose files close at once."""
    return {
        "name": NAME,
        "title": "The tide: product reviews, until something else arrives",
        "kind": base["kind"],
        "seed": base["seed"],
        "threads": base["threads"],
        "sources": [
            {
                "name": "reviews",
                "domain": "products",
                "url": "file:world/reviews.csv",
                "licence": "MIT",
                "columns": {"key": "key", "text": "text"},
            }
        ],
        "labels": {
            "classes": base["labels"]["classes"],
            "consensus": "majority",
            "sources": [
                {
                    "name": "labels",
                    "of": "reviews",
                    "url": "file:world/labels.csv",
                    "licence": "MIT",
                    "columns": {"key": "key", "label": "label"},
                }
            ],
        },
        "label": {"overlap": 3, "overlap_share": 0.1},
        "prepare": base["prepare"],
        "validate": {"records": "text_records", "labels": "class_labels", "tolerated_share": 0.02},
        "split": {"by": "hash", "validation": 0.08, "test": 0.32},
        "train": {**base["train"], "epochs": 2},
        # So few validation rows cannot tell a loss of 0.01 from chance.
        "compress": {**base["compress"], "max_f1_loss": 0.03},
        "evaluate": {"baselines": ["majority", "tfidf"], "bootstrap_samples": 1000},
        "gate": {"metric": "accuracy", "alpha": 0.025, "slice_margin": 0.05},
        "drift": {"reference_rows": 2000, "window_rows": 300},
        "loop": {
            # On the 637 test rows of such an exam a gain of 0.05 is shown in four of five trials.
            "labels_per_month": 4800,
            "labels_per_round": 2400,
            "exam_share": 0.4,
            "rounds_without_gain": 2,
            "ask": "studio" if studio else "file",
        },
        "serve": {"traffic": {"file_minutes": 0.02}},
        "budget": {"minutes": 60, "memory_gb": 8},
    }
