"""A version is made again from the registry alone: with the same bytes, or the first difference is named."""

import io
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pandas as pd
import pytest
from onnx import TensorProto, helper
from small_project import small_project
from tampering import edit_source, flip, remote_object
from tiny_project import Project, Servers

import flows.rebuild as rebuilding
from flows.events import silent
from tasks import checksums, dvc_repo, environment, hardware, storage, tracking
from tasks.errors import BusyError, TidemillError
from tasks.paths import STAGES
from tasks.rebuild import nearness, outcome, snapshot
from tasks.rebuild.differences import Cause, Row, causes, in_order, may_round_otherwise
from tasks.rebuild.outcome import Outcome
from tasks.rebuild.released import parsed
from tasks.recipe import Rebuild

pytest_plugins = ["tiny_project", "small_project"]

MACHINE = {"processor": "A", "instruction_sets": ["avx2", "avx512f"], "limits": {}}
PACKAGES = {"numpy": "2.2.6", "scipy": "1.16.0"}


def record(**parts):
    """A lineage of one stage, `train`, with `parts` of its fingerprint changed."""
    fingerprint = {
        "code": {"tasks.train.run.run": "1"},
        "files": {},
        "recipe": {"seed": 17},
        "packages": dict(PACKAGES),
    }
    stage = {"deps": {"data/r/raw": "1", "data/r/fingerprint/train.json": "1"}, "outs": {"data/r/train": "1"}}
    around = {"python": "3.11.7", "packages": {**PACKAGES, "mkl": "1"}}
    return {
        "stages": {"train": stage},
        "fingerprints": {"train": {**fingerprint, **parts}},
        "environment": around,
        "hardware": dict(MACHINE),
    }


def told(then, now):
    return [f"{cause.kind}: {cause.reason}" for cause in causes("train", then, now)]


@pytest.mark.parametrize(
    ("parts", "sentence"),
    [
        ({"code": {"tasks.train.run.run": "2"}}, "code: tasks.train.run.run: is another than then"),
        (
            {"code": {"tasks.train.run.run": "1", "tasks.x.y": "1"}},
            "code: tasks.x.y: is used now and was not then",
        ),
        ({"code": {}}, "code: tasks.train.run.run: was used then and is not now"),
        ({"recipe": {"seed": 18}}, "recipe: seed: 17 then, 18 now"),
        ({"packages": {**PACKAGES, "scipy": "1.17.0"}}, "environment: scipy 1.16.0 then, 1.17.0 now"),
    ],
)
def test_what_changed_in_a_stage_is_named(parts, sentence):
    assert told(record(), record(**parts)) == [sentence]


def test_other_data_are_named_and_the_fingerprint_among_them_is_not():
    now = record()
    now["stages"]["train"]["deps"] = {"data/r/raw": "2", "data/r/fingerprint/train.json": "2"}
    assert told(record(), now) == ["data: data/r/raw: md5 1 then, 2 now"]


def test_what_is_around_is_named_only_when_nothing_nearer_explains_it():
    now = record()
    now["environment"] = {"python": "3.11.9", "packages": {**PACKAGES, "mkl": "2"}}
    now["hardware"] = {**MACHINE, "processor": "B", "instruction_sets": ["avx2", "neon"]}
    assert told(record(), now) == [
        "environment: Python 3.11.7 then, 3.11.9 now (not imported by the stage itself)",
        "environment: mkl 1 then, 2 now (not imported by the stage itself)",
        "hardware: instruction sets: avx512f only then, neon only now",
        "hardware: processor: A then, B now",
    ]
    now["fingerprints"]["train"]["recipe"] = {"seed": 18}
    assert [cause.split(":")[0] for cause in told(record(), now)] == ["recipe", "hardware", "hardware"]


def test_a_stage_that_does_not_repeat_itself_is_said_to_be_unexplained():
    assert told(record(), record())[0].startswith("unexplained: ")


