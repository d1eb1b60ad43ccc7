"""A whole collect in a real project under DVC: only what is new lands, and faults leave nothing behind."""

import json
import os
import shutil
import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import safetensors.numpy
import yaml
from numpy import zeros

import tasks
from tasks.collect.pending import pending
from tasks.collect.run import run
from tasks.errors import BusyError, SourceError, TidemillError
from tasks.locks import alone
from tasks.paths import Paths
from tasks.recipe import Recipe, load
from tasks.records import record_id

REVIEWS = "id,text,product\n1,good lamp,lamp\n2,bad lamp,lamp\n3,good  lamp,lamp\n4,late,post\n"
RATINGS = "id\tall\n1\t[2, 2, 1]\n2\t[-2]\n3\t[2]\n4\t[0, -1]\n"
pytestmark = pytest.mark.filterwarnings("ignore:_NoneStep.value:DeprecationWarning")  # DVC's use of pygtrie

RECIPE: dict[str, Any] = {
    "name": "shop",
    "title": "A shop",
    "kind": "classify_text",
    "sources": [
        {"name": "reviews", "url": "file:in/reviews.csv", "columns": {"key": "id", "text": "text", "group": "product"}}
    ],
    "labels": {
        "classes": ["bad", "good"],
        "sources": [
            {"name": "ratings", "of": "reviews", "url": "file:in/ratings.tsv", "many": True}
            | {"columns": {"key": "id", "label": "all"}}
        ],
    },
    "train": {"base_model": {"url": "file:in/model"}},
}


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with a DVC remote, two sources and a tiny base model."""
    root = tmp_path_factory.mktemp("template")
    (root / "recipes").mkdir()
    (root / "dvc.yaml").write_text("stages: {}\n")
    (root / "in" / "model").mkdir(parents=True)
    safetensors.numpy.save_file({"w": zeros((2, 2))}, root / "in" / "model" / "model.safetensors")
    for name in ("config.json", "tokenizer.json"):
        (root / "in" / "model" / name).write_text(f'{{"for": "{name}"}}')
    (root / "in" / "reviews.csv").write_text(REVIEWS)
    (root / "in" / "ratings.tsv").write_text(RATINGS)
    dvc = [sys.executable, "-m", "dvc"]
    subprocess.run([*dvc, "init", "--no-scm", "-q"], cwd=root, check=True)
    (root / ".dvc" / "config").write_text(
        "[core]\n    analytics = false\n    no_scm = True\n['remote \"local\"']\n    url = ../../remote\n"
    )
    return root


@pytest.fixture
def paths(template: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Paths:
    monkeypatch.delenv("TIDEMILL_HOME", raising=False)
    monkeypatch.setenv("DVC_NO_ANALYTICS", "1")
    shutil.copytree(template, tmp_path / "project")
    return Paths(tmp_path / "project", "shop")


def recipe_of(paths: Paths, change: Callable[[dict[str, Any]], object] = lambda _: None) -> Recipe:
    content = json.loads(json.dumps(RECIPE))
    change(content)
    (paths.root / "recipes" / "shop.yaml").write_text(yaml.safe_dump(content))
    return load(paths.root / "recipes" / "shop.yaml")


def files(paths: Paths) -> dict[str, bytes]:
    """Everything under data/ with its bytes."""
    return {str(path.relative_to(paths.data)): path.read_bytes() for path in paths.data.rglob("*") if path.is_file()}


def table(folder: Path) -> pd.DataFrame:
    return pd.concat([pd.read_parquet(path) for path in sorted(folder.glob("*.parquet"))], ignore_index=True)


def test_what_is_new_lands_under_dvc_and_a_second_run_lands_nothing(
    paths: Paths, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe = recipe_of(paths)
    assert pending(recipe, paths) == ("reviews", "ratings", "base_model")
    run(recipe, paths)
    assert "reviews: 4 rows read, 3 new, 1 already there\nratings: 7 rows read, 7 new" in capsys.readouterr().out
    assert table(paths.raw)["text"].tolist() == ["good lamp", "bad lamp", "late"]
    labels = table(paths.labels)
    assert labels["label"].tolist() == ["2", "2", "1", "-2", "2", "0", "-1"]
    assert (labels["record_id"] == record_id("good lamp")).sum() == 4
    assert labels["annotator"].isna().all()
    assert {path.name for path in paths.data.glob("*.dvc")} == {"raw.dvc", "labels.dvc", "base_model.dvc"}
    assert sum(path.is_file() for path in (paths.root.parent / "remote").rglob("*")) == 11
    before = files(paths)
    assert pending(recipe, paths) == ()
    run(recipe, paths)
    assert "every source is as it was collected before" in capsys.readouterr().out
    assert files(paths) == before
    assert "3 records and 7 label rows have landed" in (paths.home / "collect" / "shop" / "card.md").read_text()


def test_only_the_surplus_of_a_grown_source_lands(paths: Paths) -> None:
    recipe = recipe_of(paths)
    run(recipe, paths)
    first = files(paths)
    (paths.root / "in" / "reviews.csv").write_text(REVIEWS + "5,new lamp,lamp\n")
    (paths.root / "in" / "ratings.tsv").write_text(RATINGS.replace("[2, 2, 1]", "[2, 2, 2, 1]") + "5\t[1]\n")
    assert pending(recipe, paths) == ("reviews", "ratings")
    run(recipe, paths)
    assert table(paths.raw)["text"].tolist()[3:] == ["new lamp"]
    assert sorted(table(paths.labels)["label"].tolist()[7:]) == ["1", "2"]
    assert {name: content for name, content in files(paths).items() if name in first and not name.endswith(".dvc")} == {
        name: content for name, content in first.items() if not name.endswith(".dvc")
    }


def test_new_labels_find_records_that_landed_long_ago(paths: Paths) -> None:
    recipe = recipe_of(paths)
    run(recipe, paths)
    (paths.root / "in" / "ratings.tsv").write_text(RATINGS + "3\t[-2]\n")
    assert pending(recipe, paths) == ("ratings",)
    run(recipe, paths)
    assert table(paths.labels)[["record_id", "label"]].iloc[-1].tolist() == [record_id("good lamp"), "-2"]
    assert len(list(paths.raw.glob("*.parquet"))) == 1


def test_a_touched_file_is_told_by_its_bytes_and_a_changed_recipe_is_read_once(paths: Paths) -> None:
    recipe = recipe_of(paths)
    run(recipe, paths)
    before = files(paths)
    os.utime(paths.root / "in" / "reviews.csv", (1, 1))
    assert pending(recipe, paths) == ()
    (paths.root / "in" / "reviews.csv").write_text(REVIEWS + "5,new,lamp\n")
    assert pending(recipe, paths) == ("reviews", "ratings")
    (paths.root / "in" / "reviews.csv").write_text(REVIEWS)
    changed = recipe_of(paths, lambda content: content["sources"][0].update(licence="MIT"))
    assert pending(changed, paths) == ("reviews", "ratings")
    run(changed, paths)
    assert files(paths) == before
    assert pending(changed, paths) == ()


def test_shards_that_were_deleted_are_pending_whatever_this_machine_remembers(paths: Paths) -> None:
    recipe = recipe_of(paths)
    run(recipe, paths)
    run(recipe_of(paths, lambda content: content["sources"][0].update(licence="MIT")), paths)
    shutil.rmtree(paths.raw)
    (paths.data / "raw.dvc").unlink()
    assert "reviews" in pending(recipe, paths)


def test_a_clone_without_its_shards_is_told_to_pull(paths: Paths) -> None:
    recipe = recipe_of(paths)
    run(recipe, paths)
    shutil.rmtree(paths.raw)
    with pytest.raises(SourceError, match=r"is tracked by DVC but not here; fetch it first: dvc pull"):
        run(recipe, paths)
    assert not paths.raw.exists()


def test_pending_is_fast_and_imports_nothing_slow(paths: Paths) -> None:
    recipe = recipe_of(paths)
    run(recipe, paths)
    code = f"""
        import sys, time
        from pathlib import Path
        from tasks.collect.pending import pending
        from tasks.paths import Paths
        from tasks.recipe import load
        recipe = load(Path("recipes/shop.yaml"))
        start = time.perf_counter()
        assert pending(recipe, Paths(Path({str(paths.root)!r}), "shop")) == ()
        print(time.perf_counter() - start, sorted({{"pandas", "dvc", "pyarrow"}} & set(sys.modules)))
    """
    command = [sys.executable, "-c", textwrap.dedent(code)]
    environment = {**os.environ, "PYTHONPATH": str(Path(tasks.__file__).parents[1])}
    done = subprocess.run(command, cwd=paths.root, env=environment, capture_output=True, text=True, check=True)
    seconds, _, slow = done.stdout.partition(" ")
    assert slow.strip() == "[]"
    assert float(seconds) < 0.05


def test_a_second_collect_at_once_is_refused(paths: Paths) -> None:
    recipe = recipe_of(paths)
    with alone(paths), pytest.raises(BusyError, match="shop: another collect or pull is running"):
        run(recipe, paths)
    assert not paths.data.exists()


def set_of(part: str, **values: Any) -> Callable[[dict[str, Any]], object]:
    def change(content: dict[str, Any]) -> None:
        place = {"records": content["sources"][0], "labels": content["labels"]["sources"][0]}
        place.get(part, content["train"]["base_model"]).update(values)

    return change


FAULTS: dict[str, tuple[Callable[[dict[str, Any]], object], dict[str, bytes | None], str]] = {
    "wrong hash": (set_of("records", sha256="0" * 64), {}, "the recipe says 000"),
    "missing file": (set_of("records"), {"reviews.csv": None}, "there is no such file"),
    "bad encoding": (
        set_of("records"),
        {"reviews.csv": b"id,text,product\n1,caf\xe9,x\n"},
        "line 2: byte 0xe9 is no utf-8",
    ),
    "missing column": (
        set_of("records", columns={"text": "words"}),
        {},
        "has no column 'words' for text; it has id, text, product",
    ),
    "too many fields": (set_of("records"), {"reviews.csv": b"id,text,product\n1,a,b,c\n"}, "line 2 has 4"),
    "open quote": (set_of("records"), {"reviews.csv": b'id,text,product\n1,"a,b\n'}, "is no valid CSV"),
    "no archive": (set_of("records", member="a.csv"), {}, "is no archive, so it has no member 'a.csv'"),
    "truncated archive": (
        set_of("records", url="file:in/r.zip", member="a.csv"),
        {"r.zip": b"PK\x03\x04 cut"},
        "is damaged or cut short",
    ),
    "unknown format": (set_of("records", url="file:in/reviews.dat"), {"reviews.dat": b"x"}, "cannot be told from"),
    "no server": (set_of("records", url="https://127.0.0.1:9/x.csv"), {}, "cannot be reached"),
    "key of two texts": (
        set_of("records"),
        {"reviews.csv": b"id,text,product\n1,a,x\n1,b,x\n"},
        "names two different texts",
    ),
    "unknown key": (
        set_of("labels"),
        {"ratings.tsv": b"id\tall\n77\t[1]\n"},
        "line 2 '77': no such record in source 'reviews'",
    ),
    "no list": (set_of("labels"), {"ratings.tsv": b"id\tall\n1\tgood\n"}, "line 2 'good' is no JSON list"),
    "no export": (
        set_of("labels", format="label_studio", columns={}, many=False),
        {},
        "export again from Label Studio",
    ),
    "pickled weights": (
        set_of("model"),
        {"model/model.safetensors": None, "model/pytorch_model.bin": b"x"},
        "weights as pickles only",
    ),
    "cut weights": (set_of("model"), {"model/model.safetensors": b"\x08" + bytes(9)}, "is damaged or cut short"),
    "no tokenizer": (set_of("model"), {"model/tokenizer.json": None}, "lacks tokenizer.json"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_planted_fault_ends_in_one_line_and_nothing_lands(paths: Paths, name: str) -> None:
    change, contents, said = FAULTS[name]
    for file, content in contents.items():
        path = paths.root / "in" / file
        path.write_bytes(content) if content is not None else path.unlink()
    with pytest.raises(TidemillError) as error:
        run(recipe_of(paths, change), paths)
    assert said in str(error.value)
    assert str(error.value).startswith("collect shop: ")
    assert "\n" not in str(error.value)
    assert not paths.data.exists() or files(paths) == {}
    assert not list(paths.home.rglob("*.part"))


def test_faults_of_several_sources_are_told_together(paths: Paths) -> None:
    recipe = recipe_of(paths, set_of("records", url="file:in/no.csv"))
    (paths.root / "in" / "model" / "config.json").write_text("{")
    with pytest.raises(
        SourceError, match=r"2 faults:\n  - reviews: .*no such file.*\n  - base_model: .*config.json is no"
    ):
        run(recipe, paths)


def test_a_collect_that_was_killed_is_completed_by_the_next_one(paths: Paths) -> None:
    """Killed before every manifest in turn: the next run ends as if nothing had happened."""
    recipe = recipe_of(paths)
    code = """
        import os, signal, sys
        from pathlib import Path
        from tasks import storage
        from tasks.collect.run import run
        from tasks.paths import Paths
        from tasks.recipe import load
        left, write = int(sys.argv[1]), storage.write_json
        def deadly(path, value):
            global left
            left -= 1
            if left < 0:
                os.kill(os.getpid(), signal.SIGKILL)
            write(path, value)
        storage.write_json = deadly
        run(load(Path("recipes/shop.yaml")), Paths(Path.cwd(), "shop"))
    """
    environment = {**os.environ, "PYTHONPATH": str(Path(tasks.__file__).parents[1])}
    for writes in range(4):
        command = [sys.executable, "-c", textwrap.dedent(code), str(writes)]
        done = subprocess.run(command, cwd=paths.root, env=environment, capture_output=True, check=False)
        assert done.returncode == -signal.SIGKILL
        run(recipe, paths)
        assert table(paths.raw)["text"].tolist() == ["good lamp", "bad lamp", "late"]
        assert len(table(paths.labels)) == 7
        assert not list(paths.data.rglob(".*"))
        assert pending(recipe, paths) == ()
        shutil.rmtree(paths.data)
