"""A real Label Studio: tasks in and answers out, each once, whoever dies in between."""

import shutil
import stat
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import psutil
import pytest
from image_records import CLASSES, bars, encoded, shard
from label_project import TEXTS, fill, landed_labels, recipe_of
from real_studio import RealStudio, annotate_as, task_of

from flows import process_tree, server_state, servers, studio_access, studio_people
from tasks import ledger, shards, storage
from tasks.annotate.run import run as annotate
from tasks.annotations import label_rows
from tasks.errors import ServerError, TidemillError
from tasks.images import data_uri, from_data_uri, opened
from tasks.label import answered, ask, gather, page, pull, push, review, run, stand_in, state, status
from tasks.label.studio import connection, exchange, people, projects
from tasks.label.studio.connection import Studio
from tasks.paths import Paths
from tasks.recipe import Labels
from tasks.records import ADJUDICATED, STUDIO, record_id

pytest_plugins = ["tiny_project", "real_studio", "label_project"]
pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore:_NoneStep.value:DeprecationWarning"),  # DVC's use of pygtrie
]

ANN, BOB = "ann@example.org", "bob@example.org"


def test_every_script_survives_the_way_there_and_back(studio: Studio, paths: Paths) -> None:
    recipe, records = recipe_of(), fill(paths, list(TEXTS))
    run.run(recipe, paths)
    project = projects.required(studio, push.mark("shop"), "shop")
    ids = [number for number, _ in exchange.task_keys(studio, project)]
    shown = {task["data"]["record_id"]: task["data"]["text"] for task in exchange.exported(studio, project, ids)}
    assert shown == dict(zip(records["record_id"], records["text"], strict=True))
    for number in ids:
        annotate_as(studio, number, ANN, "spam")
    pull.run(recipe, paths)
    assert set(landed_labels(paths)["record_id"]) == set(records["record_id"])
    assert landed_labels(paths)[["annotator", "label", "seconds", "source"]].drop_duplicates().to_numpy().tolist() == [
        [ANN, "spam", 2.5, STUDIO]
    ]
    assert (paths.data / "labels.dvc").is_file()


def test_images_are_asked_about_as_texts_are(studio: Studio, paths: Paths) -> None:
    large = encoded(np.random.default_rng(1).integers(0, 255, (900, 700, 3)).astype(np.uint8))
    contents = [*bars(8)["image"], large]
    recipe = recipe_of(
        kind="classify_image",
        labels={"classes": ["left", "middle", "right"]},
        label={"budget": 6, "overlap_share": 0.0, "strategy": "uncertain_diverse"},
        train={},
    )
    records = shard(contents)
    shards.land(paths.raw, records, [], records["collected_at"].iloc[0])
    storage.write_table(paths.stage("prepare") / "records.parquet", records)
    for _ in range(2):
        run.run(recipe, paths)
    project = projects.required(studio, push.mark("shop"), "shop")
    numbers = [number for number, _ in exchange.task_keys(studio, project)]
    shown = {task["data"]["record_id"]: task["data"]["image"] for task in exchange.exported(studio, project, numbers)}
    sent = {name: from_data_uri(uri)[0] for name, uri in shown.items()}
    small = dict(zip(records["record_id"][:-1], contents[:-1], strict=True))
    assert {name: sent[name] for name in small} == small
    copy = opened(sent[record_id(large)])
    assert (copy.format, copy.size) == ("JPEG", (498, 640))
    for number in numbers:
        annotate_as(studio, number, ANN, "middle")
    pull.run(recipe, paths)
    assert set(landed_labels(paths)["record_id"]) == set(records["record_id"])


