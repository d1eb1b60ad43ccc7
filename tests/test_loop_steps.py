"""The loop's own steps on a ledger and a traffic log: who is asked about what, once, and why it stops."""

import functools
import itertools
import json
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml
from image_records import CLASSES, bars
from killing import dies_at
from label_project import recipe_of

from flows import schedule
from tasks import ledger, shards, storage, tides, tombstones
from tasks.errors import RecipeError, TidemillError
from tasks.hash_split import by_hash
from tasks.images import data_uri
from tasks.label import answered, ask, by_file, gather
from tasks.label.drifted_pool import drifted_pool
from tasks.label_rows import label_table
from tasks.manifests import Reading
from tasks.paths import Paths
from tasks.recipe import Recipe
from tasks.records import STUDIO, record_id

pytestmark = pytest.mark.filterwarnings("ignore:_NoneStep.value:DeprecationWarning")  # DVC's use of pygtrie

pytest_plugins = ["tiny_project", "label_project"]

SINCE = datetime(2026, 11, 1, tzinfo=UTC)
UNTIL = SINCE + timedelta(days=1)
NEVER = 10_000
"""No step places so many files."""
TEXTS = [f"the tide brought text number {number} of many" for number in range(200)]


def loop_recipe(**loop: Any) -> Recipe:
    settings = {"labels_per_round": 40, "labels_per_month": 60, "strategy": "random", "ask": "file", **loop}
    return recipe_of(loop=settings)


def log(paths: Paths, contents: list[str | None], at: datetime = UNTIL, version: int = 1, column: str = "text") -> None:
    rows = pd.DataFrame({column: pd.Series(contents, dtype="str"), "version": version, "arm": "champion"})
    rows["at"] = pd.Series(at, index=rows.index, dtype="datetime64[us, UTC]")
    storage.write_table(paths.traffic / f"{at:%Y%m%dT%H%M%S.%fZ}-{version:06d}.parquet", rows)


@pytest.fixture
def alarmed(paths: Paths) -> Paths:
    """A champion whose traffic has drifted; 200 texts came."""
    ledger.append(paths.home, "shop", "promotion", 1, {"reason": "it is the first version"})
    ledger.append(paths.home, "shop", "drift", 1, {"since": SINCE.isoformat(), "until": UNTIL.isoformat()})
    log(paths, [*TEXTS, *TEXTS[:20]])
    return paths


def prepare(paths: Paths) -> None:
    """What the prepare stage makes of the landed records here: the same."""
    storage.write_table(
        paths.stage("prepare") / "records.parquet",
        shards.landed(paths.raw, ["record_id", "text", "source", "domain", "group"]),
    )


def asked_round(recipe: Recipe, paths: Paths) -> pd.DataFrame:
    gather.run(recipe, paths)
    prepare(paths)
    ask.run(recipe, paths)
    return pd.read_csv(by_file.file(paths, tides.standing(history(paths))), keep_default_na=False)


def history(paths: Paths) -> list[ledger.Entry]:
    return ledger.entries(paths.home, "shop")


def fill_in(paths: Paths, labels: list[str], annotators: tuple[str, ...] = ("ann",)) -> None:
    """Answer the first records of the open round."""
    file = by_file.file(paths, tides.standing(history(paths)))
    questions = pd.read_csv(file, keep_default_na=False).drop_duplicates("record_id")
    rows = [questions.head(len(labels)).assign(label=labels, annotator=who) for who in annotators]
    rest = questions.iloc[len(labels) :]
    storage.write_text(file, pd.concat([*rows, rest]).to_csv(index=False))


def agreed(paths: Paths, agreement: float = 1.0, n_labels: int = 1) -> None:
    labels = shards.landed(paths.labels, ["record_id"]).drop_duplicates()
    storage.write_table(
        paths.stage("annotate") / "consensus.parquet", labels.assign(n_labels=n_labels, agreement=agreement)
    )


def verdict(paths: Paths, *, promoted: bool) -> None:
    now = history(paths)
    entry = ledger.append(paths.home, "shop", "verdict", 2, {"promoted": promoted, "reason": "said", **tides.link(now)})
    if promoted:
        told = {"reason": "said", **tides.link(history(paths))}
        assert told["cause"] == ledger.seal(entry)
        ledger.append(paths.home, "shop", "promotion", 2, told)


