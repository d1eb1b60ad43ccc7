"""The one module that touches DVC: what is stale, how a stage is run again, what is tracked, pushed and fetched."""

import contextlib
import hashlib
import os
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from tasks.errors import BusyError, TidemillError

if TYPE_CHECKING:
    from dvc.repo import Repo
    from dvc.stage import Stage

Outcome = Literal["ran", "cached", "restored"]


@dataclass(frozen=True)
class StageState:
    """One stage of the graph, and why it has to run again (no reasons: it is up to date)."""

    address: str
    stage: str
    reasons: tuple[str, ...]

    @property
    def stale(self) -> bool:
        """Whether it has to run again."""
        return bool(self.reasons)


def plan(root: Path, recipe: str) -> list[StageState]:
    """The recipe's stages in DVC's own order, each with the reasons why it is stale.

    The fingerprints have to be fresh. A stage behind a stale one may turn out stale too.
    Raises TidemillError when dvc.yaml or the project cannot be read.
    """
    with repository(root) as repo, repo.lock:
        stages = [stage for stage in _in_order(repo, recipe) if stage.addressing.endswith(f"@{recipe}")]
        if not stages:
            raise TidemillError(f"dvc.yaml runs no recipe {recipe!r}; add it to the list in recipes/all.yaml")
        return [_state(stage) for stage in stages]


def order(root: Path, recipe: str) -> list[str]:
    """The addresses of the recipe's stages in DVC's own order, whatever their state. Raises TidemillError."""
    with repository(root) as repo:
        return [str(stage.addressing) for stage in _in_order(repo, recipe) if stage.addressing.endswith(f"@{recipe}")]


def _in_order(repo: "Repo", recipe: str) -> "list[Stage]":
    from dvc.repo.reproduce import get_active_graph, plan_repro

    graph = get_active_graph(repo.index.graph)
    targets = [stage for stage in graph if stage.addressing.endswith(f"@{recipe}")]
    order: list[Stage] = plan_repro(graph, sorted(targets, key=lambda stage: str(stage.addressing)))
    return order


def _state(stage: "Stage") -> StageState:
    entries: list[Any] = [entry for found in stage.status().values() for entry in found]
    reasons = [reason for entry in entries for reason in _reasons(entry)]
    return StageState(stage.addressing, stage.addressing.partition("@")[0], tuple(sorted(reasons)))


def _reasons(entry: Any) -> Iterator[str]:
    """DVC's status entries as sentences without a verb: 'modified data/feedback/raw'."""
    if entry == "always changed":
        return
    if isinstance(entry, str):
        yield entry
        return
    for files in entry.values():
        yield from (f"{change} {file}" for file, change in files.items())


def repro_command(address: str, *, force: bool = False) -> list[str]:
    """The command that runs one stage if DVC finds it stale (`force`: in any case, without its run cache)."""
    forced = ["--force", "--no-run-cache"] if force else []
    return [sys.executable, "-m", "dvc", "repro", "--single-item", *forced, address]


def outcome(lines: Iterable[str]) -> Outcome:
    """What DVC did with a stage, read from the output of its repro command."""
    text = "\n".join(lines)
    if "is cached - skipping run, checking out outputs" in text:
        return "restored"
    if "didn't change, skipping" in text:
        return "cached"
    return "ran"


def track(root: Path, folders: Sequence[Path], remote: str) -> None:
    """Put the folders under DVC where they changed, and push them to the remote.

    Raises TidemillError when the remote is unknown or cannot be written; the local copy is tracked then already.
    """
    present = [folder for folder in folders if folder.is_dir() and any(folder.iterdir())]
    with repository(root) as repo:
        changed = [folder for folder in present if _changed(repo, folder)]
        if changed:
            repo.add([str(folder) for folder in changed], no_commit=False)
        pointers = [os.path.relpath(folder.with_name(f"{folder.name}.dvc"), root) for folder in present]
        if pointers:
            repo.push(pointers, remote=remote)


def _changed(repo: "Repo", folder: Path) -> bool:
    pointer = folder.with_name(f"{folder.name}.dvc")
    return not pointer.is_file() or bool(repo.status([str(pointer)]))


@dataclass(frozen=True)
class Fault:
    """A file that the remote does not give back as it was recorded."""

    tracked: str
    """The folder that it belongs to, such as data/feedback/raw."""
    reason: str


def remote(root: Path, name: str) -> dict[str, Any]:
    """The settings of a remote, its url absolute; none when the project does not know it."""
    from dvc.config import Config

    found = Config(dvc_dir=str(root / ".dvc"))["remote"].get(name, {})
    return {key: str(value) if key == "url" else value for key, value in found.items()}


def remote_urls(root: Path) -> dict[str, str]:
    """Where each remote of the project is, by name: absolute, without a user or password."""
    from dvc.config import Config

    return {
        name: _public(str(settings["url"])) for name, settings in Config(dvc_dir=str(root / ".dvc"))["remote"].items()
    }


def _public(url: str) -> str:
    scheme, separator, rest = url.partition("://")
    host, slash, path = rest.partition("/")
    return f"{scheme}{separator}{host.rpartition('@')[2]}{slash}{path}" if separator else url


def isolate(root: Path, name: str, settings: Mapping[str, Any]) -> None:
    """Let the repository at `root` stand alone: without git, with caches of its own, knowing a local remote's folder.

    No other setting of the remote is written, since it may be a secret.
    """
    from dvc.config import Config

    with Config(dvc_dir=str(root / ".dvc")).edit("local") as local:
        local["core"] = {"no_scm": True, "site_cache_dir": str(root / ".dvc" / "site")}
        if Path(settings["url"]).is_absolute():
            local["remote"] = {name: {"url": settings["url"]}}


