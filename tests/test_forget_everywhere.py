"""Canaries planted in real records, released, and forgotten: afterwards no byte of the project tells them."""

import bz2
import contextlib
import functools
import gzip
import http.server
import io
import json
import os
import signal
import sqlite3
import tarfile
import threading
import time
import uuid
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pytest
import yaml
from small_project import small_project
from tiny_project import Project, Servers

from flows import server_commands, servers
from tasks import ledger, storage, tombstones, tracking
from tasks.forget import journal
from tasks.paths import Paths
from tasks.records import record_id

pytest_plugins = ["tiny_project", "small_project"]

PLANTED = 40


@dataclass(frozen=True)
class Canary:
    """A planted text; its token stands in it and nowhere else in the world."""

    key: str
    token: str
    text: str

    @property
    def record_id(self) -> str:
        return record_id(self.text)

    @property
    def near(self) -> str:
        """A near copy of the text, which nobody labels."""
        return self.text.replace("arrived late", "arrived very late")


@dataclass(frozen=True)
class Planted:
    """A released project with canaries among its records."""

    project: Project
    paths: Paths
    canaries: dict[str, Canary]
    source: Path

    def where(self, canary: Canary) -> str:
        """The split in which it stands, or why it is in none."""
        for split in ("train", "validation", "test"):
            table = storage.read_table(self.paths.stage("split") / f"{split}.parquet", ["record_id"])
            if canary.record_id in set(table["record_id"]):
                return split
        return "no split"


def canary(number: int) -> Canary:
    token = uuid.uuid4().hex
    return Canary(
        f"k{number}",
        token,
        f'The <b>{token}</b> arrived late & cost £{number}9: "I\'d say {number}" | so {token[::-1]} it was.',
    )


def write_source(folder: Path, canaries: list[Canary]) -> None:
    """The texts and their near copies as packed JSON lines, and the ratings; the last canary has none."""
    texts = {c.key: c.text for c in canaries} | {f"near {c.key}": c.near for c in canaries}
    lines = "".join(json.dumps({"key": key, "text": text}) + "\n" for key, text in texts.items())
    (folder / "texts.jsonl.gz").write_bytes(gzip.compress(lines.encode()))
    ratings = [{"key": c.key, "ratings": "[3, 2, 3]" if int(c.key[1:]) % 2 else "[-3, -2]"} for c in canaries[:-1]]
    (folder / "ratings.jsonl").write_text("".join(json.dumps(rating) + "\n" for rating in ratings))


def plant(root: Path, url: str, retrain: bool) -> None:
    file = root / "recipes" / "canaries.yaml"
    content = yaml.safe_load(file.read_text())
    content["sources"].append(
        {
            "name": "mail",
            "domain": "mail",
            "url": f"{url}/texts.jsonl.gz",
            "format": "jsonl",
            "columns": {"key": "key", "text": "text"},
        }
    )
    labels = {"name": "mail_ratings", "of": "mail", "url": f"{url}/ratings.jsonl", "many": True}
    content["labels"]["sources"].append({**labels, "columns": {"key": "key", "label": "ratings"}})
    content["forget"] = {"retrain_champion": retrain}
    file.write_text(yaml.safe_dump(content, sort_keys=False))


@pytest.fixture(scope="module")
def planted(small_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Planted]:
    """A project with servers of its own and version 1 released, traces strewn where a life leaves them."""
    folder = tmp_path_factory.mktemp("forget")
    source, temporary = folder / "web", folder / "tmp"
    for made in (source, temporary):
        made.mkdir()
    canaries = [canary(number) for number in range(PLANTED)]
    write_source(source, canaries)
    handler = functools.partial(Silent, directory=str(source))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as web, pytest.MonkeyPatch.context() as patch:
        threading.Thread(target=web.serve_forever, daemon=True).start()
        for variable in ("PREFECT_API_URL", "MLFLOW_TRACKING_URI"):
            patch.delenv(variable, raising=False)
        for name in ("prefect", "mlflow"):
            patch.setitem(server_commands.PREFERRED_PORTS, name, 0)
        made = small_project(small_template, folder, Servers(folder, {"prefect": "", "mlflow": ""}), "canaries")
        plant(made.root, f"http://127.0.0.1:{web.server_port}", retrain=False)
        environment = {**made.environment, "TMPDIR": str(temporary)}
        for variable in ("PREFECT_API_URL", "MLFLOW_TRACKING_URI"):
            del environment[variable]
        project = Project(made.root, environment)
        patch.setenv("MLFLOW_TRACKING_URI", servers.up(project.home)["mlflow"])
        try:
            project.tidemill("run", "canaries")
            yield Planted(project, Paths(project.root, "canaries"), {c.key: c for c in canaries}, source)
        finally:
            servers.down(project.home)
            web.shutdown()


