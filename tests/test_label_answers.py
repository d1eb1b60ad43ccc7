"""Pages, answers, and what of them lands: without a Label Studio."""

import http.client
import os
import subprocess
import sys
import time
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from label_project import recipe_of, records_of

from flows import label_receiver, studio_access, studio_install, studio_people
from tasks.__main__ import main
from tasks.annotate.classes import votes
from tasks.annotate.consensus import class_shares, consensus
from tasks.annotate.last_word import counted_over_all, deciding, of_annotators
from tasks.annotate.spammers import random_clicking, suspected
from tasks.annotations import label_rows
from tasks.errors import RecipeError, ServerError
from tasks.label import errors as label_errors
from tasks.label import state, wrong
from tasks.label.page import PAGES, answer, answers, page
from tasks.label.pulled import new_answers
from tasks.label.push import settings as project_settings
from tasks.label.push import tasks_of, typical_answer
from tasks.label.review import disputed, opinions
from tasks.label.stand_in import answering
from tasks.label.studio.connection import TOKEN_VARIABLE, URL_VARIABLE, connected
from tasks.label.studio.exchange import chunks
from tasks.label.studio.projects import found
from tasks.label_rows import label_table
from tasks.paths import Paths
from tasks.recipe import Labels, Ratings, with_values
from tasks.records import ADJUDICATED, STUDIO

FEELINGS = Labels(classes=("negative", "neutral", "positive"), ratings=Ratings(low=-4, high=4, cuts=(-0.5, 0.5)))


@pytest.mark.parametrize("kind", PAGES)
@given(names=st.lists(st.text(st.characters(blacklist_categories=("Cs", "Cc")), min_size=1), min_size=2, unique=True))
@settings(max_examples=20, deadline=None)
def test_a_page_is_valid_xml_with_one_answer_whatever_the_classes_are_called(kind: str, names: list[str]) -> None:
    tree = ET.fromstring(page(kind, Labels(classes=tuple(names))))
    assert len(tree.findall(".//*[@name='label']")) == 1
    if kind.startswith("classify"):
        assert [choice.get("value") for choice in tree.iter("Choice")] == names
        assert tree.find(".//Choices").get("required") == "true"


def test_many_classes_are_a_list_to_search_in() -> None:
    many = Labels(classes=tuple(f"intent {number}" for number in range(77)))
    assert 'layout="select"' in page("classify_text", many)
    assert 'layout="select"' not in page("classify_text", Labels(classes=("a", "b")))


def test_a_scale_is_whole_numbers_and_says_what_they_mean() -> None:
    assert answers(FEELINGS) == tuple(str(number) for number in range(-4, 5))
    assert "-4 to -0.5: negative | -0.5 to 0.5: neutral | 0.5 to 4: positive" in page("classify_text", FEELINGS)
    assert [typical_answer(FEELINGS, name) for name in FEELINGS.classes] == ["-2", "0", "2"]


def test_a_kind_without_a_page_is_told_with_those_that_have_one() -> None:
    with pytest.raises(RecipeError, match=r"kind 'dance' has no labelling page; known are: classify_text"):
        page("dance", FEELINGS)


def test_a_task_carries_no_more_than_its_content_and_what_filters_need() -> None:
    records = records_of(["one"]).assign(why="random", happened_at=pd.NaT, source_key="secret")
    (task,) = tasks_of(records, recipe_of(), None)
    assert task == {
        "data": {
            "text": "one",
            "record_id": records["record_id"][0],
            "domain": "shop",
            "source": "rows",
            "why": "random",
        }
    }


def test_the_project_asks_for_overlap_as_the_recipe_does() -> None:
    made = project_settings(recipe_of(label={"overlap": 3, "overlap_share": 0.2, "show_predictions": True}))
    assert (made["maximum_annotations"], made["overlap_cohort_percentage"]) == (3, 20)
    assert made["show_collab_predictions"] is True


