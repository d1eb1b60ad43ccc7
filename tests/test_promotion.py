"""A release that is cut off anywhere and run again ends where an undisturbed one does, and no model slips past the gate."""

import shutil

import pandas as pd
import pytest
from tiny_models import write_model

from tasks import inference, ledger, storage, tracking
from tasks.paths import Paths
from tasks.recipe import Recipe
from tasks.registered import SEEN
from tasks.release import probes
from tasks.release.promotion import settled
from tasks.release.rollback import roll_back
from tasks.release.rows import seen_records

CLASSES, ROWS = ("ham", "spam"), 200
RECIPE = Recipe.model_validate(
    {
        "name": "tiny",
        "title": "A tiny recipe",
        "kind": "classify_text",
        "sources": [{"name": "rows", "url": "file:rows.csv", "columns": {"text": "text"}}],
        "labels": {"classes": CLASSES},
        "train": {"base_model": {"url": "file:model"}},
        "gate": {"bootstrap_samples": 1000, "max_latency_ratio": None},
    }
)


class World:
    """A registry, a ledger and the stage outputs of one recipe."""

    def __init__(self, root, name="tiny"):
        self.name, self.paths = name, Paths(root, name)
        self.texts = [f"text{number}" for number in range(ROWS)]
        self.labels = [CLASSES[number % 2] for number in range(ROWS)]
        test = {"record_id": self.texts, "text": self.texts, "label": self.labels, "domain": "mail", "agreement": 1.0}
        split = self.paths.stage("split")
        storage.write_table(split / "test.parquet", pd.DataFrame(test))
        storage.write_table(split / "validation.parquet", pd.DataFrame({"record_id": ["v"], "text": ["text1"]}))
        self.learn_from(["t"])

    def learn_from(self, ids):
        table = pd.DataFrame({"record_id": ids, "text": ids, "label": "ham"})
        storage.write_table(self.paths.stage("split") / "train.parquet", table)

    def make(self, right, padding=0):
        """Let the outputs be those of a model that is right on so many of the rows."""
        answers = [label if place < right else CLASSES[place % 2 - 1] for place, label in enumerate(self.labels)]
        write_model(self.paths.stage("compress"), CLASSES, dict(zip(self.texts, answers, strict=True)), padding)
        model = inference.load(self.paths.stage("compress"), "model.onnx", 1)
        told = pd.DataFrame(model.probabilities(self.texts), columns=[f"p_{name}" for name in CLASSES])
        told = told.assign(record_id=self.texts, predicted=answers, confidence=told.max(axis=1))
        storage.write_table(self.paths.stage("evaluate") / "predictions.parquet", told)

    def register(self, lineage):
        known = [version for version in tracking.versions(self.name) if version.tags["lineage"] == lineage]
        if known:
            return known[0]
        files = self.paths.root / "bundle"
        shutil.rmtree(files, ignore_errors=True)
        shutil.copytree(self.paths.stage("compress"), files)
        shutil.copy(self.paths.stage("evaluate") / "predictions.parquet", files)
        storage.write_table(files / SEEN, seen_records(self.paths))
        probes.write(RECIPE, self.paths, files)
        storage.write_text(files / "model_card.md", "# The card\n")
        return tracking.register(tracking.Release(self.name, "T", "# The card", files, {}, {}, {"lineage": lineage}))

    def release(self, lineage, recipe=RECIPE):
        recipe = recipe.model_copy(update={"name": self.name})
        return settled(recipe, self.paths, self.register(lineage), lineage)

    def told(self):
        """What the ledger says: kind and version of each entry."""
        return [(entry.kind, entry.version) for entry in ledger.entries(self.paths.home, self.name)]

    def registry(self):
        return {v.number: (v.aliases, v.tags["verdict"], v.tags["released"]) for v in tracking.versions(self.name)}