def test_the_loop_asks_people_about_the_images_of_a_drifted_window(studio: Studio, paths: Paths) -> None:
    recipe = recipe_of(
        kind="classify_image",
        labels={"classes": CLASSES},
        label={"overlap_share": 0.0},
        train={},
        loop={"labels_per_round": 20, "strategy": "diverse"},
    )
    ledger.append(paths.home, "shop", "promotion", 1, {})
    ledger.append(
        paths.home, "shop", "drift", 1, {"since": "2026-11-01T00:00+00:00", "until": "2026-11-02T00:00+00:00"}
    )
    asked = pd.DataFrame(
        {"image": [data_uri(content) for content in bars(80)["image"]], "version": 1, "arm": "champion"}
    )
    at = pd.Series(datetime(2026, 11, 1, 12, tzinfo=UTC), index=asked.index, dtype="datetime64[us, UTC]")
    storage.write_table(paths.traffic / "20261101T120000.000000Z-000001.parquet", asked.assign(at=at))
    gather.run(recipe, paths)
    landed = shards.landed(paths.raw, ["record_id", "image", "source", "domain", "group"])
    storage.write_table(paths.stage("prepare") / "records.parquet", landed)
    ask.run(recipe, paths)
    project = projects.required(studio, push.mark("shop"), "shop")
    numbers = [number for number, _ in exchange.task_keys(studio, project)]
    shown = {task["data"]["record_id"]: task["data"]["image"] for task in exchange.exported(studio, project, numbers)}
    expected = dict(zip(landed["record_id"], landed["image"], strict=True))
    assert {name: from_data_uri(uri)[0] for name, uri in shown.items()} == expected
    for number in numbers:
        annotate_as(studio, number, ANN, "middle")
    pull.run(recipe, paths)
    annotate(recipe, paths)
    answered.run(recipe, paths)
    chain = [entry.kind for entry in ledger.entries(paths.home, "shop")]
    assert chain == ["promotion", "drift", "question", "answers"]


def test_a_second_round_asks_about_nothing_twice_and_a_second_pull_lands_nothing(studio: Studio, paths: Paths) -> None:
    recipe = recipe_of(label={"budget": 4, "overlap_share": 0.0, "strategy": "random"})
    fill(paths, [f"text {number}" for number in range(10)])
    for _ in range(3):
        run.run(recipe, paths)
    project = projects.required(studio, push.mark("shop"), "shop")
    keys = [key for _, key in exchange.task_keys(studio, project)]
    assert len(keys) == len(set(keys)) == 10
    with pytest.raises(TidemillError, match=r"each of its 10 records .* is in Label Studio already \(10\).*add one to"):
        run.run(recipe, paths)
    annotate_as(studio, 1 + min(number for number, _ in exchange.task_keys(studio, project)), ANN, "ham")
    for _ in range(2):
        pull.run(recipe, paths)
    assert len(landed_labels(paths)) == 1
    shutil.rmtree(paths.labelling)
    pull.run(recipe, paths)
    assert len(landed_labels(paths)) == 1, "what this machine remembers may be lost"


def test_a_round_that_was_cut_off_is_completed_and_not_chosen_anew(studio: Studio, paths: Paths) -> None:
    recipe, records = recipe_of(), fill(paths, ["one", "two", "three"])
    project = push.ensured_project(studio, recipe)
    tasks = tuple(push.tasks_of(records.head(2).assign(why="random"), recipe, None))
    state.begin(paths, state.Round(1, "random", project, tasks))
    exchange.add_tasks(studio, project, tasks[:1])
    run.run(recipe, paths)
    assert [key for _, key in exchange.task_keys(studio, project)] == records["record_id"].head(2).tolist()
    assert state.unfinished(paths) is None
    assert storage.read_json(paths.labelling / "rounds" / "0001.json")["strategy"] == "random"


def test_two_imports_at_once_leave_one_task_a_record(studio: Studio, paths: Paths) -> None:
    recipe, records = recipe_of(), fill(paths, ["one", "two"])
    project = push.ensured_project(studio, recipe)
    tasks = push.tasks_of(records, recipe, None)
    for _ in range(2):
        exchange.add_tasks(studio, project, tasks)
    answered = max(number for number, key in exchange.task_keys(studio, project) if key == records["record_id"][0])
    annotate_as(studio, answered, ANN, "ham")
    assert push.remove_copies(studio, project) == 2
    assert sorted(key for _, key in exchange.task_keys(studio, project)) == sorted(records["record_id"])
    assert answered in [number for number, _ in exchange.task_keys(studio, project)], "an answer is never deleted"


