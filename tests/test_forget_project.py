"""A deletion on a real DVC repository with a remote: planned, cut off anywhere, completed, entered in the ledger."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from tiny_project import Project

from flows import deletion, forgetting, run_lock
from tasks import dvc_objects, dvc_repo, ledger, storage, tombstones
from tasks.errors import BusyError, TidemillError
from tasks.forget import journal, run
from tasks.forget.exposure import Exposure
from tasks.forget.plan import Reach, planned
from tasks.forget.search import Found, Ground, search
from tasks.forget.target import Target, of_texts
from tasks.paths import Paths
from tasks.records import record_id

pytest_plugins = ["tiny_project"]
pytestmark = pytest.mark.filterwarnings("ignore:_NoneStep.value:DeprecationWarning")  # DVC's use of pygtrie

GONE = "My name is Ada Example, I live at 12 Long Lane and the parcel that you sent me was broken."
NEAR = "My name is Ada Example, I live at 12 Long Lane and the parcel that you have sent me was broken."
KEPT = [
    f"Customer number {number} was content with parcel {number * 7} and told all the neighbours." for number in range(9)
]


@pytest.fixture
def paths(tmp_path: Path, empty_repository: Path, monkeypatch: pytest.MonkeyPatch) -> Paths:
    """A project with two versions of its data in cache and remote, and outputs that tell the record."""
    monkeypatch.setenv("TIDEMILL_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("DVC_SITE_CACHE_DIR", str(tmp_path / "site"))
    root = tmp_path / "project"
    shutil.copytree(empty_repository / ".dvc", root / ".dvc")
    with (root / ".dvc" / "config").open("a") as config:
        config.write(f"\n['remote \"local\"']\n    url = {tmp_path / 'remote'}\n")
    paths = Paths(root, "mail")
    write_shard(paths.raw, 1, [GONE, *KEPT[:4]])
    write_labels(paths.labels, [GONE, *KEPT[:4]])
    dvc_repo.track(root, [paths.raw, paths.labels], "local")
    write_shard(paths.raw, 2, [NEAR, *KEPT[4:]])
    prepared = pd.DataFrame({"record_id": [record_id(text) for text in (GONE, *KEPT)], "text": [GONE.upper(), *KEPT]})
    storage.write_table(paths.stage("prepare") / "records.parquet", prepared)
    storage.write_text(paths.stage("evaluate") / "report.html", f"<p>{GONE.upper()[:70]}…</p><p>{KEPT[0]}</p>")
    dvc_repo.track(root, [paths.raw, paths.labels, paths.stage("prepare"), paths.stage("evaluate")], "local")
    storage.write_text(paths.home / "logs" / "some.log", f"read {GONE}\nread {KEPT[1]}\n")
    return paths


def write_shard(folder: Path, number: int, texts: list[str]) -> None:
    shard = folder / f"000{number}-abcdef0{number}.parquet"
    columns = {"record_id": [record_id(text) for text in texts], "text": texts, "source": "post"}
    storage.write_table(shard, pd.DataFrame({**columns, "source_key": [str(n) for n in range(len(texts))]}))
    sources = [{"name": "post", "url": "https://example.org/post.csv"}]
    manifest = {"shard": shard.name, "sha256": storage.sha256_file(shard), "rows": len(texts), "sources": sources}
    storage.write_json(shard.with_suffix(".json"), manifest)


def write_labels(folder: Path, texts: list[str]) -> None:
    shard = folder / "0001-abcdef03.parquet"
    storage.write_table(shard, pd.DataFrame({"record_id": [record_id(text) for text in texts], "label": "bad"}))
    manifest = {"shard": shard.name, "sha256": storage.sha256_file(shard), "rows": len(texts), "sources": []}
    storage.write_json(shard.with_suffix(".json"), manifest)


def reach_of(paths: Paths) -> Reach:
    with dvc_objects.stores(paths.root) as stores:
        return Reach(Ground(paths.root, paths.home, tuple(stores)), (), lambda _found, _ids: [])


def forget(paths: Paths, asked: Target) -> dict[str, object]:
    reach = reach_of(paths)
    plan, target = forgetting.plan(RECIPE, asked, reach)
    run.begin(plan, target, reach)
    return run.finish(plan, reach, *run.clean_files(plan, target, reach))


class Named:
    """What `plan` reads of a recipe."""

    name = "mail"
    prepare = type("Prepare", (), {"near_duplicate_similarity": 0.85})


RECIPE: object = Named()


def everything(paths: Paths) -> bytes:
    """All that can be read under the project, the home and the remote, tables decoded."""
    files = [file for file in sorted(paths.root.parent.rglob("*")) if file.is_file()]
    contents = [file.read_bytes() for file in files]
    tables = [pd.read_parquet(file).to_csv().encode() for file in files if file.read_bytes()[:4] == b"PAR1"]
    return b"\n".join(contents + tables)


def traces(paths: Paths) -> list[str]:
    """Which of the telling words can still be read."""
    content = everything(paths)
    return [word for word in ("Ada Example", "ADA EXAMPLE", "Long Lane", "LONG LANE") if word.encode() in content]


def test_a_record_and_its_near_copy_go_from_every_version_and_all_others_stay(paths: Paths) -> None:
    done = forget(paths, of_texts([GONE]))
    assert traces(paths) == []
    assert [copy["record_id"] for copy in done["near_copies"]] == [record_id(NEAR)]
    assert done["found_again_afterwards"] == []
    kept = pd.concat([storage.read_table(shard) for shard in sorted(paths.raw.glob("*.parquet"))])
    assert kept["text"].tolist() == KEPT
    assert KEPT[0] in (paths.stage("evaluate") / "report.html").read_text()
    assert (paths.home / "logs" / "some.log").read_text() == f"read [forgotten]\nread {KEPT[1]}\n"
    # What is left under DVC is whole: a clone can fetch it.
    shutil.rmtree(paths.root / ".dvc" / "cache")
    shutil.rmtree(paths.raw)
    with dvc_repo.repository(paths.root) as repo:
        repo.pull([str(paths.raw)], remote="local")
    assert len(list(paths.raw.glob("*.parquet"))) == 2


def test_the_certificate_and_the_ledger_tell_hashes_and_counts_and_what_is_left(paths: Paths) -> None:
    done = forget(paths, Target(frozenset({record_id(GONE)})))
    found = {(one["place"], Path(one["path"]).name): one for one in done["found"]}
    shard = found["shards", "0001-abcdef01.parquet"]
    assert (shard["rows"], shard["hash_after"]) == (1, storage.sha256_file(paths.raw / "0001-abcdef01.parquet"))
    assert {place for place, _ in found} == {"shards", "stage outputs", "state", "cache", "remote local"}
    assert (
        "the source mail.post (https://example.org/post.csv): it is not ours to change; collect leaves the record out"
        in done["not_removed"]
    )
    (entry,) = ledger.entries(paths.home, "mail")
    assert (entry.kind, entry.evidence["certificate"]) == ("deletion", done["certificate"])
    assert tombstones.mark(record_id(NEAR)) in tombstones.read(paths.root)
    assert tombstones.mark(tombstones.keyed("post", "0")) in tombstones.read(paths.root)


def test_what_was_forgotten_is_no_fault_and_what_never_was_is_one(paths: Paths) -> None:
    forget(paths, of_texts([GONE]))
    again = forget(paths, Target(frozenset({record_id(GONE)})))
    assert again["found"] == []
    assert len(ledger.entries(paths.home, "mail")) == 1
    with pytest.raises(TidemillError, match="no such record here, in any version"):
        planned("mail", Target(frozenset({"0" * 64})), 0.85, reach_of(paths))


class Cut(BaseException):
    """The process is killed here."""


@pytest.mark.parametrize("survived", [0, 2, 7, 13])
def test_a_deletion_cut_off_anywhere_is_completed_by_the_same_command(
    paths: Paths, monkeypatch: pytest.MonkeyPatch, survived: int
) -> None:
    left = survived

    def counted(act: Callable[..., object]) -> Callable[..., object]:
        def acting(*arguments: object) -> object:
            nonlocal left
            left -= 1
            if left < 0:
                raise Cut
            return act(*arguments)

        return acting

    with monkeypatch.context() as patch:
        patch.setattr(storage, "write_bytes", counted(storage.write_bytes))
        patch.setattr(dvc_objects.Store, "remove", counted(dvc_objects.Store.remove))
        with pytest.raises(Cut):
            forget(paths, of_texts([GONE]))
    if survived:
        with pytest.raises(TidemillError, match="a deletion was cut off; finish it first: tidemill forget mail"):
            forget(paths, of_texts([KEPT[0]]))
    done = forget(paths, Target(frozenset({record_id(GONE)})))
    assert traces(paths) == []
    assert not journal.file(paths.home).exists()
    assert done["found_again_afterwards"] == []
    assert len(ledger.entries(paths.home, "mail")) == 1
    for shard in paths.raw.glob("*.parquet"):
        assert storage.read_json(shard.with_suffix(".json"))["sha256"] == storage.sha256_file(shard)


def test_the_journal_comes_back_as_it_was_written_and_holds_no_content(paths: Paths) -> None:
    plan, _ = planned("mail", of_texts([GONE]), 0.85, reach_of(paths))
    plan = journal.Plan(
        **{**plan.__dict__, "exposures": (Exposure("mail", 1, ("champion",), ("train",), True, "why"),)}
    )
    journal.write(paths.home, plan)
    assert journal.read(paths.home) == plan
    assert "Ada" not in journal.file(paths.home).read_text()


def test_looking_changes_nothing(paths: Paths) -> None:
    before = {file: file.read_bytes() for file in paths.root.rglob("*") if file.is_file() and "tmp" not in file.parts}
    assert isinstance(search(reach_of(paths).ground, of_texts([GONE])), Found)
    assert {file: file.read_bytes() for file in before} == before


def test_a_remote_that_cannot_be_reached_is_named_and_the_rest_is_done(paths: Paths) -> None:
    with (paths.root / ".dvc" / "config").open("a") as config:
        config.write("\n['remote \"far\"']\n    url = http://127.0.0.1:9/nothing\n")
    done = forget(paths, of_texts([GONE]))
    assert any(reason.startswith("remote far: cannot be listed") for reason in done["not_removed"])
    assert traces(paths) == []


def test_words_that_are_no_id_and_files_that_are_no_text_are_refused(tmp_path: Path) -> None:
    with pytest.raises(TidemillError, match=r"'Ada': is no record id .* --text-file FILE"):
        forgetting.asked(["Ada"], [])
    with pytest.raises(TidemillError, match="nothing to forget"):
        forgetting.asked([], [])
    with pytest.raises(TidemillError, match="cannot be read as text"):
        forgetting.asked([], [str(tmp_path / "none")])
    (tmp_path / "empty").write_text(" \n")
    with pytest.raises(TidemillError, match="is empty"):
        forgetting.asked([], [str(tmp_path / "empty")])
    (tmp_path / "text").write_text(f" {GONE}\n")
    assert forgetting.asked([], [str(tmp_path / "text")]).ids == {record_id(GONE)}


def test_a_recipe_that_is_running_is_left_alone(offline_project: Project) -> None:
    with run_lock.taken(offline_project.home, "tiny"):
        said = offline_project.tidemill("forget", "tiny", "0" * 64, "--yes", exit_code=1)
    assert "another process is running this recipe" in said
    with (
        run_lock.taken(offline_project.home, "tiny"),
        pytest.raises(BusyError),
        run_lock.taken(offline_project.home, "tiny"),
    ):
        pass


def test_a_project_without_data_knows_no_record(offline_project: Project) -> None:
    said = offline_project.tidemill("forget", "tiny", "0" * 64, "--yes", exit_code=1)
    assert "no such record here, in any version" in said
    assert json.dumps("Traceback") not in said


@pytest.mark.parametrize(
    ("aliases", "tainted", "wanted"), [(("champion",), True, True), ((), True, False), (("champion",), False, False)]
)
def test_the_champion_is_trained_anew_when_it_is_tainted_and_the_recipe_says_so(
    offline_project: Project, aliases: tuple[str, ...], tainted: bool, wanted: bool
) -> None:
    exposed = (Exposure("tiny", 1, aliases, ("train",), tainted, "why"),)
    plan = journal.Plan("x", "tiny", ("a",), (), (), (), (), exposed, ("tiny",), ())
    recipe = offline_project.root / "recipes" / "tiny.yaml"
    assert deletion.Outcome(plan, {"certificate": "x"}, None).to_retrain(offline_project.root) == []
    recipe.write_text(recipe.read_text() + "forget: {retrain_champion: true}\n")
    assert deletion.Outcome(plan, None, None).to_retrain(offline_project.root) == []
    assert deletion.Outcome(plan, {"certificate": "x"}, None).to_retrain(offline_project.root) == ["tiny"] * wanted