def annotation(*labels: str, who: str | None = "ann", at: str = "2026-11-24T09:30:00Z", **more: Any) -> dict[str, Any]:
    result = [{**answer("classify_text", recipe_of().labels, label)} for label in labels]
    return {"completed_by": who, "updated_at": at, "lead_time": 1.0, "result": result, **more}


def test_who_answers_a_task_twice_the_same_is_heard_and_differently_refused() -> None:
    task = {"id": 7, "data": {"record_id": "a"}, "annotations": [annotation("ham"), annotation("ham")]}
    assert [row["label"] for row in label_rows([task])[0]] == ["ham", "ham"]
    torn = {**task, "annotations": [annotation("ham"), annotation("spam"), annotation("spam", who="bob")]}
    rows, refused = label_rows([torn])
    assert [row["annotator"] for row in rows] == ["bob"]
    assert refused == ("task 7: ann gives different answers (ham, spam)",)
    anonymous = {**task, "annotations": [annotation("ham", who=None), annotation("spam", who=None)]}
    assert len(label_rows([anonymous])[0]) == 2, "two of nobody may well be two people"


def rows(*given: tuple[str, str, str, int], source: str = STUDIO) -> pd.DataFrame:
    """Label rows of (record, annotator, label, minute)."""
    content = [
        {
            "record_id": r,
            "annotator": who,
            "label": label,
            "labelled_at": f"2026-11-24T09:{minute:02d}:00Z",
            "seconds": 1.0,
        }
        for r, who, label, minute in given
    ]
    return label_table(content, source)


def test_a_change_of_mind_is_new_each_time_and_a_touched_answer_is_not() -> None:
    first = rows(("a", "ann", "ham", 1))
    for later, lands in (("ham", False), ("spam", True)):
        assert len(new_answers(rows(("a", "ann", later, 2)), first)) == lands
    both = pd.concat([first, rows(("a", "ann", "spam", 2))])
    assert new_answers(rows(("a", "ann", "ham", 3)), both)["label"].tolist() == ["ham"]
    assert new_answers(rows(("a", "ann", "ham", 1)), both).empty, "what has landed never lands again"
    assert len(new_answers(rows(("a", "bob", "ham", 1)), both)) == 1
    assert len(new_answers(rows(("a", "ann", "ham", 1), source=ADJUDICATED), both)) == 1


@given(
    st.lists(
        st.tuples(
            st.sampled_from("ab"), st.sampled_from(["ann", "bob"]), st.sampled_from(["ham", "spam"]), st.integers(0, 9)
        ),
        max_size=12,
    )
)
@settings(max_examples=50, deadline=None)
def test_pulling_the_same_answers_again_lands_nothing(given_rows: list[tuple[str, str, str, int]]) -> None:
    incoming = rows(*given_rows).drop_duplicates(["record_id", "annotator"], keep="last")
    before = incoming.copy()
    landed = new_answers(incoming, rows())
    assert len(landed) == len(incoming)
    assert new_answers(incoming, landed).empty
    pd.testing.assert_frame_equal(incoming, before)


def test_the_review_has_the_last_word_and_the_others_are_still_measured() -> None:
    table = pd.concat(
        [
            rows(("a", "ann", "ham", 1), ("a", "bob", "ham", 1), ("b", "ann", "spam", 1)),
            rows(("a", "judge", "spam", 2), source=ADJUDICATED),
        ]
    )
    scheme = Labels(classes=("ham", "spam"))
    opinions_given = votes(table, scheme)
    decisive = deciding(opinions_given)
    shares = class_shares(decisive, scheme)
    agreed = counted_over_all(consensus(decisive, shares, scheme), opinions_given, scheme.classes).set_index(
        "record_id"
    )
    assert agreed["label"].to_dict() == {"a": "spam", "b": "spam"}
    assert agreed["n_labels"].to_dict() == {"a": 3, "b": 1}
    assert agreed.loc["a", "agreement"] == pytest.approx(1 / 3)
    assert "judge" not in set(of_annotators(opinions_given)["annotator"])


