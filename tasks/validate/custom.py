"""Promises that Great Expectations does not bring along. Imported by `suites` alone, which imports that library."""

from typing import Any, ClassVar

import pandas as pd

# The library binds its metric functions to the class itself: their first argument is `cls` without a decorator.
# ruff: noqa: N805
from great_expectations.core.metric_domain_types import MetricDomainTypes
from great_expectations.execution_engine.pandas_execution_engine import PandasExecutionEngine
from great_expectations.expectations.expectation import (
    BatchExpectation,
    ColumnMapExpectation,
    MulticolumnMapExpectation,
)
from great_expectations.expectations.metrics.map_metric_provider.column_condition_partial import (
    column_condition_partial,
)
from great_expectations.expectations.metrics.map_metric_provider.column_map_metric_provider import (
    ColumnMapMetricProvider,
)
from great_expectations.expectations.metrics.map_metric_provider.multicolumn_condition_partial import (
    multicolumn_condition_partial,
)
from great_expectations.expectations.metrics.map_metric_provider.multicolumn_map_metric_provider import (
    MulticolumnMapMetricProvider,
)
from great_expectations.expectations.metrics.metric_provider import metric_value
from great_expectations.expectations.metrics.table_metric_provider import TableMetricProvider
from great_expectations.render.components import LegacyRendererType, RenderedStringTemplateContent
from great_expectations.render.renderer.renderer import renderer


class _InWords:
    """Shows the expectation's own docstring and arguments in the pages, instead of its type alone."""

    @classmethod
    @renderer(renderer_type=LegacyRendererType.PRESCRIPTIVE)
    def _prescriptive_renderer(
        cls, configuration: Any = None, result: Any = None, runtime_configuration: Any = None
    ) -> list[RenderedStringTemplateContent]:
        del result, runtime_configuration  # the library decides by the signature what it passes
        arguments = {name: str(value) for name, value in configuration.kwargs.items() if name != "batch_id"}
        listed = ", ".join(f"{name} ${name}" for name in arguments)
        styling = {"default": {"classes": ["badge", "badge-secondary"]}}
        words = str(cls.__doc__).replace("`", "")
        template = {"template": f"{words} {listed}", "params": arguments, "styling": styling}
        return [RenderedStringTemplateContent(content_block_type="string_template", string_template=template)]


class _SaysTheCommonest(ColumnMapMetricProvider):
    condition_metric_name = "column_values.say_the_commonest"

    @column_condition_partial(engine=PandasExecutionEngine)
    def _pandas(cls, column: pd.Series, **_: Any) -> pd.Series:
        return column.isin(column.mode().head(1))


class ExpectColumnValuesToBeTheCommonest(_InWords, ColumnMapExpectation):
    """Every value is the column's commonest one (with `mostly`, so large a share of them)."""

    map_metric = "column_values.say_the_commonest"
    success_keys = ("mostly",)


class _DifferInWords(ColumnMapMetricProvider):
    condition_metric_name = "column_values.differ_in_words"

    @column_condition_partial(engine=PandasExecutionEngine)
    def _pandas(cls, column: pd.Series, **_: Any) -> pd.Series:
        words = column.str.lower().str.findall(r"\w+").str.join(" ")
        return ~words.where(words != "", column).duplicated()


class ExpectColumnTextsToDifferInWords(_InWords, ColumnMapExpectation):
    """No text repeats an earlier one word for word, whatever its case, punctuation and spacing."""

    map_metric = "column_values.differ_in_words"
    success_keys = ("mostly",)


class _SumIsNear(MulticolumnMapMetricProvider):
    condition_metric_name = "multicolumn_sum.near"
    condition_domain_keys = ("batch_id", "table", "column_list", "row_condition", "condition_parser", "ignore_row_if")
    condition_value_keys = ("total", "tolerance")

    @multicolumn_condition_partial(engine=PandasExecutionEngine)  # type: ignore[untyped-decorator]
    def _pandas(cls, column_list: pd.DataFrame, **arguments: Any) -> pd.Series:
        near: pd.Series = (column_list.sum(axis=1, skipna=False) - arguments["total"]).abs() <= arguments["tolerance"]
        return near


class ExpectColumnsToSumToNear(_InWords, MulticolumnMapExpectation):
    """The columns of `column_list` add up to `total` in each row, give or take `tolerance`."""

    total: float
    tolerance: float = 1e-6
    map_metric = "multicolumn_sum.near"
    success_keys = ("total", "tolerance", "mostly")
    args_keys = ("column_list", "total", "tolerance")


class _ClassShares(TableMetricProvider):
    metric_name = "table.class_shares"
    value_keys = ("column", "classes")

    @metric_value(engine=PandasExecutionEngine)
    def _pandas(
        cls,
        execution_engine: PandasExecutionEngine,
        metric_domain_kwargs: dict[str, Any],
        metric_value_kwargs: dict[str, Any],
        **_: Any,
    ) -> dict[str, float]:
        table, *_rest = execution_engine.get_compute_domain(metric_domain_kwargs, domain_type=MetricDomainTypes.TABLE)
        shares = table[metric_value_kwargs["column"]].value_counts(normalize=True)
        return {name: float(shares.get(name, 0.0)) for name in metric_value_kwargs["classes"]}


class ExpectEachClassToHaveShare(_InWords, BatchExpectation):
    """Each of `classes` has at least `of_even` times the share of the column's values that an even division would give it."""

    column: str
    classes: list[str]
    of_even: float
    metric_dependencies = ("table.class_shares",)
    success_keys = ("column", "classes", "of_even")
    domain_keys: ClassVar = ("batch_id", "table")

    def _validate(self, metrics: dict[str, Any], *_: Any, **__: Any) -> dict[str, Any]:
        shares: dict[str, float] = metrics["table.class_shares"]
        least = self.of_even / len(shares)
        rare = {name: share for name, share in shares.items() if share < least}
        told = rare or {"least": min(shares.values())}
        observed = ", ".join(f"{name} {share:.3f}" for name, share in told.items())
        return {"success": not rare, "result": {"observed_value": f"{observed} (at least {least:.3f} wanted)"}}