def test_a_version_from_before_the_machine_was_recorded_can_be_explained_too():
    old = record()
    del old["hardware"]
    old["environment"] = {"requirements.lock": "1"}
    assert told(old, record())[0].startswith("unexplained: ")


def test_recorded_stages_are_put_into_the_order_of_the_graph():
    stages = {
        "a": {"deps": ["data/m/part.parquet"], "outs": ["data/a"]},
        "m": {"deps": ["data/z"], "outs": ["data/m"]},
        "z": {"deps": ["data/raw"], "outs": ["data/z"]},
        "b": {"deps": ["data/a", "data/z"], "outs": ["data/b"]},
    }
    assert in_order(stages) == ["z", "m", "a", "b"]
    assert in_order({"x": {"deps": ["o"], "outs": ["o"]}}) == ["x"]


@pytest.mark.parametrize(
    ("stage", "kinds", "near_enough"),
    [
        ("train", ["hardware"], True),
        ("evaluate", ["hardware", "environment"], True),
        ("train", ["environment"], False),
        ("train", ["hardware", "code"], False),
        ("split", ["hardware"], False),
    ],
)
def test_only_another_machine_makes_nearness_count(stage, kinds, near_enough):
    row = Row(stage, {"a": "1"}, {"a": "2"}, 1.0)
    assert may_round_otherwise(row, [Cause(kind, "") for kind in kinds]) is near_enough


def model(path: Path, **weights: list[float]) -> Path:
    tensors = [helper.make_tensor(name, TensorProto.FLOAT, [len(w)], w) for name, w in weights.items()]
    graph = helper.make_graph([], "g", [], [], tensors)
    onnx.save(helper.make_model(graph), path)
    return path


def test_the_largest_difference_of_a_weight(tmp_path):
    one = model(tmp_path / "1", a=[1.0, 2.0], b=[0.5])
    assert nearness.weight_difference(one, one) == 0
    assert nearness.weight_difference(one, model(tmp_path / "2", a=[1.0, 2.25], b=[0.5])) == 0.25
    assert nearness.weight_difference(one, model(tmp_path / "3", a=[1.0], b=[0.5])) == np.inf
    assert nearness.weight_difference(one, model(tmp_path / "4", a=[1.0, 2.0])) == np.inf


def test_agreement_counts_a_record_that_only_one_side_has_as_answered_otherwise():
    then = pd.DataFrame({"record_id": ["a", "b", "c", "d"], "predicted": ["x", "y", "x", "x"]})
    assert nearness.agreement(then, then) == 1
    assert nearness.agreement(then, then.head(3)) == 0.75
    assert nearness.agreement(then, then.assign(predicted="x")) == 0.75


def test_nearness_has_to_keep_both_tolerances():
    tolerance = Rebuild(weight_difference=0.1, agreement=0.9)
    assert nearness.Nearness(0.1, 0.9, tolerance).within
    assert not nearness.Nearness(0.11, 0.9, tolerance).within
    assert not nearness.Nearness(0.1, 0.89, tolerance).within


def test_a_verdict_within_tolerance_says_so_with_its_figures():
    near = nearness.Nearness(0.00123, 0.995, Rebuild())
    found = Outcome("r@1", "WITHIN TOLERANCE", 7, (), "train", (Cause("hardware", "processor: A then, B now"),), near)
    answers = "same answers 99.50% (rebuild.agreement 98%)"
    assert outcome.lines(found) == [
        "r@1: WITHIN TOLERANCE, on other hardware; first to differ is train",
        "  hardware: processor: A then, B now",
        f"  largest difference of a weight 0.0012 (rebuild.weight_difference 0.02), {answers}",
    ]
    assert outcome.as_json(found)["nearness"]["within"] is True


