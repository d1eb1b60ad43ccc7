"""A small project with texts that nobody has labelled (a pytest plugin beside `tiny_project`).

PYTEST_DONT_REWRITE: the test files import it before pytest registers it.
"""

import shutil
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from tasks import shards, storage
from tasks.paths import Paths
from tasks.recipe import Recipe
from tasks.records import record_id, typed

TEXTS = (
    "a plain sentence",
    "这部电影非常好看，值得再看一遍。",  # noqa: RUF001
    "هذا المنتج رائع جدًا وأنصح به",
    "so good 🎉👍🏽 — “quotes” & <tags> 'n' \"more\"",
    "two\nlines of text",
    "קצר וטוב",
)


def recipe_of(**changes: Any) -> Recipe:
    """A recipe whose records are labelled in Label Studio alone."""
    content: dict[str, Any] = {
        "name": "shop",
        "title": "Ham & spam",
        "kind": "classify_text",
        "sources": [{"name": "rows", "url": "file:rows.csv", "columns": {"text": "text"}}],
        "labels": {"classes": ["ham", "spam"]},
        "label": {"budget": 1000, "overlap_share": 0.0, "strategy": "random"},
        "train": {"base_model": {"url": "file:model"}},
    }
    return Recipe.model_validate(content | changes)


def records_of(texts: list[str], domain: str = "shop") -> pd.DataFrame:
    """Records as `prepare` leaves them."""
    table = pd.DataFrame({"record_id": [record_id(text) for text in texts], "text": texts}).drop_duplicates("record_id")
    return table.assign(source="rows", domain=domain, group=pd.Series(None, dtype="str")).reset_index(drop=True)


def fill(paths: Paths, texts: list[str]) -> pd.DataFrame:
    """The texts as landed and prepared records."""
    records = records_of(texts)
    landed = records.assign(
        source_key=pd.Series(None, dtype="str"), happened_at=pd.NaT, collected_at=pd.Timestamp("2026-11-01", tz="UTC")
    )
    shards.land(paths.raw, typed(landed), [], pd.Timestamp("2026-11-01", tz="UTC"))
    storage.write_table(paths.stage("prepare") / "records.parquet", records)
    return records


@pytest.fixture
def paths(tmp_path: Path, empty_repository: Path, monkeypatch: pytest.MonkeyPatch) -> Paths:
    """An empty project under DVC, with a remote that is a folder."""
    root = tmp_path / "project"
    shutil.copytree(empty_repository, root)
    with (root / ".dvc" / "config").open("a") as config:
        config.write("['remote \"local\"']\n    url = ../../remote\n")
    monkeypatch.setenv("TIDEMILL_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("DVC_SITE_CACHE_DIR", str(tmp_path / "cache"))
    return Paths(root, "shop")


def landed_labels(paths: Paths) -> pd.DataFrame:
    """All label rows that have landed, without their time."""
    return shards.landed(paths.labels, ["record_id", "annotator", "label", "seconds", "source"])
