"""A finance team starts from one file: the recipe as it stands, a CSV in its form, topics, and alert thresholds."""

import re
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml

from tasks import storage
from tasks.annotate.run import run as annotate
from tasks.collect.labels import Known, label_rows
from tasks.collect.reading import parts
from tasks.collect.records import records_of
from tasks.errors import RecipeError
from tasks.paths import Paths
from tasks.recipe import Alert, Recipe, load
from tasks.watch import alerts, tables, telling

ROOT = Path(__file__).parents[1]
NEWS = """text,label,topic,published,story
Shares of Acme fall 9% after a profit warning,negative,earnings,2026-11-02 08:00,acme
Acme confirms the date of its annual meeting,neutral,earnings,2026-11-02 09:00,acme
Crude climbs as producers agree to cut output,positive,energy,2026-11-03 10:30,oil
The central bank leaves its rate where it was,neutral,policy,2026-11-04 14:00,rates
A rumour that nobody has labelled yet,,policy,2026-11-05 14:00,rumour
"""


def recipe(tmp_path: Path, changes: dict[str, Any]) -> tuple[Recipe, Paths]:
    """`finance` with the sections in `changes` in a folder that holds the CSV."""
    content = {**yaml.safe_load((ROOT / "recipes/finance.yaml").read_text()), **changes}
    (tmp_path / "recipes").mkdir(exist_ok=True)
    file = tmp_path / "recipes/finance.yaml"
    file.write_text(yaml.safe_dump(content))
    (tmp_path / "news.csv").write_text(NEWS)
    return load(file), Paths(tmp_path, "finance")


def of_the_page(word: str) -> dict[str, Any]:
    """The keys in the first YAML block of docs/finance.md that holds the word."""
    blocks = re.findall(r"```yaml\n(.*?)```", (ROOT / "docs/finance.md").read_text(), re.DOTALL)
    return dict(yaml.safe_load(next(block for block in blocks if word in block)))


def collected(found: Recipe, paths: Paths) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The CSV's records and their consensus."""
    table = records_of(found.sources[0], parts(found.sources[0], paths, lambda _: paths.root / "news.csv"), found.kind)
    known = Known(frozenset(table["record_id"]), {})
    source = found.labels.sources[0]
    labels = label_rows(source, parts(source, paths, lambda _: paths.root / "news.csv"), known)
    storage.write_table(paths.labels / "0.parquet", labels.table)
    annotate(found, paths)
    return table, storage.read_table(paths.stage("annotate") / "consensus.parquet")


def test_a_csv_in_the_stated_form_takes_the_hubs_place(tmp_path: Path) -> None:
    table, consensus = collected(*recipe(tmp_path, of_the_page("file:news.csv")))
    assert table["domain"].tolist() == ["earnings", "earnings", "energy", "policy", "policy"]
    assert table["group"].tolist()[:2] == ["acme", "acme"]
    assert str(table["happened_at"].iloc[2]) == "2026-11-03 10:30:00+00:00"
    text = consensus.merge(table, on="record_id").set_index("label")["text"]
    assert text["positive"].startswith("Crude climbs")
    assert len(consensus) == 4


def test_the_same_file_teaches_topics(tmp_path: Path) -> None:
    changes = of_the_page("file:news.csv") | of_the_page("[earnings") | {"alerts": []}
    _, consensus = collected(*recipe(tmp_path, changes))
    assert consensus["label"].value_counts().to_dict() == {"earnings": 2, "policy": 2, "energy": 1}


def test_rows_of_the_hub_come_by_the_same_names_and_their_numbers_mean_moods(tmp_path: Path) -> None:
    (tmp_path / "hub").mkdir()
    lines = "Acme falls,0\nAcme rises,1\nAcme meets,2\n"
    (tmp_path / "hub/train.csv").write_text(f"text,label\n{lines}")
    content = (ROOT / "recipes/finance.yaml").read_text()
    assert content.count("hf:zeroshot/twitter-financial-news-sentiment") == 2
    changes = yaml.safe_load(content.replace("hf:zeroshot/twitter-financial-news-sentiment", f"hf:{tmp_path / 'hub'}"))
    table, consensus = collected(*recipe(tmp_path, changes))
    moods = consensus.merge(table, on="record_id").set_index("text")["label"].to_dict()
    assert moods == {"Acme falls": "negative", "Acme rises": "positive", "Acme meets": "neutral"}


def test_an_alert_about_no_class_or_of_one_name_is_refused(tmp_path: Path) -> None:
    alert = {"name": "gloom", "label": "bad", "share": 0.5}
    with pytest.raises(RecipeError, match=r"'gloom' is used twice.*'bad' is none of negative, neutral, positive"):
        recipe(tmp_path, {"alerts": [alert, alert]})


def test_an_alert_is_raised_at_its_share_and_not_below() -> None:
    gloom = Alert(name="gloom", label="negative", confidence=0.8, share=0.3)
    window = pd.DataFrame(
        {"predicted": ["negative"] * 4 + ["neutral"] * 6, "confidence": [0.9, 0.8, 0.95, 0.79, *[1.0] * 6]}
    )
    (raised,) = alerts.raised([gloom], tables.of_table(window))
    assert (raised.counted, raised.rows) == (3, 10)
    assert telling.alert(vars(raised)) == (
        "ALERT gloom: 3 of 10 answers (30.0%) are negative with a confidence of 0.8 or more; told from 30.0%"
    )
    calmer = pd.concat([window, window.tail(1)])
    assert alerts.raised([gloom], tables.of_table(calmer)) == []
    assert alerts.raised([], tables.of_table(window.drop(columns="confidence"))) == []
