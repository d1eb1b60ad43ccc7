"""Names of persons in a text, where the recipe asks for them and a spaCy pipeline is installed."""

import importlib
from collections.abc import Callable

from tasks.errors import RecipeError
from tasks.prepare.finders import Span

PERSON = frozenset({"PERSON", "PER"})
"""What spaCy's pipelines call a person, by language."""


def name_finder(pipeline: str) -> Callable[[str], list[Span]]:
    """A function that gives the spans of persons' names. Raises RecipeError when spaCy or its pipeline is missing."""
    try:
        language = importlib.import_module("spacy").load(pipeline)
    except (ImportError, OSError) as error:
        raise RecipeError(
            f"prepare.personal_data.name: needs spaCy with the pipeline {pipeline!r}, which is not installed; install "
            f"them (pip install spacy, then python -m spacy download {pipeline}), or write name: keep"
        ) from error
    return lambda text: [
        (entity.start_char, entity.end_char) for entity in language(text).ents if entity.label_ in PERSON
    ]