def test_the_first_of_two_installed_versions_counts(tmp_path):
    for folder, name in (("a", "Some_Name-2.0"), ("b", "some.name-1.0"), ("b", "other-3")):
        (tmp_path / folder / f"{name}.dist-info").mkdir(parents=True)
    found = environment.packages([str(tmp_path / "a"), str(tmp_path / "b"), str(tmp_path / "none")])
    assert found == {"other": "3", "some-name": "2.0"}
    assert environment.differences(found, {"other": "4"}) == [
        "other 3 then, 4 now",
        "some-name 2.0 then, not there now",
    ]
    assert environment.environment()["packages"]["numpy"] == np.__version__


def test_limits_on_the_processor_are_part_of_the_machine(monkeypatch):
    plain = hardware.hardware()
    assert plain["cores"] >= 1
    monkeypatch.setenv("ATEN_CPU_CAPABILITY", "default")
    assert hardware.differences(plain, hardware.hardware()) == ["limits: none then, ATEN_CPU_CAPABILITY=default now"]


def test_a_seal_tells_a_changed_and_an_added_file(tmp_path):
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "a").write_text("1")
    first = checksums.write(tmp_path)
    assert checksums.write(tmp_path) == first
    sealed = storage.read_json(tmp_path / checksums.FILE)
    assert checksums.broken(tmp_path / "sub" / "a", "sub/a", sealed) is None
    (tmp_path / "sub" / "a").write_text("2")
    assert "is not what was released" in checksums.broken(tmp_path / "sub" / "a", "sub/a", sealed)
    assert "was not there" in checksums.broken(tmp_path / "sub" / "a", "b", sealed)


@pytest.mark.parametrize("address", ["feedback", "feedback@", "feedback@0", "feedback@x", "../x@1", "a@1@2"])
def test_an_address_that_is_none_is_refused(address):
    with pytest.raises(TidemillError, match="write RECIPE@NUMBER"):
        parsed(address)


@pytest.mark.parametrize("content", [b"no archive", b""])
def test_a_damaged_archive_is_told(tmp_path, content):
    (tmp_path / "source.tar.gz").write_bytes(content)
    with pytest.raises(TidemillError, match="is no archive that can be unpacked"):
        snapshot.unpacked(tmp_path / "source.tar.gz", tmp_path / "root", "r")


def test_an_archive_cannot_write_outside_its_folder(tmp_path):
    with tarfile.open(tmp_path / "source.tar.gz", "w:gz") as tar:
        tar.addfile(tarfile.TarInfo("../outside"), io.BytesIO())
    with pytest.raises(TidemillError, match="is no archive that can be unpacked"):
        snapshot.unpacked(tmp_path / "source.tar.gz", tmp_path / "root", "r")
    assert not (tmp_path / "outside").exists()


def test_passwords_do_not_enter_the_lineage(tmp_path):
    (tmp_path / ".dvc").mkdir()
    lines = [
        "[core]",
        "remote = a",
        "['remote \"a\"']",
        "url = ssh://me:secret@host/x",
        "['remote \"b\"']",
        "url = ../b",
    ]
    (tmp_path / ".dvc" / "config").write_text("\n".join(lines))
    assert dvc_repo.remote_urls(tmp_path) == {"a": "ssh://host/x", "b": str(tmp_path / "b")}


# With the small project's released version.


@pytest.fixture
def released(small_released: Project, monkeypatch: pytest.MonkeyPatch) -> Project:
    """The shared project, its servers known to this process: look, and change nothing."""
    for name in ("MLFLOW_TRACKING_URI", "DVC_SITE_CACHE_DIR"):
        monkeypatch.setenv(name, small_released.environment[name])
    return small_released


def rebuilt(project: Project, tmp_path: Path, remote: Path | None = None, **options: object) -> Outcome:
    place = rebuilding.place("small@1", tmp_path / "home", None)
    url = str(remote) if remote else None
    return rebuilding.rebuild("small@1", project.root, replace(place, **options), url, silent)


def remote_copy(project: Project, tmp_path: Path) -> Path:
    remote = tmp_path / "remote"
    shutil.copytree(project.root / ".tidemill" / "remote", remote)
    return remote


