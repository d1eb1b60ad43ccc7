"""`tidemill forget`: a record out of everything, while nobody else is at work here."""

import contextlib
import sys
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from flows import run_lock, server_state, servers, settings
from flows.deletion import Outcome
from flows.server_commands import NAMES
from flows.servers import external
from tasks import dvc_objects
from tasks.errors import TidemillError
from tasks.forget import artifacts, certificate, journal, places, run
from tasks.forget.exposure import exposures
from tasks.forget.plan import Outside, Reach, planned, resumed
from tasks.forget.search import Found, Ground
from tasks.forget.target import Target, of_texts
from tasks.locks import alone
from tasks.paths import Paths
from tasks.recipe import Recipe

IDENTITY_LETTERS = frozenset("0123456789abcdef")
IDENTITY_LENGTH = 64
STUDIO, BY_HAND = "Label Studio", "was not searched; delete the tasks with these record ids there"
LIKENESS = 0.85
"""The least similarity of a near copy where the recipe leaves near duplicates alone."""


def asked(identities: Sequence[str], files: Sequence[str]) -> Target:
    """What the user wants forgotten, by id or by the text in a file (`-`: standard input). Raises TidemillError."""
    wrong = [name for name in identities if len(name) != IDENTITY_LENGTH or set(name) - IDENTITY_LETTERS]
    if wrong:
        raise TidemillError(
            f"{wrong[0]!r}: is no record id (64 hexadecimal digits); give the text itself with --text-file FILE"
        )
    texts = of_texts(_text(name) for name in files)
    if not identities and not files:
        raise TidemillError("nothing to forget: give a RECORD_ID or --text-file FILE")
    return Target(texts.ids | frozenset(identities), texts.texts)


def _text(name: str) -> str:
    try:
        content = sys.stdin.buffer.read() if name == "-" else Path(name).read_bytes()
        text = content.decode()
    except (OSError, UnicodeDecodeError) as error:
        raise TidemillError(f"--text-file {name}: cannot be read as text ({error})") from error
    if not text.strip():
        raise TidemillError(f"--text-file {name}: is empty; put the record's whole text into it")
    return text


@contextlib.contextmanager
def opened(recipe: Recipe, root: Path, home: Path) -> Iterator[Reach]:
    """Everything within reach, and nobody else at it. Raises BusyError when a run, a collect or DVC is at work."""
    names = sorted({recipe.name, *places.recipes(root), *(file.stem for file in _recipe_files(root))})
    outside = external(home)
    with _nobody_else(root, home, names):
        urls = servers.up(home) if _was_ever_up(home) or outside else {}
        settings.apply(settings.flow(home, urls) if urls else settings.project(home))
        with dvc_objects.stores(root) as stores:
            ground = Ground(root, home, tuple(stores))
        exposed = partial(exposures, names) if urls else _none_exposed
        yield Reach(ground, _outside(outside, names), exposed)


def plan(recipe: Recipe, target: Target, reach: Reach) -> tuple[journal.Plan, Target]:
    """The plan for these records; a plan that was cut off is taken up. Raises TidemillError."""
    started = journal.read(reach.ground.home)
    if started is None:
        return planned(recipe.name, target, recipe.prepare.near_duplicate_similarity or LIKENESS, reach)
    if frozenset(started.asked) != target.ids:
        names = " ".join(started.asked)
        raise TidemillError(
            f"{journal.file(reach.ground.home)}: a deletion was cut off; finish it first: tidemill forget "
            f"{started.recipe} {names}"
        )
    return resumed(started, target, reach)


def carry_out(made: journal.Plan, target: Target, reach: Reach) -> Outcome:
    """What was done. Our own servers are down while their databases are rewritten, and up again when they were."""
    home = reach.ground.home
    faults = run.begin(made, target, reach)
    ended = _down(home)
    try:
        left, undone = run.clean_files(made, target, reach)
    finally:
        _up_again(home, ended)
    content = run.finish(made, reach, left, [*faults, *undone])
    path = certificate.file(home, made.certificate)
    return Outcome(made, content, path if path.is_file() else None)


def _down(home: Path) -> list[str]:
    """The servers that were ended; they stay on record, so that they come back at the same addresses."""
    known = [found for name in NAMES if (found := server_state.living(home, name))]
    ended = servers.down(home)
    for started in known:
        server_state.write(home, started)
    return ended


def _up_again(home: Path, ended: Sequence[str]) -> None:
    if not ended:
        return
    urls = servers.up(home)
    if "worker" in ended:
        servers.worker_up(home, urls)
    if "studio" in ended:
        servers.up(home, ["studio"])
    if "receiver" in ended:
        servers.receiver_up(home)


def _none_exposed(_found: Found, _ids: frozenset[str]) -> list[Any]:
    """Without MLflow there is no version."""
    return []


def _was_ever_up(home: Path) -> bool:
    return any(server_state.read(home, name) or (home / name).is_dir() for name in ("mlflow", "prefect"))


def _recipe_files(root: Path) -> list[Path]:
    return [file for file in (root / "recipes").glob("*.yaml") if file.stem != "all"]


def _outside(urls: dict[str, str], names: Sequence[str]) -> tuple[Outside, ...]:
    """The servers that are not ours, each with how it is searched and cleaned."""
    found = []
    if "mlflow" in urls:
        found.append(Outside(artifacts.PLACE, partial(artifacts.search, names), artifacts.erase))
    if "studio" in urls:
        found.append(Outside(STUDIO, lambda _: [], lambda _, __: [f"{STUDIO} at {urls['studio']}: {BY_HAND}"]))
    if "prefect" in urls:
        from flows import prefect_traces

        found.append(Outside(prefect_traces.PLACE, partial(prefect_traces.search, names), prefect_traces.erase))
    return tuple(found)


@contextlib.contextmanager
def _nobody_else(root: Path, home: Path, names: Sequence[str]) -> Iterator[None]:
    with contextlib.ExitStack() as stack:
        for name in names:
            stack.enter_context(run_lock.taken(home, name))
            stack.enter_context(alone(Paths(root, name)))
        yield