def test_without_a_review_every_vote_decides() -> None:
    scheme = Labels(classes=("ham", "spam"))
    given_votes = votes(rows(("a", "ann", "ham", 1), ("a", "bob", "spam", 1)), scheme)
    pd.testing.assert_frame_equal(deciding(given_votes), given_votes)
    agreed = consensus(given_votes, class_shares(given_votes, scheme), scheme)
    pd.testing.assert_frame_equal(counted_over_all(agreed, given_votes, scheme.classes), agreed)


def test_only_what_people_here_disagree_on_is_in_dispute() -> None:
    agreed = pd.DataFrame({"record_id": list("abcd"), "n_labels": [2, 2, 1, 20], "agreement": [0.5, 1.0, 1.0, 0.4]})
    assert disputed(agreed, {"a", "b", "c"}, 0.6)["record_id"].tolist() == ["a"]
    assert opinions(rows(("a", "ann", "ham", 1), ("a", "bob", "spam", 1))) == {"a": "ann: ham, bob: spam"}


@given(st.floats(0, 1))
@settings(max_examples=10, deadline=None)
def test_a_stand_in_errs_as_often_as_stated(rate: float) -> None:
    opinion = answering({"a": "0"}, FEELINGS, rate, np.random.default_rng(1))
    wrong_share = np.mean([opinion({"record_id": "a"}) != "0" for _ in range(2000)])
    assert abs(wrong_share - rate) < 0.05
    assert answering({}, FEELINGS, rate, np.random.default_rng(1))({"record_id": "a"}) is None


def test_flipped_labels_are_found_and_the_noise_is_told() -> None:
    rng = np.random.default_rng(0)
    truth = rng.integers(2, size=600)
    vectors = rng.normal(size=(600, 5)) + 3 * truth[:, None]
    flipped = rng.permutation(600)[:30]
    labels = truth.copy()
    labels[flipped] = 1 - labels[flipped]
    beliefs = wrong.out_of_fold(vectors, labels, 2, 1)
    found_rows = set(wrong.suspects(labels, beliefs).tolist())
    assert len(found_rows & set(flipped.tolist())) >= 25
    assert len(found_rows) <= 33
    assert 0.03 < wrong.noise(labels, beliefs) < 0.08


def test_what_several_people_said_outweighs_a_model_that_errs() -> None:
    beliefs = np.array([[0.1, 0.9], [0.1, 0.9], [0.1, 0.9], [0.9, 0.1]])
    counted = np.array([[9, 1], [1, 0], [5, 5], [8, 0]])
    before = beliefs.copy()
    heard = wrong.with_votes(beliefs, counted)
    assert (beliefs == before).all()
    assert heard.argmax(axis=1).tolist() == [0, 1, 1, 0], "ten people, one person, a tie, all of them"
    assert (heard[1] == beliefs[1]).all()
    assert wrong.share(np.array([0, 0, 0, 0]), beliefs, heard) < np.mean(1 - beliefs[:, 0])
    assert (wrong.with_votes(beliefs, np.eye(2, dtype=np.int64)[[0, 0, 1, 1]]) == beliefs).all()


@given(st.floats(0.65, 0.95), st.integers(2, 5))
@settings(max_examples=10, deadline=None)
def test_how_often_people_are_right_is_told_by_how_often_two_agree(right: float, n_classes: int) -> None:
    rng = np.random.default_rng(0)
    off = rng.integers(1, n_classes, size=(4000, 3)) * (rng.random((4000, 3)) >= right)
    counted = np.stack([(off == name).sum(axis=1) for name in range(n_classes)], axis=1)
    assert wrong._right(counted) == pytest.approx(right, abs=0.03)