def test_what_a_strategy_chose_teaches_and_only_a_fair_draw_tests(alarmed: Paths) -> None:
    recipe = loop_recipe()
    questions = asked_round(recipe, alarmed)
    assert len(questions) == 40
    rows = shards.landed(alarmed.raw, ["record_id", "text", "source", "source_key", "domain", "collected_at"])
    assert set(rows["domain"]) == {"tide 1"}
    places = by_hash("record\x1f" + rows["record_id"], recipe.split)
    exam = rows["source_key"].str.startswith("1.1:exam:")
    assert exam.sum() == 20
    assert set(places[exam]) <= {"test", "validation"}
    assert set(places[~exam]) == {"train"}
    assert set(rows["text"]) <= set(TEXTS)


def test_a_round_that_was_killed_anywhere_asks_and_spends_once(alarmed: Paths) -> None:
    recipe = loop_recipe()
    first = asked_round(recipe, alarmed)
    before = [entry.kind for entry in history(alarmed)]
    again = asked_round(recipe, alarmed)
    by_file.file(alarmed, tides.standing(history(alarmed))).unlink()  # as if killed before it was brought to people
    ask.run(recipe, alarmed)
    assert [entry.kind for entry in history(alarmed)] == before == ["promotion", "drift", "question"]
    assert first.equals(again)
    assert len(shards.landed(alarmed.raw, ["record_id"])) == 40
    assert tides.spent(history(alarmed), datetime.now(UTC)) == 40
    assert tides.spent(history(alarmed), datetime.now(UTC) + timedelta(days=31)) == 0


def untold(paths: Paths) -> Iterator[Path]:
    """Files of the data folders that the remote has not got, or not as they are here."""
    remote = paths.root.parent / "remote" / "files" / "md5"
    for pointer in paths.data.glob("*.dvc"):
        listing = yaml.safe_load(pointer.read_text())["outs"][0]["md5"]
        known = {one["relpath"]: one["md5"] for one in storage.read_json(remote / listing[:2] / listing[2:])}
        for file in pointer.with_suffix("").iterdir():
            name = known.get(file.name, "missing")
            kept = remote / name[:2] / name[2:]
            if not kept.is_file() or kept.read_bytes() != file.read_bytes():
                yield file


def left(paths: Paths) -> dict[str, Any]:
    """What a step has left: the chain, the records and answers that landed, what people see."""
    return {
        "chain": [(entry.kind, {**entry.evidence, "cause": None}) for entry in history(paths)],
        "landed": shards.landed(paths.raw, ["record_id", "source_key", "domain"]).to_dict("list"),
        "answers": shards.landed(paths.labels, ["record_id", "annotator", "label"]).to_dict("list"),
        "questions": [file.read_text() for file in sorted((paths.labelling / "questions").glob("*.csv"))],
        "untold": list(untold(paths)),
    }


def copied(places: list[Path], into: Path) -> None:
    """Put these folders, as they are, in the place of those in `into`."""
    for place in places:
        shutil.rmtree(into / place.name, ignore_errors=True)
        shutil.copytree(place, into / place.name)


@pytest.mark.slow
def test_each_step_killed_before_each_of_its_files_ends_as_if_never_killed(alarmed: Paths, tmp_path: Path) -> None:
    recipe, before = loop_recipe(answered=1.0), tmp_path / "before"
    places = [alarmed.root, alarmed.home, tmp_path / "remote"]
    places[-1].mkdir(exist_ok=True)
    steps = [(gather.run, lambda: None), (ask.run, lambda: prepare(alarmed))]
    steps += [(by_file.run, lambda: fill_in(alarmed, ["ham"] * 40)), (answered.run, lambda: agreed(alarmed))]
    for step, begin in steps:
        work = functools.partial(step, recipe, alarmed)
        begin()
        copied(places, before)
        assert not dies_at(work, NEVER)
        calm = left(alarmed)
        copied([before / place.name for place in places], tmp_path)
        for number in itertools.count(1):
            if not dies_at(work, number):
                break
            assert not dies_at(work, NEVER)
            assert left(alarmed) == calm, f"{step.__module__}, killed before its file {number}"
            copied([before / place.name for place in places], tmp_path)
        assert number > 1
    assert [entry.kind for entry in history(alarmed)] == ["promotion", "drift", "question", "answers"]


