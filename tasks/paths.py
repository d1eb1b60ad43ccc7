"""Where everything of one recipe lies, as one frozen value."""

import os
import platform
from dataclasses import dataclass
from pathlib import Path

from tasks.errors import TidemillError

STAGES = ("annotate", "prepare", "validate", "split", "train", "compress", "evaluate")


@dataclass(frozen=True)
class Paths:
    """The folders of one recipe in one project."""

    root: Path
    recipe: str

    @property
    def data(self) -> Path:
        """All data of the recipe."""
        return self.root / "data" / self.recipe

    @property
    def raw(self) -> Path:
        """Record shards, append-only, with a manifest beside each."""
        return self.data / "raw"

    @property
    def labels(self) -> Path:
        """Label shards, append-only, with a manifest beside each."""
        return self.data / "labels"

    @property
    def base_model(self) -> Path:
        """The pretrained model that training starts from."""
        return self.data / "base_model"

    @property
    def federated(self) -> Path:
        """The model that silos have trained together; while it stands, the train stage takes it."""
        return self.data / "federated"

    @property
    def federation(self) -> Path:
        """State of the federation on this machine: certificates, silos, checkpoints, logs."""
        return self.home / "federate" / self.recipe

    @property
    def fingerprints(self) -> Path:
        """One JSON file a stage: the code, packages and recipe values that it depends on."""
        return self.data / "fingerprint"

    @property
    def expectations(self) -> Path:
        """The suites of all recipes."""
        return self.root / "expectations"

    @property
    def home(self) -> Path:
        """All state that is not data."""
        return home(self.root)

    @property
    def data_docs(self) -> Path:
        """Great Expectations' pages of the newest validation (they carry times, so no stage output)."""
        return self.home / "data_docs" / self.recipe

    @property
    def checkpoints(self) -> Path:
        """Where an interrupted training goes on from."""
        return self.home / "checkpoints" / self.recipe

    @property
    def measurements(self) -> Path:
        """Latency figures: a property of this machine, so no stage output."""
        return self.home / "measurements" / self.recipe

    @property
    def probes(self) -> Path:
        """How fast training runs on this machine, in other ways than the recipe says."""
        return self.home / "probes" / self.recipe

    @property
    def release(self) -> Path:
        """The last release's outcome and card."""
        return self.home / "release" / self.recipe

    @property
    def traffic(self) -> Path:
        """What the endpoint was asked and answered: Parquet files, each written whole."""
        return self.home / "traffic" / self.recipe

    @property
    def corrections(self) -> Path:
        """What users of the endpoint said was right: JSON lines, appended."""
        return corrections(self.home, self.recipe)

    @property
    def watch(self) -> Path:
        """The verdicts on the traffic, and the pages about them."""
        return self.home / "watch" / self.recipe

    @property
    def labelling(self) -> Path:
        """What is under way between this machine and Label Studio, and the cards of what came of it."""
        return self.home / "label" / self.recipe

    @property
    def embeddings(self) -> Path:
        """Contents as vectors, kept because they take minutes."""
        return self.home / "embeddings" / self.recipe

    @property
    def drift_workspace(self) -> Path:
        """Evidently's workspace: a project a recipe, a report a verdict."""
        return self.home / "evidently"

    def measurement(self, model_sha256: str) -> Path:
        """The latency figures of one model file on this machine."""
        return self.measurements / f"{model_sha256[:16]}-{platform.node() or 'machine'}.json"

    def stage(self, name: str) -> Path:
        """The output folder of stage `name`."""
        return self.data / name


def project_root(start: Path | None = None) -> Path:
    """The folder with `dvc.yaml` and `recipes/` at or above `start` (default: the working folder)."""
    here = (start or Path.cwd()).resolve()
    for folder in (here, *here.parents):
        if (folder / "dvc.yaml").is_file() and (folder / "recipes").is_dir():
            return folder
    raise TidemillError(
        f"{here}: no tidemill project here or above (a folder with dvc.yaml and recipes/); change into one first"
    )


def home(root: Path) -> Path:
    """The folder of all state that is not data: `.tidemill/`, or what TIDEMILL_HOME says."""
    return Path(os.environ.get("TIDEMILL_HOME") or root / ".tidemill").resolve()


def corrections(home: Path, recipe: str) -> Path:
    """Where the endpoint queues the corrections of one recipe."""
    return home / "feedback" / f"{recipe}.jsonl"