@pytest.mark.parametrize(("tracked", "stage"), [("raw", "prepare"), ("labels", "annotate"), ("base_model", "train")])
def test_a_flipped_byte_of_the_data_is_named_with_its_file_and_the_stage_that_reads_it(
    released, tmp_path, tracked, stage
):
    remote = remote_copy(released, tmp_path)
    md5 = dvc_repo.recorded(released.root, "small")["tracked"][tracked]
    listed = json.loads(remote_object(remote, md5).read_text())
    victim = max(listed, key=lambda file: remote_object(remote, file["md5"]).stat().st_size)
    flip(remote_object(remote, victim["md5"]))
    found = rebuilt(released, tmp_path, remote)
    assert (found.verdict, found.first) == ("DIFFERENT", stage)
    (cause,) = found.causes
    assert cause.kind == "data"
    assert cause.reason.startswith(
        f"data/small/{tracked}/{victim['relpath']}: its content has other bytes in the remote"
    )


@pytest.mark.parametrize("harm", [Path.unlink, flip])
def test_a_list_of_files_that_is_lost_or_damaged_is_named(released, tmp_path, harm):
    remote = remote_copy(released, tmp_path)
    harm(remote_object(remote, dvc_repo.recorded(released.root, "small")["tracked"]["raw"]))
    found = rebuilt(released, tmp_path, remote)
    assert (found.verdict, found.first) == ("DIFFERENT", "prepare")
    assert found.causes[0].reason.startswith("data/small/raw: its list of files")


def test_a_file_that_the_remote_has_lost_is_named(released, tmp_path):
    remote = remote_copy(released, tmp_path)
    listed = json.loads(
        remote_object(remote, dvc_repo.recorded(released.root, "small")["tracked"]["labels"]).read_text()
    )
    remote_object(remote, listed[0]["md5"]).unlink()
    found = rebuilt(released, tmp_path, remote)
    assert (found.verdict, found.first) == ("DIFFERENT", "annotate")
    assert found.causes[0].reason == f"data/small/labels/{listed[0]['relpath']}: its content is not in the remote"


def test_a_remote_that_is_nowhere_is_asked_for(released, tmp_path):
    with pytest.raises(TidemillError, match=r"was looked for at .*/nowhere; say where it is now: --remote URL"):
        rebuilt(released, tmp_path, tmp_path / "nowhere")
    assert not (tmp_path / "home" / "rebuild" / "small@1").exists()


def artifact(servers: Servers, name: str) -> Path:
    """The only file of that name in the registry's folder that belongs to `small`."""
    version = tracking.versions("small")[0]
    return next((servers.home / "mlflow" / "artifacts").glob(f"*/{version.run_id}/artifacts/model/{name}"))


@pytest.fixture
def changed(live_servers: Servers) -> Iterator[dict[Path, bytes]]:
    """Files of the registry that a test changes, by path: given back afterwards."""
    kept: dict[Path, bytes] = {}
    yield kept
    for file, content in kept.items():
        file.write_bytes(content)


def test_an_edited_function_is_named_at_its_stage_and_its_code_does_not_run(released, live_servers, changed, tmp_path):
    archive = artifact(live_servers, "source.tar.gz")
    changed[archive] = archive.read_bytes()
    edit_source(archive, "tasks/split/by_hash.py", "import", "import sys; sys.exit('ran')\nimport")
    edit_source(archive, "tasks/split/run.py", '"""Write', 'print("more")\n    """Write')
    found = rebuilt(released, tmp_path)
    assert (found.verdict, found.first, found.rows) == ("DIFFERENT", "split", ())
    assert [cause.kind for cause in found.causes] == ["code", "code"]
    assert found.causes[0].reason.startswith("source.tar.gz: is not what was released (sha256 ")
    assert found.causes[1].reason == "tasks.split.run.run: is another than then"
    assert found.notes == ("its code was not run",)