def fetch(root: Path, recipe: str, name: str, settings: Mapping[str, Any]) -> list[Fault]:
    """Bring the recipe's tracked folders from the remote; what is missing or has other bytes than recorded is a fault.

    DVC itself does not look at the bytes of a remote. Nothing is put into place when there is a fault.
    """
    pointers = [os.path.relpath(file, root) for file in sorted((root / "data" / recipe).glob("*.dvc"))]
    with repository(root, {"remote": {name: dict(settings)}}) as repo:
        faults = [fault for pointer in pointers for fault in _fetched(repo, pointer, name)]
        if not faults:
            repo.checkout(pointers, force=True)
    return faults


def _fetched(repo: "Repo", pointer: str, remote_name: str) -> list[Fault]:
    """What of one tracked folder the remote does not give back.

    Raises TidemillError when it has everything and yet something could not be fetched: no fault of the data.
    """
    from dvc.exceptions import DvcException
    from dvc_objects.errors import ObjectFormatError

    tracked, failure = pointer.removesuffix(".dvc"), ""
    faults, unfetched = [], []
    try:
        repo.fetch([pointer], remote=remote_name)
    except ObjectFormatError as error:
        return [Fault(tracked, f"{tracked}: its list of files in the remote is damaged ({error})")]
    except (DvcException, OSError) as error:
        failure = _one_line(error)
    outputs = [output for stage in repo.stage.collect(pointer) for output in stage.outs]
    for name, md5, file in [found for output in outputs for found in _objects(repo, output, remote_name)]:
        if not file.is_file() and _is_there(repo, remote_name, md5):
            unfetched.append(name)
        elif wrong := _wrong(file, md5.removesuffix(".dir")):
            faults.append(Fault(tracked, f"{name} {wrong}"))
    if unfetched and not faults:
        raise TidemillError(
            f"{unfetched[0]} could not be fetched, though the remote has it ({failure}); run this again"
        )
    return faults


def _objects(repo: "Repo", output: Any, remote_name: str) -> Iterator[tuple[str, str, Path]]:
    """Name, md5 and place in the cache of everything that a tracked folder is kept as: its list, then its files."""
    from dvc_data.hashfile.tree import Tree

    md5, tree = str(output.hash_info.value), output.get_obj()
    yield f"{output}: its list of files", md5, Path(output.cache.oid_to_path(md5))
    if tree is None and _is_there(repo, remote_name, md5):
        # DVC fetches no list of which a file is missing.
        tree = Tree.load(repo.cloud.get_remote_odb(remote_name), output.hash_info)
    for key, _, of_file in tree or ():
        name = "/".join((str(output), *key))
        yield f"{name}: its content", str(of_file.value), Path(output.cache.oid_to_path(of_file.value))


def _is_there(repo: "Repo", remote_name: str, md5: str) -> bool:
    """Whether the remote has it. Raises TidemillError when it does not answer."""
    try:
        return bool(repo.cloud.get_remote_odb(remote_name).exists(md5))
    except Exception as error:  # each kind of store raises a class of its own
        raise TidemillError(f"DVC remote {remote_name!r} does not answer: {_one_line(error)}") from error


def _wrong(file: Path, recorded_md5: str) -> str | None:
    """What is wrong with a fetched file, or None."""
    if not file.is_file():
        return "is not in the remote"
    with file.open("rb") as content:
        found = hashlib.file_digest(content, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
    if found != recorded_md5:
        return f"has other bytes in the remote than at the release (md5 {recorded_md5} then, {found} now)"
    return None


@contextlib.contextmanager
def repository(root: Path, config: Mapping[str, Any] | None = None) -> "Iterator[Repo]":
    """The project's DVC repository, its exceptions turned into ours; `config` goes over what its files say."""
    from dvc.exceptions import DvcException
    from dvc.lock import LockError
    from dvc.repo import Repo

    here = Path.cwd()
    try:
        os.chdir(root)
        with Repo(str(root), config=config) as repo:
            yield repo
    except LockError as error:
        raise BusyError(f"{root}: another DVC command is running here; wait for it, then run this again") from error
    except DvcException as error:
        raise TidemillError(f"dvc: {_one_line(error)}") from error
    finally:
        os.chdir(here)


def _one_line(error: BaseException) -> str:
    """The error and its cause without line breaks."""
    parts = [str(error), *([str(error.__cause__)] if error.__cause__ else [])]
    return " ".join(" ".join(parts).split())


def recorded(root: Path, recipe: str) -> dict[str, Any]:
    """What DVC last recorded of the recipe, without loading DVC: stages with the hashes of all they read and wrote
    (dvc.lock), and the hashes of the tracked folders (data/<recipe>/*.dvc). Raises TidemillError.
    """
    import yaml

    lock, suffix = root / "dvc.lock", f"@{recipe}"
    if not lock.is_file():
        raise TidemillError(f"{lock}: is missing; nothing has run yet: tidemill run {recipe}")
    entries = yaml.safe_load(lock.read_text(encoding="utf-8"))["stages"]
    stages = {name.removesuffix(suffix): entry for name, entry in entries.items() if name.endswith(suffix)}
    pointers = sorted((root / "data" / recipe).glob("*.dvc"))
    tracked = {file.stem: yaml.safe_load(file.read_text(encoding="utf-8"))["outs"][0]["md5"] for file in pointers}
    return {"stages": stages, "tracked": tracked}


def hashes(entry: Mapping[str, Any]) -> dict[str, Any]:
    """A stage of dvc.lock as its command and the md5 of each file it read and wrote."""
    files = {part: {item["path"]: item["md5"] for item in entry.get(part, [])} for part in ("deps", "outs")}
    return {"cmd": entry["cmd"], **files}
