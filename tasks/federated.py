"""The model that silos have trained together, as it lies in data/<recipe>/federated: the core's view of it.

It cannot be recomputed here, because the records are elsewhere; so it is added, as raw records are, and not a stage.
While it stands, the train stage takes it instead of training.
"""

from pathlib import Path
from typing import Any

from tasks import model_files, storage, text_model
from tasks.errors import PromiseError, TidemillError
from tasks.paths import Paths

MANIFEST, ROUNDS = "federation.json", "rounds.json"
MODEL = (model_files.WEIGHTS, model_files.CONFIG, text_model.TOKENIZER)


def manifest(paths: Paths) -> dict[str, Any] | None:
    """How the federated model came about (silos with the hashes of their data, rounds, privacy), or None."""
    file = paths.federated / MANIFEST
    return dict(storage.read_json(file)) if file.is_file() else None


def files(paths: Paths) -> list[Path]:
    """What the train stage depends on when it takes the federated model; nothing when there is none."""
    return [paths.federated / MANIFEST] if (paths.federated / MANIFEST).is_file() else []


def take(paths: Paths, folder: Path, classes: tuple[str, ...]) -> dict[str, Any]:
    """The manifest of the federated model, whose weights, configuration and tokenizer are copied into `folder`.

    Raises PromiseError when they are not the files that the federation left, or answer to other classes.
    """
    told = manifest(paths)
    if told is None:
        raise TidemillError(f"{paths.federated / MANIFEST}: is missing; run: tidemill federate {paths.recipe}")
    for name in MODEL:
        file = paths.federated / name
        if not file.is_file() or storage.sha256_file(file) != told["files"].get(name):
            raise PromiseError(f"{file}: is not what the federation left; run: tidemill federate {paths.recipe}")
    if told["classes"] != list(classes):
        raise PromiseError(
            f"{paths.federated}: was federated for the classes {told['classes']}, and the recipe has {list(classes)}; "
            f"run: tidemill federate {paths.recipe}"
        )
    for name in MODEL:
        storage.write_bytes(folder / name, (paths.federated / name).read_bytes())
    return told


def summary(told: dict[str, Any]) -> dict[str, str]:
    """The manifest in a few words, by name, for a registered version."""
    words = {
        "federated": f"{told['strategy']} of {told['partial']}, {len(told['silos'])} silos, {told['rounds']} rounds",
        "silos": ", ".join(f"{name} ({silo['data_sha256'][:12]})" for name, silo in sorted(told["silos"].items())),
    }
    if told["epsilon"] is not None:
        words |= {"epsilon": f"{told['epsilon']:g}", "delta": f"{told['delta']:g}"}
    return words