@pytest.mark.parametrize("name", ["lineage.json", "checksums.json"])
def test_records_that_were_changed_are_not_compared_with(released, live_servers, changed, tmp_path, name):
    file = artifact(live_servers, name)
    changed[file] = file.read_bytes()
    file.write_bytes(re.sub(rb'"[0-9a-f]{32,64}', lambda found: b'"' + found[0][:0:-1], file.read_bytes(), count=1))
    with pytest.raises(TidemillError, match=rf"small@1: {name}: is not what was released|small@1: {name} is not"):
        rebuilt(released, tmp_path)


def test_a_version_that_learned_from_a_forgotten_record_says_so(released, tmp_path):
    import mlflow

    tracking.tag_version("small", 1, {tracking.FORGOTTEN_TAG: "certificate 7"})
    try:
        with pytest.raises(TidemillError, match=r"a record of its data was forgotten \(certificate 7\)"):
            rebuilt(released, tmp_path)
    finally:
        mlflow.MlflowClient(os.environ["MLFLOW_TRACKING_URI"]).delete_model_version_tag("small", "1", "forgotten")


def test_a_version_that_is_not_there_is_told_with_those_that_are(released, tmp_path):
    place = rebuilding.place("small@7", tmp_path, None)
    with pytest.raises(TidemillError, match=r"small@7: there is no such version; the registry has: 1"):
        rebuilding.rebuild("small@7", released.root, place, None, silent)


def test_a_folder_with_something_in_it_is_left_alone(released, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "file").write_text("precious")
    with pytest.raises(TidemillError, match="is not empty"):
        rebuilt(released, tmp_path, folder=tmp_path / "mine", asked_for=True)
    assert (tmp_path / "mine" / "file").read_text() == "precious"


def test_what_a_killed_rebuild_has_left_is_taken_over_and_what_is_done_is_not(released, tmp_path):
    folder, remote = tmp_path / "into", tmp_path / "remote"
    storage.write_json(folder / rebuilding.NOTE, {"version": "small@1", "ended": False})
    (folder / "stray").write_text("left by a killed rebuild")
    remote.mkdir()
    found = rebuilt(released, tmp_path, remote, folder=folder, asked_for=True)
    assert (found.verdict, found.folder) == ("DIFFERENT", str(folder))
    assert not (folder / "stray").exists()
    with pytest.raises(TidemillError, match="is not empty"):
        rebuilt(released, tmp_path, remote, folder=folder, asked_for=True)


def test_two_rebuilds_of_a_version_do_not_meet(released, tmp_path):
    from flows import run_lock

    with (
        run_lock.held(tmp_path / "home" / "rebuild", "small@1", "", print),
        pytest.raises(BusyError, match="small@1: process"),
    ):
        rebuilt(released, tmp_path)


def test_a_lineage_knows_the_machine_the_packages_and_the_remote(released, live_servers):
    lineage = storage.read_json(artifact(live_servers, "lineage.json"))
    assert lineage["hardware"] == hardware.hardware()
    assert lineage["environment"]["packages"]["torch"]
    assert lineage["remotes"] == {"local": str(released.root / ".tidemill" / "remote")}
    assert lineage["id"] == checksums.lineage_id(lineage)


def copied(project: Project, tmp_path: Path) -> Project:
    """The released project moved elsewhere, with servers and registry as before."""
    root = tmp_path / "copy"
    shutil.copytree(project.root, root)
    own = {"TIDEMILL_HOME": str(root / ".tidemill"), "DVC_SITE_CACHE_DIR": str(tmp_path), "PYTHONPATH": str(root)}
    return Project(root, {**project.environment, **own})


@pytest.mark.slow
def test_a_version_is_identical_after_all_data_and_caches_are_gone(released, tmp_path):
    project = copied(released, tmp_path)
    for folder in [*(project.root / "data" / "small").iterdir(), project.root / ".dvc" / "cache"]:
        if folder.is_dir():
            shutil.rmtree(folder)
    output = project.tidemill("rebuild", "small@1")
    assert output.splitlines()[-1] == "small@1: IDENTICAL, all 7 stages left the recorded bytes"
    assert "train: identical" in output
    assert not (project.home / "rebuild" / "small@1").exists()
    assert not (project.root / "data" / "small" / "train").exists()
    assert len(tracking.versions("small")) == 1


