"""Evidently's decisions by its defaults, as its own functions make them, without the pictures of a report."""

import warnings

import numpy as np
import pandas as pd


def drifted(reference: pd.DataFrame, window: pd.DataFrame, numbers: list[str], names: list[str]) -> dict[str, bool]:
    """Whether each column drifts, by the method and threshold that the DataDriftPreset chooses for it."""
    from evidently.legacy.calculations.stattests import get_stattest

    found = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for column in [*numbers, *names]:
            kind = "num" if column in numbers else "cat"
            test = get_stattest(reference[column], window[column], kind, None)
            found[column] = bool(test(reference[column], window[column], kind, None).drifted)
    return found


def reported(reference: pd.DataFrame, window: pd.DataFrame, numbers: list[str], names: list[str]) -> dict[str, bool]:
    """The same, read from a real report with the DataDriftPreset."""
    from evidently import DataDefinition, Dataset, Report
    from evidently.presets import DataDriftPreset

    definition = DataDefinition(numerical_columns=numbers, categorical_columns=names)
    columns = [*numbers, *names]
    tables = [Dataset.from_pandas(table[columns], data_definition=definition) for table in (window, reference)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        snapshot = Report([DataDriftPreset()], include_tests=True).run(*tables)
    failed = {
        test.metric_config.params["column"]: test.status.value == "FAIL"
        for test in snapshot.tests_results
        if test.metric_config is not None and "column" in test.metric_config.params
    }
    return {column: failed[column] for column in columns}


def embedding_drifted(reference: np.ndarray, window: np.ndarray, method: str) -> bool:
    """The decision of an embedding drift method with its defaults: model, ratio, distance or mmd."""
    from evidently.legacy.metrics.data_drift import embedding_drift_methods as methods

    choices = {
        "model": methods.ModelDriftMethod,
        "ratio": methods.RatioDriftMethod,
        "distance": methods.DistanceDriftMethod,
        "mmd": methods.MMDDriftMethod,
    }
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return bool(choices[method]()(pd.DataFrame(window), pd.DataFrame(reference))[1])