def test_opinions_are_counted_by_record_and_class() -> None:
    answers_given = rows(("a", "ann", "-2", 1), ("a", "bob", "0.5", 1), ("b", "ann", "x", 1), ("c", "ann", "4", 1))
    counted = label_errors.votes(answers_given, pd.Series(["c", "a"]), FEELINGS)
    assert counted.tolist() == [[0, 0, 1], [1, 0, 1]]
    names = label_errors.votes(rows(("a", "ann", "spam", 1)), pd.Series(["a"]), recipe_of().labels)
    assert names.tolist() == [[0, 1]]


def test_what_was_pulled_counts_on_that_label_studio_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TIDEMILL_HOME", str(tmp_path))
    paths = Paths(tmp_path, "shop")
    state.remember(paths, state.Seen("http://here").with_change(3, "2026-11-24T09:30:00.000000Z"))
    assert state.seen(paths, "http://here").changes == {"3": "2026-11-24T09:30:00.000000Z"}
    assert state.seen(paths, "http://there").changes == {}
    (paths.labelling / "seen.json").write_text('{"torn')
    assert state.seen(paths, "http://here").changes == {}


def test_no_label_studio_is_one_line_that_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (URL_VARIABLE, TOKEN_VARIABLE):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(ServerError, match=r"LABEL_STUDIO_URL is not set.*tidemill up --studio"), connected():
        pass
    monkeypatch.setenv(URL_VARIABLE, "http://127.0.0.1:9/")
    with pytest.raises(ServerError, match=r"LABEL_STUDIO_API_KEY is not set"), connected():
        pass
    monkeypatch.setenv(TOKEN_VARIABLE, "0" * 40)
    with pytest.raises(ServerError, match=r"^http://127.0.0.1:9: Label Studio does not answer"), connected() as studio:
        found(studio, "x")


def test_chunks_are_all_items_in_order() -> None:
    assert [list(some) for some in chunks(range(5), 2)] == [[0, 1], [2, 3], [4]]


def test_other_values_for_this_once_are_checked_like_the_recipe() -> None:
    assert with_values(recipe_of(), {"label.budget": "7"}).label.budget == 7
    with pytest.raises(RecipeError, match=r"label.strategy: input should be .*, not 'guess'"):
        with_values(recipe_of(), {"label.strategy": "guess"})
    with pytest.raises(
        RecipeError, match=r"label.bugdet: is no key that a recipe knows; known are: annotators, budget"
    ):
        with_values(recipe_of(), {"label.bugdet": "7"})


def test_a_stage_takes_no_other_values(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "shop", "train.epochs=1"]) == 2
    assert main(["label", "shop", "budget"]) == 2
    assert main(["label"]) == 2
    assert "usage: python -m tasks STEP RECIPE" in capsys.readouterr().err


def test_truth_for_stand_ins_needs_its_columns(tmp_path: Path) -> None:
    file = tmp_path / "truth.csv"
    file.write_text("text,label\none,ham\n")
    (known,) = studio_people.true_labels(file).values()
    assert known == "ham"
    file.write_text("words,label\none,ham\n")
    with pytest.raises(RecipeError, match=r"needs the columns label, and record_id or text; it has words, label"):
        studio_people.true_labels(file)


def test_logins_are_made_once_and_closed_to_others(tmp_path: Path) -> None:
    first = studio_access.administrator(tmp_path)
    studio_access.add(tmp_path, "ann@example.org", "x")
    assert studio_access.administrator(tmp_path) == first
    assert [one.email for one in studio_access.logins(tmp_path)] == [first.email, "ann@example.org"]
    assert studio_access.file(tmp_path).stat().st_mode & 0o077 == 0
    assert len(first.token) == 40
    assert first.password not in repr(first)


def test_an_environment_that_is_not_whole_is_none(tmp_path: Path) -> None:
    assert not studio_install.installed(tmp_path)
    mark = studio_access.folder(tmp_path) / "venv" / "tidemill-lock"
    mark.parent.mkdir(parents=True)
    mark.write_text("another lock")
    assert not studio_install.installed(tmp_path)
    assert "--hash=sha256:" in studio_install.LOCK.read_text()