def test_the_claim_is_in_the_ledger_before_the_labels_and_each_entry_names_its_cause(alarmed: Paths) -> None:
    recipe = loop_recipe()
    asked_round(recipe, alarmed)
    assert tides.claim(history(alarmed), 1) is None
    fill_in(alarmed, ["ham"] * 30)
    by_file.run(recipe, alarmed)
    agreed(alarmed)
    answered.run(recipe, alarmed)
    assert tides.standing(history(alarmed)).next == "wait"  # 30 of 40 are too few
    fill_in(alarmed, ["ham"] * 40)
    by_file.run(recipe, alarmed)
    agreed(alarmed)
    answered.run(recipe, alarmed)
    assert tides.claim(history(alarmed), 1) == {
        "slice": "tide 1",
        "metric": "weighted_f1",
        "alpha": 0.025,
        "against": 1,
    }
    assert tides.claim(history(alarmed), 7) is None
    verdict(alarmed, promoted=True)
    chain = history(alarmed)[1:]
    assert [entry.kind for entry in chain] == ["drift", "question", "answers", "verdict", "promotion"]
    assert [entry.evidence["cause"] for entry in chain[1:]] == [ledger.seal(entry) for entry in chain[:-1]]
    assert tides.standing(history(alarmed)).next == "watch"


def test_an_answer_that_was_taken_back_is_none(alarmed: Paths) -> None:
    recipe = loop_recipe()
    asked_round(recipe, alarmed)
    fill_in(alarmed, ["ham"] * 40)
    by_file.run(recipe, alarmed)
    agreed(alarmed)
    given = shards.landed(alarmed.labels, ["record_id", "annotator"]).head(5)
    withdrawn = label_table([{**row, "labelled_at": UNTIL} for row in given.to_dict("records")], STUDIO)
    reading = Reading("studio", "http://studio", None, "own labels", "d" * 64, None, None, None, 5, 5)
    shards.land(alarmed.labels, withdrawn, [reading], pd.Timestamp.now("UTC").floor("us"))
    answered.run(recipe, alarmed)
    assert tides.standing(history(alarmed)).next == "wait"  # 35 of 40 are too few


def test_people_who_disagree_too_much_stop_it(alarmed: Paths) -> None:
    recipe = loop_recipe(most_disagreement=0.3)
    asked_round(recipe, alarmed)
    fill_in(alarmed, ["ham"] * 40, ("ann", "bob"))
    by_file.run(recipe, alarmed)
    assert len(shards.landed(alarmed.labels, ["record_id"])) == 80
    agreed(alarmed, agreement=0.5, n_labels=2)
    answered.run(recipe, alarmed)
    assert history(alarmed)[-1].kind == "stop"
    assert history(alarmed)[-1].evidence["reason"].startswith("the labels disagree too much: 50% of the answers on 40")


@pytest.mark.parametrize(
    ("loop", "why"),
    [
        ({"labels_per_month": 200}, "nothing gets better: 2 rounds ended without a promotion"),
        ({"labels_per_month": 85, "rounds_without_gain": 5}, "the budget is spent: 5 of 85 labels a month are left"),
    ],
)
def test_it_stops_when_nothing_gets_better_or_the_month_s_labels_are_spent(
    alarmed: Paths, loop: dict[str, int], why: str
) -> None:
    recipe = loop_recipe(**loop)
    for _ in range(2):
        asked_round(recipe, alarmed)
        tides.note(alarmed.home, "shop", "answers", tides.standing(history(alarmed)), {})
        verdict(alarmed, promoted=False)
    gather.run(recipe, alarmed)
    assert history(alarmed)[-1].evidence["reason"].startswith(why)
    assert tides.standing(history(alarmed)).next == "watch"


def test_a_log_without_texts_says_which_setting_to_change(paths: Paths) -> None:
    recipe = loop_recipe()
    ledger.append(paths.home, "shop", "promotion", 1, {})
    ledger.append(paths.home, "shop", "drift", 1, {"since": SINCE.isoformat(), "until": UNTIL.isoformat()})
    log(paths, [None] * 30)
    hashed = recipe.model_copy(
        update={
            "serve": recipe.serve.model_copy(
                update={"traffic": recipe.serve.traffic.model_copy(update={"content": "hashed"})}
            )
        }
    )
    with pytest.raises(
        TidemillError, match=r"holds no text of the drifted window .* serve.traffic.content: hashed says; full keeps"
    ):
        gather.run(hashed, paths)
    with pytest.raises(TidemillError, match="keep_days: 30"):
        gather.run(recipe, paths)