@pytest.fixture
def world(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TIDEMILL_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/mlflow.db")
    return World(tmp_path)


class Killed(BaseException):
    """The process ends here."""


STEPS = (
    (ledger, "append"),
    (tracking, "tag_version"),
    (tracking, "attach"),
    (tracking, "describe"),
    (tracking, "set_alias"),
)


def kill_after(monkeypatch, steps):
    """End the process when so many steps are done that leave a trace."""
    done = 0

    def counting(step):
        def counted(*given):
            nonlocal done
            result = step(*given)
            done += 1
            if done == steps:
                raise Killed
            return result

        return counted

    for module, name in STEPS:
        monkeypatch.setattr(module, name, counting(getattr(module, name)))


# Verdict, tags, artifacts, description, alias, promotion, released.
TRACES = 7


@pytest.mark.slow
def test_a_release_cut_off_after_any_step_and_run_again_ends_as_an_undisturbed_one(world):
    for steps in range(1, TRACES + 2):
        world = World(world.paths.root, f"tiny{steps}")
        world.make(right=150)
        assert world.release("a").reason.startswith("it is the first version, shown better")
        world.make(right=170)
        with pytest.MonkeyPatch.context() as patch:
            kill_after(patch, steps)
            try:
                world.release("b")
                assert steps == TRACES + 1
            except Killed:
                assert sum("champion" in version.aliases for version in tracking.versions(world.name)) == 1
        assert world.release("b").promoted
        assert world.told() == [("verdict", 1), ("promotion", 1), ("verdict", 2), ("promotion", 2)]
        assert world.registry() == {1: ((), "champion", "true"), 2: (("champion",), "champion", "true")}


def test_a_rollback_amid_a_release_that_was_cut_off_is_the_last_word(world):
    world.make(right=150)
    world.release("a")
    world.make(right=170)
    with pytest.MonkeyPatch.context() as patch:
        kill_after(patch, TRACES - 2)
        with pytest.raises(Killed):
            world.release("b")
    assert tracking.champion("tiny").number == 2
    roll_back(RECIPE, world.paths, 1)
    verdict = world.release("b")
    assert not verdict.promoted
    assert "version 1 was put back after this verdict" in verdict.reason
    assert tracking.champion("tiny").number == 1


def test_a_challenger_that_is_promoted_is_a_challenger_no_longer(world):
    for number, right in enumerate((150, 150, 170), start=1):
        world.make(right)
        world.release(str(number))
    assert {v.number: v.aliases for v in tracking.versions("tiny")} == {1: (), 2: ("challenger",), 3: ("champion",)}
    tracking.set_alias("tiny", "champion", 2)
    assert {v.number: v.aliases for v in tracking.versions("tiny")} == {1: (), 2: ("champion",), 3: ()}


def test_a_version_whose_data_were_forgotten_since_is_not_the_one_that_is_sought(world):
    world.make(right=150)
    world.release("a")
    assert tracking.released_version("tiny", {"lineage": "a"}) == 1
    tracking.tag_version("tiny", 1, {tracking.FORGOTTEN_TAG: "certificate"})
    assert tracking.released_version("tiny", {"lineage": "a"}) is None


def test_a_tie_a_fat_model_and_a_worse_one_stay_challengers_and_each_look_leaves_less(world, tmp_path):
    world.make(right=150)
    world.release("a")
    looks = []
    for lineage, right, padding, name in (
        ("b", 150, 0, "better"),
        ("c", 170, 200_000, "size"),
        ("d", 20, 0, "domain: mail"),
    ):
        world.make(right, padding)
        verdict = world.release(lineage)
        assert name in {check.name for check in verdict.checks if not check.passed}
        looks.append(verdict.basis["look"])
    assert looks == [1, 2, 3]
    assert tracking.champion("tiny").number == 1
    assert [kind for kind, _ in world.told()].count("promotion") == 1
    shown = tracking.download(tracking.versions("tiny")[-1], "verdict.md", tmp_path / "fetched").read_text()
    assert shown.startswith("**challenger**: ")
    assert "| domain: mail | **failed** |" in shown
    kept = storage.read_json(tracking.download(tracking.versions("tiny")[-1], "verdict.json", tmp_path / "fetched"))
    assert kept["test_rows"]["rows"] == ROWS


def test_a_wider_gate_judges_the_same_version_again_and_counts_it(world):
    world.make(right=150)
    world.release("a")
    world.make(right=170, padding=200_000)
    assert not world.release("b").promoted
    wider = RECIPE.model_copy(update={"gate": RECIPE.gate.model_copy(update={"max_size_ratio": None})})
    verdict = world.release("b", wider)
    assert (verdict.promoted, verdict.basis["look"]) == (True, 2)
    assert world.told()[-3:] == [("verdict", 2), ("verdict", 2), ("promotion", 2)]


def test_an_older_version_whose_outputs_come_back_does_not_jump_into_the_champions_place(world):
    world.make(right=150)
    world.release("a")
    world.make(right=170)
    world.release("b")
    world.make(right=150)
    world.release("a")
    assert tracking.champion("tiny").number == 2


def test_rows_that_moved_into_the_test_after_the_champion_learned_from_them_are_left_out(world):
    world.learn_from(world.texts[:60])
    world.make(right=150)
    world.release("a")
    world.learn_from(["t"])
    world.make(right=170)
    verdict = world.release("b")
    assert verdict.basis["left_out"] == 60
    assert "on the same 140 test rows as champion 1" in verdict.checks[0].reason


def test_a_lost_ledger_leaves_the_champion_and_is_begun_anew(world):
    world.make(right=150)
    world.release("a")
    ledger.file(world.paths.home, "tiny").unlink()
    other = RECIPE.model_copy(update={"gate": RECIPE.gate.model_copy(update={"alpha": 0.01})})
    world.release("a", other)
    assert world.told() == [("promotion", 1)]
    assert tracking.champion("tiny").number == 1