@pytest.fixture
def receiver(tmp_path: Path) -> Any:
    """The receiver as a process in a project whose `tidemill` only notes that it was asked to pull."""
    root = tmp_path / "project"
    (root / "recipes").mkdir(parents=True)
    (root / "dvc.yaml").write_text("stages: {}\n")
    home = tmp_path / "home"
    label_receiver.watch(home, "shop")
    environment = {**os.environ, "TIDEMILL_HOME": str(home), "TIDEMILL_RECEIVER_PORT": "0"}
    code = (
        "import sys, threading\nfrom pathlib import Path\nfrom flows import label_receiver as r\nr.QUIET_S = r.RETRY_S = 0.2\n"
        "def pull(root, recipe):\n    asked = Path('asked'); n = len(asked.read_text()) if asked.exists() else 0\n"
        "    asked.write_text('x' * (n + 1)); return n != 1\n"
        "r.pull = pull\nbase = r.ThreadingHTTPServer\n"
        "class S(base):\n    def __init__(self, *a):\n        super().__init__(*a); Path('port').write_text(str(self.server_address[1]))\n"
        "r.ThreadingHTTPServer = S\nr.serve(0)\n"
    )
    with subprocess.Popen([sys.executable, "-c", code], cwd=root, env=environment) as child:
        try:
            yield root, home, child
        finally:
            child.terminate()


def eventually(check: Any, patience_s: float = 30.0) -> None:
    deadline = time.monotonic() + patience_s
    while not check():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def post(root: Path, path: str, secret: str) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", int((root / "port").read_text()), timeout=10)
    connection.request("POST", path, "{}", {label_receiver.SECRET_HEADER: secret})
    status = connection.getresponse().status
    connection.close()
    return status


def test_the_receiver_notes_first_answers_at_once_and_pulls_until_it_works(receiver: Any) -> None:
    root, home, child = receiver
    eventually((root / "port").is_file)

    def asked() -> int:
        return len((root / "asked").read_text()) if (root / "asked").is_file() else 0

    eventually(lambda: asked() == 1)
    secret = studio_access.hook_secret(home)
    assert post(root, "/shop", "wrong") == 403
    assert post(root, "/other", secret) == 404
    assert post(root, "/shop", secret) == 202
    eventually(lambda: asked() == 3)
    child.kill()
    child.wait()
    label_receiver.note(home, "shop")
    assert label_receiver.watched(home) == ["shop"]
    assert label_receiver.taken(home) is None, "answers are gathered for a moment"


def crowd(rng: np.random.Generator, clickers: int, honest: int = 12, records: int = 400) -> pd.DataFrame:
    """Three answers a record by people who are right nine times of ten, or click at random."""
    truth = (rng.random(records) < 0.3).astype(int)
    people_of = np.array([rng.permutation(honest + clickers)[:3] for _ in range(records)])
    answers_given = np.where(rng.random(people_of.shape) < 0.9, truth[:, None], 1 - truth[:, None])
    answers_given = np.where(people_of >= honest, rng.integers(2, size=people_of.shape), answers_given)
    return pd.DataFrame(
        {
            "record_id": np.repeat([f"r{number}" for number in range(records)], 3),
            "annotator": [f"{'honest' if who < honest else 'clicker'} {who}" for who in people_of.ravel()],
            "class_index": answers_given.ravel(),
        }
    )


def test_who_clicks_at_random_is_suspected_and_who_errs_is_not() -> None:
    votes_given = crowd(np.random.default_rng(0), clickers=3)
    before = votes_given.copy()
    called = suspected(votes_given, ("no", "yes"))
    pd.testing.assert_frame_equal(votes_given, before)
    assert len(called) >= 2, "of three"
    assert called["annotator"].str.startswith("clicker").all()
    nobody = random_clicking(votes_given.assign(annotator=pd.Series(None, dtype="str")), ("no", "yes"))
    assert nobody.empty