@pytest.mark.slow
def test_another_version_of_a_library_is_named_at_the_stage_that_uses_it(released, tmp_path):
    import py3langid

    installed = Path(py3langid.__file__).parent
    shutil.copytree(installed, tmp_path / "site" / "py3langid")
    (info,) = installed.parent.glob("py3langid-*.dist-info")
    shutil.copytree(info, tmp_path / "site" / "py3langid-0.3.99.dist-info")
    metadata = tmp_path / "site" / "py3langid-0.3.99.dist-info" / "METADATA"
    metadata.write_text(re.sub(r"(?m)^Version: .*$", "Version: 0.3.99", metadata.read_text()))
    module = tmp_path / "site" / "py3langid" / "langid.py"
    other = "lambda self, text: ('xx', _classify(self, text)[1])"
    added = f"\n_classify = LanguageIdentifier.classify\nLanguageIdentifier.classify = {other}\n"
    module.write_text(module.read_text() + added)
    project = copied(released, tmp_path)
    project.environment["PYTHONPATH"] += os.pathsep + str(tmp_path / "site")
    told = json.loads(project.tidemill("rebuild", "small@1", "--json", exit_code=1))
    assert (told["verdict"], told["first"]) == ("DIFFERENT", "prepare")
    assert told["causes"][0]["kind"] == "environment"
    assert told["causes"][0]["reason"].startswith("py3langid 0.")
    assert told["causes"][0]["reason"].endswith(" then, 0.3.99 now")
    assert [row["same"] for row in told["rows"]] == [True, False]
    assert Path(told["folder"]).is_dir()


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:_NoneStep:DeprecationWarning")  # DVC's own
def test_on_other_hardware_nearness_is_measured_and_said(released, tmp_path, monkeypatch):
    # What a processor without vector units computes; the libraries choose their code by these variables.
    monkeypatch.setenv("ATEN_CPU_CAPABILITY", "default")
    monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", "SSE41")
    found = rebuilt(released, tmp_path)
    assert found.first == "train"
    assert {cause.kind for cause in found.causes} == {"hardware"}
    assert [row.stage for row in found.rows] == list(STAGES)
    assert 0 < found.nearness.weight_difference < 1
    assert 0.8 < found.nearness.agreement <= 1
    assert (found.verdict == "WITHIN TOLERANCE") is found.nearness.within


@pytest.mark.slow
def test_a_dirty_work_tree_is_released_as_it_is(small_template, live_servers, tmp_path, monkeypatch):
    project = small_project(small_template, tmp_path, live_servers, "dirty")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", project.environment["MLFLOW_TRACKING_URI"])
    split = project.root / "tasks" / "split" / "run.py"
    clean = split.read_text()
    (project.root / "tasks" / "split" / "untracked.py").write_text("WORD = 'an untracked module says'\n")
    edited = clean.replace("from tasks.paths", "from tasks.split.untracked import WORD\nfrom tasks.paths")
    split.write_text(edited.replace("Paths) -> None:\n", "Paths) -> None:\n    print(WORD)\n"))
    (project.root / "expectations" / "class_labels.json").unlink()
    project.tidemill("run", "dirty")

    # Edited again after its stages ran: that is not what made the version, so it cannot be the snapshot.
    split.write_text(clean)
    command = [sys.executable, "-m", "tasks", "release", "dirty"]
    again = subprocess.run(
        command, cwd=project.root, env=project.environment, capture_output=True, text=True, check=False
    )
    assert again.stderr.splitlines()[-1] == "error: split@dirty is not up to date; run: tidemill run dirty"

    (project.root / "tasks" / "split" / "untracked.py").unlink()
    output = project.tidemill("rebuild", "dirty@1")
    assert "split | an untracked module says" in output
    assert output.splitlines()[-1].startswith("dirty@1: IDENTICAL")