class Silent(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *arguments: object) -> None:
        pass


def strew(planted: Planted, chosen: list[Canary]) -> None:
    """Traces as serving, killed runs and failed stages leave them."""
    home = planted.project.home
    text = chosen[0].text
    storage.write_table(
        home / "traffic" / "canaries" / "1.parquet", pd.DataFrame({"text": [c.text for c in chosen], "ms": 1.0})
    )
    (home / "logs" / "serve.log").write_text(f"asked: {json.dumps(text)}\nshown: {text[:60]}…\n")
    (home / "label_queue").mkdir()
    storage.write_json(
        home / "label_queue" / "canaries.json", [{"record_id": c.record_id, "text": c.text} for c in chosen]
    )
    left = Path(planted.project.environment["TMPDIR"]) / f"{storage.SCRATCH}left"
    left.mkdir()
    (left / "page.html").write_text(f"<p>{text.replace('&', '&amp;').replace('<', '&lt;')}</p>")
    (planted.paths.data / ".texts.parquet.77.part").write_bytes(text.encode())
    with contextlib.closing(sqlite3.connect(home / "prefect" / "prefect.db", timeout=30)) as database:
        log = "INSERT INTO log (id, name, level, message, timestamp) VALUES (?, 'x', 20, ?, '2026-01-01')"
        database.execute(log, (str(uuid.uuid4()), f"1 row fails: {text[:45]}"))
        database.commit()


def tokens_in(path: Path, tokens: set[str]) -> set[str]:
    """The tokens in a file, in its bytes and in all that they decode to."""
    return set().union(*(found_in(part, tokens) for part in decoded(path.read_bytes(), path)))


def found_in(content: bytes, tokens: set[str]) -> set[str]:
    return {token for token in tokens if token.encode() in content or token[::-1].encode() in content}


def decoded(content: bytes, path: Path | None = None) -> Iterator[bytes]:
    yield content
    if content.startswith(b"PAR1"):
        with contextlib.suppress(Exception):
            yield pd.read_parquet(io.BytesIO(content)).to_csv().encode()
    elif content.startswith(b"SQLite format 3") and path:
        with contextlib.closing(sqlite3.connect(path)) as database:
            yield "\n".join(database.iterdump()).encode()
    elif content.startswith(b"\x1f\x8b"):
        yield from decoded(gzip.decompress(content))
    elif content.startswith(b"BZh"):
        yield from decoded(bz2.decompress(content))
    elif content.startswith(b"PK\x03\x04"):
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            for name in archive.namelist():
                yield from decoded(archive.read(name))
    elif content[257:262] == b"ustar":
        with tarfile.open(fileobj=io.BytesIO(content)) as archive:
            for entry in archive:
                if entry.isfile():
                    yield from decoded(archive.extractfile(entry).read())


def places_of(planted: Planted, chosen: list[Canary]) -> dict[str, set[str]]:
    """Every file of project, home, cache, remote and temporary folder in which a token stands."""
    tokens = {c.token for c in chosen}
    project = planted.project
    folders = (
        project.root,
        project.home,
        Path(project.environment["TMPDIR"]),
        Path(project.environment["DVC_SITE_CACHE_DIR"]),
    )
    files = {
        file
        for folder in folders
        for file in folder.rglob("*")
        if file.is_file() and planted.source not in file.parents
    }
    return {str(file): found for file in sorted(files) if (found := tokens_in(file, tokens))}


def chosen_canaries(planted: Planted) -> dict[str, Canary]:
    by_split: dict[str, Canary] = {}
    for one in planted.canaries.values():
        by_split.setdefault(planted.where(one), one)
    return by_split


