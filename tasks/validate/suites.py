"""Tables held against suites by Great Expectations, the only module (with `custom`) that touches that library."""

import difflib
import html
import importlib
import os
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import pandas as pd

from tasks.errors import RecipeError, listed
from tasks.validate.outcomes import Outcome, outcome
from tasks.validate.suite_files import Promise, Suite

SITE = "promises"
LONGEST_SHOWN = 300
"""Characters of a value that the pages show."""


@dataclass(frozen=True)
class Check:
    """A table, what it is called, and the suite that it must keep with the file it came from."""

    name: str
    table: pd.DataFrame
    suite: Suite
    path: Path


def _library() -> ModuleType:
    """Great Expectations, silent towards the outside and with our own expectations registered.

    Its import leans on standard modules that Python calls deprecated; a user can do nothing about that.
    """
    os.environ["GX_ANALYTICS_ENABLED"] = "false"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        gx = importlib.import_module("great_expectations")
        importlib.import_module("tasks.validate.custom")
    return gx


def validated(checks: Sequence[Check], pages: Path | None = None) -> list[Outcome]:
    """The outcome of each promise in the suites' order; Data Docs are built into the folder `pages`, if there is one.

    Raises RecipeError when a suite names an expectation or argument that does not exist.
    """
    gx = _library()
    expectations = [_built(check) for check in checks]
    context = _context(gx, pages)
    outcomes = [_checked(gx, context, check, built) for check, built in zip(checks, expectations, strict=True)]
    if pages:
        _show_as_written(context.validation_results_store)
        context.build_data_docs(site_names=[SITE])
    return [one for of_table in outcomes for one in of_table]


def _built(check: Check) -> list[Any]:
    """The suite's expectations as the library's objects: it would itself drop unknown ones without a word."""
    faults = [fault for promise in check.suite.expectations for fault in _faults(promise)]
    if faults:
        raise RecipeError(listed(faults, str(check.path)))
    return [
        _class_of(promise.type)(**promise.kwargs, meta={"position": position}, notes=promise.why or None)
        for position, promise in enumerate(check.suite.expectations)
    ]


def _faults(promise: Promise) -> list[str]:
    from great_expectations.compatibility.pydantic import ValidationError
    from great_expectations.expectations.registry import list_registered_expectation_implementations

    known = list_registered_expectation_implementations()
    if promise.type not in known:
        return [f"{promise.type} is no expectation{_near(promise.type, known)}"]
    made = _class_of(promise.type)
    unknown = [name for name in promise.kwargs if name not in made.__fields__]
    faults = [f"{promise.type}: {name} is no argument of it{_near(name, list(made.__fields__))}" for name in unknown]
    try:
        made(**{name: value for name, value in promise.kwargs.items() if name not in unknown})
    except ValidationError as error:
        faults += [f"{promise.type}: {'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors()]
    return faults


def _class_of(kind: str) -> Any:
    from great_expectations.expectations.registry import get_expectation_impl

    return get_expectation_impl(kind)


def _near(word: str, known: Sequence[str]) -> str:
    near = difflib.get_close_matches(word, known)
    return f"; did you mean {' or '.join(near)}?" if near else ""


def _context(gx: Any, pages: Path | None) -> Any:
    """A context that keeps nothing but the pages, and those only where they are asked for."""
    from great_expectations.data_context.types.base import (
        DataContextConfig,
        InMemoryStoreBackendDefaults,
        ProgressBarsConfig,
    )

    store = {"class_name": "TupleFilesystemStoreBackend", "base_directory": str(pages)}
    index = {"class_name": "DefaultSiteIndexBuilder"}
    site = {"class_name": "SiteBuilder", "show_how_to_buttons": False, "store_backend": store}
    config = DataContextConfig(
        store_backend_defaults=InMemoryStoreBackendDefaults(init_temp_docs_sites=False),
        data_docs_sites={SITE: {**site, "site_index_builder": index}} if pages else {},
        progress_bars=ProgressBarsConfig(globally=False),
        analytics_enabled=False,
    )
    return gx.get_context(mode="ephemeral", project_config=config)


def _checked(gx: Any, context: Any, check: Check, expectations: list[Any]) -> list[Outcome]:
    from great_expectations.core.run_identifier import RunIdentifier

    suite = context.suites.add(gx.ExpectationSuite(name=check.suite.name, expectations=expectations))
    batch = context.data_sources.add_pandas(check.name).add_dataframe_asset(check.name)
    definition = gx.ValidationDefinition(
        name=check.name, data=batch.add_batch_definition_whole_dataframe("all"), suite=suite
    )
    checkpoint = gx.Checkpoint(
        name=check.name,
        validation_definitions=[context.validation_definitions.add(definition)],
        result_format={"result_format": "COMPLETE", "unexpected_index_column_names": ["record_id"]},
    )
    name = RunIdentifier(run_name=check.suite.name)
    run = context.checkpoints.add(checkpoint).run(batch_parameters={"dataframe": check.table}, run_id=name)
    (found,) = run.run_results.values()
    results = {one.expectation_config.meta["position"]: one.to_json_dict() for one in found.results}
    columns = list(check.table.columns)
    return [
        outcome(check.name, promise, results[position], columns)
        for position, promise in enumerate(check.suite.expectations)
    ]


def _show_as_written(store: Any) -> None:
    """The pages put values into their HTML as they are: tags in a text would tear them, so they are made harmless."""
    for key in store.list_keys():
        found = store.get(key)
        for one in found.results:
            one.result = _harmless(one.result)
        store.set(key, found)


def _harmless(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _harmless(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_harmless(part) for part in value]
    return html.escape(value[:LONGEST_SHOWN]) if isinstance(value, str) else value