def test_empty_and_contradicting_annotations_are_refused_with_their_task(
    studio: Studio, paths: Paths, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe, records = recipe_of(), fill(paths, ["one", "two", "three"])
    run.run(recipe, paths)
    empty, torn, good = (task_of(studio, recipe, name) for name in records["record_id"])
    annotate_as(studio, empty, ANN)
    annotate_as(studio, torn, ANN, "ham")
    annotate_as(studio, torn, ANN, "spam")
    annotate_as(studio, torn, BOB, "spam")
    annotate_as(studio, good, ANN, "ham", "spam")
    pull.run(recipe, paths)
    said = capsys.readouterr().out
    assert f"refused: task {empty}: is empty" in said
    assert f"refused: task {torn}: {ANN} gives different answers (ham, spam)" in said
    assert f"refused: task {good}: gives 2 labels (ham, spam) where one is wanted" in said
    assert landed_labels(paths)[["annotator", "label"]].to_numpy().tolist() == [[BOB, "spam"]]


def test_a_change_of_mind_lands_as_a_newer_answer_and_a_touched_one_does_not(studio: Studio, paths: Paths) -> None:
    recipe, records = recipe_of(), fill(paths, ["one"])
    run.run(recipe, paths)
    task = task_of(studio, recipe, records["record_id"][0])
    annotation = annotate_as(studio, task, ANN, "ham")
    pull.run(recipe, paths)
    for label in ("ham", "spam", "ham", "ham"):
        result = [page.answer("classify_text", recipe.labels, label)]
        studio.ask("PATCH", f"/api/annotations/{annotation}/", json={"result": result})
        pull.run(recipe, paths)
    assert landed_labels(paths)["label"].tolist() == ["ham", "spam", "ham"]


def test_what_is_deleted_in_label_studio_counts_no_more_and_what_is_tidied_up_does(
    studio: Studio, paths: Paths
) -> None:
    recipe, records = recipe_of(), fill(paths, ["one", "two", "three", "four"])
    run.run(recipe, paths)
    tasks = [task_of(studio, recipe, name) for name in records["record_id"]]
    by_ann = [annotate_as(studio, task, ANN, "ham") for task in tasks]
    annotate_as(studio, tasks[0], BOB, "spam")
    pull.run(recipe, paths)
    studio.ask("DELETE", f"/api/annotations/{by_ann[0]}/")
    studio.ask("PATCH", f"/api/annotations/{by_ann[1]}/", json={"was_cancelled": True})
    project = projects.required(studio, push.mark("shop"), "shop")
    all_of_it = {"selectedItems": {"all": False, "included": [tasks[2]]}}
    studio.ask("POST", f"/api/dm/actions/?id=delete_tasks_annotations&project={project}", json=all_of_it)
    exchange.delete_task(studio, tasks[3])
    for _ in range(2):
        pull.run(recipe, paths)
        annotate(recipe, paths)
    agreed = storage.read_table(paths.stage("annotate") / "consensus.parquet").set_index("record_id")
    assert agreed["label"].to_dict() == {records["record_id"][0]: "spam", records["record_id"][3]: "ham"}
    assert len(landed_labels(paths)) == 5 + 3, "each is taken back once, and stays to be seen"
    annotate_as(studio, tasks[2], ANN, "ham")
    pull.run(recipe, paths)
    annotate(recipe, paths)
    assert len(storage.read_table(paths.stage("annotate") / "consensus.parquet")) == 3


def test_what_is_in_dispute_goes_to_review_and_the_answer_there_is_the_last_word(studio: Studio, paths: Paths) -> None:
    recipe, records = recipe_of(), fill(paths, ["one", "two"])
    run.run(recipe, paths)
    torn, clear = records["record_id"]
    for name, labels in ((torn, ("ham", "spam")), (clear, ("ham", "ham"))):
        for who, label in zip((ANN, BOB), labels, strict=True):
            annotate_as(studio, task_of(studio, recipe, name), who, label)
    pull.run(recipe, paths)
    annotate(recipe, paths)
    review.run(recipe, paths)
    project = projects.required(studio, push.mark("shop", "review"), "shop")
    ((task, key),) = exchange.task_keys(studio, project)
    assert key == torn
    (shown,) = exchange.exported(studio, project, [task])
    assert shown["data"]["opinions"] == f"{ANN}: ham, {BOB}: spam"
    annotate_as(studio, task, "judge@example.org", "spam")
    pull.run(recipe, paths)
    annotate(recipe, paths)
    review.run(recipe, paths)
    agreed = storage.read_table(paths.stage("annotate") / "consensus.parquet").set_index("record_id")
    assert agreed.loc[torn, ["label", "n_labels"]].tolist() == ["spam", 3]
    assert agreed.loc[torn, "agreement"] == pytest.approx(2 / 3)
    assert len(exchange.task_keys(studio, project)) == 1
    assert ADJUDICATED in set(landed_labels(paths)["source"])
    status.run(recipe, paths)


KINDS: dict[str, tuple[Labels, dict[str, str], str]] = {
    "classify_text": (Labels(classes=("ham", 'sp"am<&>')), {"text": "one"}, 'sp"am<&>'),
    "classify_image": (Labels(classes=("cat", "dog")), {"image": "data:image/gif;base64,R0lGODlhAQABAAAAACw="}, "dog"),
    "translate": (Labels(classes=("a", "b")), {"source_text": "你好", "target_text": "hello"}, "hello 👋\nworld"),
    "generate": (Labels(classes=("a", "b")), {"prompt": "why?", "answer_a": "so", "answer_b": "because"}, "left"),
    "recommend": (Labels(classes=("a", "b")), {"text": "A film"}, "4"),
}


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_has_a_page_whose_answer_comes_back(studio: Studio, kind: str) -> None:
    scheme, data, label = KINDS[kind]
    settings: dict[str, Any] = {"title": kind, "label_config": page.page(kind, scheme)}
    project = projects.ensured(studio, f"[{kind}]", settings)
    guess = {"model_version": "v1", "score": 0.5, "result": [page.answer(kind, scheme, label)]}
    exchange.add_tasks(studio, project, [{"data": {**data, "record_id": "x"}, "predictions": [guess]}])
    ((task, _),) = exchange.task_keys(studio, project)
    studio.ask("POST", f"/api/tasks/{task}/annotations/", json={"result": [page.answer(kind, scheme, label)]})
    rows, refused = label_rows(exchange.exported(studio, project, [task]), page.CONTROL)
    assert ([row["label"] for row in rows], refused) == ([label], ())
    assert projects.ensured(studio, f"[{kind}]", settings) == project


def test_stand_ins_answer_over_the_pages_what_label_studio_gives_them(
    studio: Studio, live_studio: RealStudio, paths: Paths
) -> None:
    recipe = recipe_of(label={"budget": 18, "overlap": 2, "overlap_share": 0.5, "strategy": "random"})
    records = fill(paths, [f"text {number}" for number in range(12)])
    run.run(recipe, paths)
    addresses = tuple(studio_people.STAND_IN.format(number) for number in (1, 2))
    for _ in range(2):
        studio_people.ensure_logins(live_studio.home, live_studio.url, addresses)
    passwords = {one.email: one.password for one in studio_access.logins(live_studio.home)}
    project = projects.required(studio, push.mark("shop"), "shop")
    opinion = stand_in.answering(
        dict.fromkeys(records["record_id"], "ham"), recipe.labels, 0.0, np.random.default_rng(1)
    )
    done = []
    for address in addresses:
        with people.signed_in(live_studio.url, address, passwords[address]) as person:
            done.append(stand_in.label(person, project, "classify_text", recipe.labels, opinion))
    assert done == [12, 6], "the first sees every task, the second those that two people answer"
    assert projects.counts(studio, project) == {"tasks": 12, "finished": 12, "annotations": 18, "skipped": 0}
    pull.run(recipe, paths)
    rows = landed_labels(paths)
    assert rows["annotator"].value_counts().to_dict() == dict(zip(addresses, done, strict=True))
    assert (rows["seconds"] > 0).all()
    with pytest.raises(ServerError, match="does not let"), people.signed_in(live_studio.url, addresses[0], "wrong"):
        pass


def test_nothing_secret_is_where_others_could_read_it(studio: Studio, live_studio: RealStudio) -> None:
    home = live_studio.home
    assert stat.S_IMODE(studio_access.file(home).stat().st_mode) == 0o600
    assert stat.S_IMODE(studio_access.folder(home).stat().st_mode) == 0o700
    admin = studio_access.administrator(home)
    arguments = [" ".join(process.info["cmdline"] or []) for process in psutil.process_iter(["cmdline"])]
    log = server_state.log_file(home, "studio").read_text()
    for secret in (admin.token, admin.password):
        assert not any(secret in line for line in arguments)
        assert secret not in log
    assert live_studio.url.startswith("http://127.0.0.1:")


def test_a_wrong_token_is_told_by_its_name(live_studio: RealStudio, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(connection.URL_VARIABLE, live_studio.url)
    monkeypatch.setenv(connection.TOKEN_VARIABLE, "0" * 40)
    with (
        connection.connected() as stranger,
        pytest.raises(ServerError, match="refuses the token in LABEL_STUDIO_API_KEY"),
    ):
        projects.found(stranger, "x")


def test_a_personal_access_token_works_too(studio: Studio, monkeypatch: pytest.MonkeyPatch) -> None:
    bought = studio.ask("POST", "/api/token/")["token"]
    monkeypatch.setenv(connection.TOKEN_VARIABLE, bought)
    with connection.connected() as other:
        assert exchange.addresses(other) == exchange.addresses(studio)


def kill(home: Path) -> None:
    """End the server as a power cut does."""
    started = server_state.read(home, "studio")
    assert started is not None
    process_tree.end_group(started.process, 0.0)


def killed_while(home: Path, work: Callable[[], object], due: Callable[[], bool]) -> BaseException | None:
    """What `work` raised when the server was killed as soon as it was due."""
    over = threading.Event()

    def watch() -> None:
        while not due() and not over.is_set():
            time.sleep(0.02)
        kill(home)

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        work()
    except (ServerError, OSError) as error:
        return error
    finally:
        over.set()
        watcher.join()
    return None


def test_nothing_is_lost_or_doubled_when_label_studio_is_killed(
    studio: Studio, live_studio: RealStudio, paths: Paths
) -> None:
    home = live_studio.home
    recipe = recipe_of(label={"budget": 1500, "overlap_share": 0.0, "strategy": "random"})
    records = fill(paths, [f"text number {number}" for number in range(1500)])

    def some_are_there() -> bool:
        project = projects.found(studio, push.mark("shop"))
        return project is not None and projects.counts(studio, project)["tasks"] >= exchange.CHUNK

    assert killed_while(home, lambda: run.run(recipe, paths), some_are_there) is not None, "killed while it imports"
    assert servers.studio_up(home) == live_studio.url
    run.run(recipe, paths)
    project = projects.required(studio, push.mark("shop"), "shop")
    keys = exchange.task_keys(studio, project)
    assert sorted(str(key) for _, key in keys) == sorted(records["record_id"])

    kept: list[int] = []

    def label() -> None:
        for number, _ in keys[:100]:
            annotate_as(studio, number, ANN, "spam")
            kept.append(number)

    assert killed_while(home, label, lambda: len(kept) >= 10) is not None, "killed while somebody labels"
    servers.studio_up(home)
    answered = exchange.changed(studio, project, None).answered
    assert set(kept) <= set(answered), "what Label Studio said yes to is there"
    asked = time.monotonic()
    killed_while(home, lambda: pull.run(recipe, paths), lambda: time.monotonic() > asked + 0.3)
    servers.studio_up(home)
    pull.run(recipe, paths)
    told = dict(keys)
    rows = landed_labels(paths)
    assert sorted(rows["record_id"]) == sorted(str(told[number]) for number in answered)