def test_what_was_forgotten_or_is_known_is_not_in_the_pool_and_corrections_are(alarmed: Paths) -> None:
    tombstones.add(alarmed.root, [tombstones.mark(record_id(TEXTS[0]))])
    lines = [
        json.dumps({"text": text, "labelled_at": UNTIL.isoformat()}) for text in (TEXTS[1], "only a user knows this")
    ]
    storage.write_text(alarmed.home / "feedback" / "shop.jsonl", "\n".join([*lines, '{"text": "cut o']))
    log(alarmed, ["too early"], SINCE - timedelta(days=1))
    log(alarmed, ["of another version"], UNTIL, version=2)
    pool = drifted_pool(loop_recipe(), alarmed, tides.standing(history(alarmed)))
    assert set(pool["text"]) == {*TEXTS[1:], "only a user knows this"}
    assert set(pool.loc[pool["why"] == "corrected", "text"]) == {TEXTS[1], "only a user knows this"}


def test_a_correction_with_a_line_separator_in_it_is_one(alarmed: Paths) -> None:
    told = {"text": "one\u2028two", "labelled_at": UNTIL.isoformat()}
    storage.write_text(alarmed.corrections, json.dumps(told, ensure_ascii=False) + "\n")
    pool = drifted_pool(loop_recipe(), alarmed, tides.standing(history(alarmed)))
    assert pool.loc[pool["why"] == "corrected", "text"].tolist() == ["one\u2028two"]


def test_a_round_of_images_lands_the_bytes_that_were_asked_about_and_only_what_is_drawn_by_lot_tests(
    alarmed: Paths,
) -> None:
    settings = {"labels_per_round": 40, "strategy": "diverse", "ask": "studio"}
    recipe = recipe_of(kind="classify_image", labels={"classes": CLASSES}, train={}, loop=settings)
    asked, corrected = bars(200)["image"].tolist(), bars(1, seed=4)["image"].tolist()
    for file in alarmed.traffic.glob("*.parquet"):
        file.unlink()
    log(alarmed, [data_uri(content) for content in [*asked, *asked[:20]]], column="image")
    told = {"image": data_uri(corrected[0]), "labelled_at": UNTIL.isoformat()}
    storage.write_text(alarmed.corrections, json.dumps(told) + "\n")
    pool = drifted_pool(recipe, alarmed, tides.standing(history(alarmed)))
    assert sorted(pool["image"]) == sorted([*asked, *corrected])
    gather.run(recipe, alarmed)
    rows = shards.landed(alarmed.raw, ["record_id", "image", "media_type", "source_key"])
    assert len(rows) == 40
    assert rows["record_id"].tolist() == [record_id(content) for content in rows["image"]]
    assert set(rows["image"]) <= {*asked, *corrected}
    assert set(rows["media_type"]) == {"image/png"}
    exam = rows["source_key"].str.startswith("1.1:exam:")
    places = by_hash("record\x1f" + rows["record_id"], recipe.split)
    assert (exam.sum(), set(places[exam]) <= {"test", "validation"}, set(places[~exam])) == (20, True, {"train"})


def test_no_alarm_asks_nothing_and_an_alarm_about_another_version_is_none(paths: Paths) -> None:
    ledger.append(paths.home, "shop", "drift", 1, {"since": SINCE.isoformat(), "until": UNTIL.isoformat()})
    ledger.append(paths.home, "shop", "promotion", 2, {})
    gather.run(loop_recipe(), paths)
    ask.run(loop_recipe(), paths)
    answered.run(loop_recipe(), paths)
    assert tides.standing(history(paths)).next == "watch"
    assert not paths.raw.exists()


def test_an_answer_that_is_none_is_named_by_its_line(alarmed: Paths) -> None:
    recipe = loop_recipe()
    asked_round(recipe, alarmed)
    fill_in(alarmed, ["ham", "eggs"])
    with pytest.raises(TidemillError, match=r"line 3: 'eggs' is none of ham, spam"):
        by_file.run(recipe, alarmed)


def test_a_recipe_whose_loop_could_not_be_honest_is_refused() -> None:
    with pytest.raises(TidemillError, match=r"split\.by is 'time'; the loop needs hash"):
        gather.require_possible(recipe_of(split={"by": "time"}))
    with pytest.raises(TidemillError, match=r"a CSV shows no images; set loop\.ask: studio"):
        gather.require_possible(recipe_of(kind="classify_image", train={}, loop={"ask": "file"}))
    with pytest.raises(RecipeError, match="--loop: runs on alarms and answers, not at hours"):
        schedule.chosen(watch=True, loop=True, cron=None)
