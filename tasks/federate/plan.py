"""What all silos of a federation must agree on."""

from pathlib import Path

from pydantic import ValidationError

from tasks import model_files, storage
from tasks.errors import TidemillError
from tasks.recipe import Federate, Recipe, Strict


class Plan(Strict):
    """The federation as every silo is told it, as JSON, with each question."""

    recipe: str
    seed: int
    classes: tuple[str, ...]
    max_tokens: int
    base_model: str
    """sha256 of the pretrained weights: silos that start from others could not be averaged."""
    federate: Federate


def plan(recipe: Recipe, base_model: Path) -> Plan:
    """The plan of a recipe with the base model in that folder."""
    return Plan(
        recipe=recipe.name,
        seed=recipe.seed,
        classes=recipe.labels.classes,
        max_tokens=recipe.train.max_tokens,
        base_model=storage.sha256_file(base_model / model_files.WEIGHTS),
        federate=recipe.federate,
    )


def parsed(text: str) -> Plan:
    """The plan in a question. Raises TidemillError when it was written by another version of Tidemill."""
    try:
        return Plan.model_validate_json(text)
    except ValidationError as error:
        fault = error.errors()[0]
        key = ".".join(map(str, fault["loc"]))
        raise TidemillError(
            f"the server's plan has {key}: {fault['msg'].lower()}; install the server's version of Tidemill"
        ) from error
