"""Stage prepare: shards in, one clean table out."""

from pathlib import Path

import pandas as pd
import pytest
import yaml

from tasks.errors import TidemillError
from tasks.paths import Paths
from tasks.prepare.clean_records import COLUMNS
from tasks.prepare.language import language_of
from tasks.prepare.run import run
from tasks.recipe import Recipe
from tasks.records import RECORD_COLUMNS, record_id, typed
from tasks.storage import read_table, sha256_file, write_table

ROOT = Path(__file__).parents[1]
OUTPUTS = ("records.parquet", "dropped.parquet", "card.md")
TEXTS = [
    "Great phone, write me at jane@example.com or call (212) 566-8082.",
    "The  cafe\u0301 was closed\x07 when we came to see it.",
    "   ",
    "great phone! write me at john@example.org or call (212) 566-8083",
    "El servicio fue muy malo y no volveremos nunca a este hotel.",
    "meh",
]


@pytest.fixture(scope="module")
def recipe() -> Recipe:
    return Recipe.model_validate(yaml.safe_load((ROOT / "recipes" / "feedback.yaml").read_text()))


def shard(texts: list[str]) -> pd.DataFrame:
    table = pd.DataFrame({"record_id": [record_id(text) for text in texts], "text": texts}).reindex(
        columns=[*RECORD_COLUMNS, "text"]
    )
    table = table.assign(source="reviews", collected_at="2026-01-02")
    return typed(table.astype({name: "str" for name in table if not str(name).endswith("_at")}))


def prepared(root: Path, recipe: Recipe, *shards: pd.DataFrame) -> Paths:
    paths = Paths(root, "feedback")
    for number, table in enumerate(shards, start=1):
        write_table(paths.raw / f"{number:04}-0123abcd.parquet", table)
    run(recipe, paths)
    return paths


def test_texts_are_normalised_masked_and_compared_as_they_are_kept(tmp_path: Path, recipe: Recipe) -> None:
    folder = prepared(tmp_path, recipe, shard(TEXTS)).stage("prepare")
    records, dropped = (read_table(folder / name) for name in OUTPUTS[:2])
    assert tuple(records.columns) == COLUMNS
    assert records["text"].tolist() == [
        "Great phone, write me at [EMAIL] or call [PHONE].",
        "The caf\u00e9 was closed when we came to see it.",
        "El servicio fue muy malo y no volveremos nunca a este hotel.",
        "meh",
    ]
    assert records["personal_data"].tolist() == ["email,phone", "", "", ""]
    assert records["language"].fillna("?").tolist() == ["en", "en", "es", "?"]
    assert dropped["reason"].tolist() == ["empty text", "near duplicate"]


def test_a_masked_record_keeps_the_id_of_the_text_as_it_arrived(tmp_path: Path, recipe: Recipe) -> None:
    records = read_table(prepared(tmp_path, recipe, shard(TEXTS)).stage("prepare") / "records.parquet")
    assert records["record_id"][0] == record_id(TEXTS[0]) != record_id(records["text"][0])


def test_the_same_shards_give_the_same_bytes_and_are_left_alone(tmp_path: Path, recipe: Recipe) -> None:
    one = prepared(tmp_path / "one", recipe, shard(TEXTS))
    before = {file.name: sha256_file(file) for file in one.raw.iterdir()}
    two = prepared(tmp_path / "two", recipe, shard(TEXTS))
    for name in OUTPUTS:
        assert sha256_file(one.stage("prepare") / name) == sha256_file(two.stage("prepare") / name)
    run(recipe, one)
    assert {file.name: sha256_file(file) for file in one.raw.iterdir()} == before


def test_a_new_shard_appends_and_changes_no_earlier_record(tmp_path: Path, recipe: Recipe) -> None:
    first = read_table(prepared(tmp_path / "one", recipe, shard(TEXTS)).stage("prepare") / "records.parquet")
    more = shard(["MEH!", "A wholly new opinion about a wholly new product."])
    both = read_table(prepared(tmp_path / "two", recipe, shard(TEXTS), more).stage("prepare") / "records.parquet")
    pd.testing.assert_frame_equal(both.head(len(first)), first)
    assert both["text"].tolist()[len(first) :] == ["A wholly new opinion about a wholly new product."]


def test_an_empty_shard_gives_empty_tables_of_the_same_types(tmp_path: Path, recipe: Recipe) -> None:
    full = prepared(tmp_path / "full", recipe, shard(TEXTS)).stage("prepare")
    empty = prepared(tmp_path / "empty", recipe, shard(TEXTS).head(0)).stage("prepare")
    for name in OUTPUTS[:2]:
        pd.testing.assert_frame_equal(read_table(empty / name), read_table(full / name).head(0))


def test_no_shard_at_all_says_what_to_run(tmp_path: Path, recipe: Recipe) -> None:
    with pytest.raises(TidemillError, match=r"raw: holds no record shards.*collect"):
        run(recipe, Paths(tmp_path, "feedback"))


def test_the_card_counts_what_came_and_what_was_found(tmp_path: Path, recipe: Recipe) -> None:
    card = (prepared(tmp_path, recipe, shard(TEXTS)).stage("prepare") / "card.md").read_text()
    for line in ("| arrived | 6 |", "| kept | 4 |", "| email | 1 | mask |", "| name | not looked for | keep |"):
        assert line in card


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("I have never been so happy with a telephone in all my life.", "en"),
        ("Ich war noch nie so zufrieden mit einem Telefon in meinem Leben.", "de"),
        ("ok thanks", None),
        ("1234567890 1234567890 1234567890", None),
    ],
)
def test_a_language_is_named_only_where_there_is_enough_to_tell(text: str, language: str | None) -> None:
    assert language_of(text) == language