@pytest.mark.slow
def test_nothing_tells_a_forgotten_record_any_more_and_the_tainted_versions_are_the_true_ones(planted: Planted) -> None:
    project = planted.project
    chosen = chosen_canaries(planted)
    assert set(chosen) == {"train", "validation", "test", "no split"}
    others = [c for c in planted.canaries.values() if c not in chosen.values()]
    copies = {record_id(c.near) for c in chosen.values()}
    dropped = set(storage.read_table(planted.paths.stage("prepare") / "dropped.parquet", ["record_id"])["record_id"])
    assert {record_id(c.near) for split, c in chosen.items() if split != "no split"} <= dropped
    strew(planted, list(chosen.values()))
    assert len(places_of(planted, list(chosen.values()))) > 20

    told = json.loads(project.tidemill("forget", "canaries", chosen["test"].record_id, "--dry-run", "--json"))
    assert told["dry_run"]
    assert [(one["version"], one["tainted"], one["splits"]) for one in told["versions"]] == [(1, False, ["test"])]
    told = json.loads(project.tidemill("forget", "canaries", chosen["no split"].record_id, "--dry-run", "--json"))
    assert [(one["version"], one["tainted"], one["splits"]) for one in told["versions"]] == [(1, False, [])]

    text_file = planted.source / "text"
    text_file.write_text(f"  {chosen['train'].text}\n")
    ids = [c.record_id for split, c in chosen.items() if split != "train"]
    done = json.loads(project.tidemill("forget", "canaries", *ids, "--text-file", str(text_file), "--yes", "--json"))
    assert places_of(planted, list(chosen.values())) == {}
    assert done["found_again_afterwards"] == []
    assert {one["record_id"] for one in done["near_copies"]} == copies
    assert {one["place"] for one in done["found"]} >= {
        "shards",
        "stage outputs",
        "state",
        "temporary folders",
        "cache",
        "remote local",
    }
    assert [(one["version"], one["tainted"], one["splits"]) for one in done["versions"]] == [
        (1, True, ["train", "validation", "test"])
    ]
    (version,) = tracking.versions("canaries")
    assert (version.tags[tracking.FORGOTTEN_TAG], version.tags[tracking.TAINTED_TAG]) == (done["certificate"], "true")
    (entry,) = [entry for entry in ledger.entries(project.home, "canaries") if entry.kind == "deletion"]
    assert entry.evidence["tainted_versions"] == [1]
    assert entry.evidence["certificate_sha256"] == storage.sha256_file(
        project.home / "certificates" / f"{done['certificate']}.json"
    )
    for shard in planted.paths.raw.glob("*.parquet"):
        manifest = storage.read_json(shard.with_suffix(".json"))
        assert manifest["sha256"] == storage.sha256_file(shard)
        assert manifest["forgotten"] == len(chosen) + len(copies)
    # The others were left alone.
    kept = pd.concat([storage.read_table(shard) for shard in planted.paths.raw.glob("*.parquet")])
    assert {c.record_id for c in others} <= set(kept["record_id"])


@pytest.mark.slow
def test_the_lifecycle_goes_on_and_its_sources_do_not_bring_the_record_back(planted: Planted) -> None:
    project = planted.project
    gone = [c for c in planted.canaries.values() if tombstones.mark(c.record_id) in tombstones.read(project.root)]
    assert len(gone) == 4
    write_source(planted.source, [*planted.canaries.values(), canary(PLANTED)])
    output = project.tidemill("run", "canaries")
    assert "mail: still brings records that were forgotten; they are left out" in output
    assert places_of(planted, gone) == {}
    assert [version.number for version in tracking.versions("canaries")] == [1, 2]
    assert tracking.FORGOTTEN_TAG not in tracking.versions("canaries")[1].tags

    again = project.tidemill("forget", "canaries", gone[0].record_id, "--yes")
    assert "it was forgotten before" in again


@pytest.mark.slow
def test_a_deletion_that_was_killed_is_completed_by_the_same_command_and_the_champion_is_trained_anew(
    planted: Planted,
) -> None:
    project = planted.project
    marks = tombstones.read(project.root)
    left = [
        c
        for c in planted.canaries.values()
        if tombstones.mark(c.record_id) not in marks and planted.where(c) == "train"
    ]
    words = ("forget", "canaries", left[0].record_id, "--yes")
    recipe = project.root / "recipes" / "canaries.yaml"
    recipe.write_text(recipe.read_text().replace("retrain_champion: false", "retrain_champion: true"))
    kills = 0
    for wait_s in (0.0, 0.8):
        child = project.start(*words)
        while not journal.file(project.home).is_file() and child.poll() is None:
            time.sleep(0.01)
        time.sleep(wait_s)
        os.killpg(child.pid, signal.SIGKILL)
        child.communicate()
        kills += child.returncode == -signal.SIGKILL
        if not journal.file(project.home).is_file():
            break
    assert kills
    project.tidemill(*words)
    assert not journal.file(project.home).is_file()
    assert places_of(planted, left[:1]) == {}
    *tainted, anew = tracking.versions("canaries")
    assert [version.tainted for version in tainted] == [True, True]
    # Whether it is as good as the one before is for the gate to say: the planted texts are others in each run.
    assert not anew.tainted
    certificates = [storage.read_json(file) for file in (project.home / "certificates").glob("*.json")]
    assert [1 for one in certificates if left[0].record_id in one["record_ids"]] == [1]
