"""What this machine remembers of its talk with Label Studio. All of it can be lost: then more is asked for again."""

from dataclasses import asdict, dataclass, field, replace
from typing import Any

from tasks import storage
from tasks.errors import TidemillError
from tasks.paths import Paths


@dataclass(frozen=True)
class Round:
    """A choice of records that is on its way into Label Studio."""

    number: int
    strategy: str
    project: int
    tasks: tuple[dict[str, Any], ...]


@dataclass(frozen=True)
class Seen:
    """The time of the last change that was pulled, by project id, on one Label Studio."""

    url: str
    changes: dict[str, str] = field(default_factory=dict)

    def with_change(self, project: int, newest: str | None) -> "Seen":
        """The same after a pull."""
        return self if newest is None else replace(self, changes={**self.changes, str(project): newest})


def seen(paths: Paths, url: str) -> Seen:
    """What was pulled from the Label Studio at `url`; nothing when it was another one, or cannot be read."""
    file = paths.labelling / "seen.json"
    try:
        found = Seen(**storage.read_json(file)) if file.is_file() else Seen(url)
    except (TidemillError, TypeError):
        return Seen(url)
    return found if found.url == url else Seen(url)


def remember(paths: Paths, now: Seen) -> None:
    """Note what was pulled. Only after it has landed."""
    storage.write_json(paths.labelling / "seen.json", asdict(now))


def unfinished(paths: Paths) -> Round | None:
    """The round that was begun and not said to be done."""
    file = paths.labelling / "round.json"
    if not file.is_file():
        return None
    found = storage.read_json(file)
    return Round(**{**found, "tasks": tuple(found["tasks"])})


def begin(paths: Paths, chosen: Round) -> None:
    """Note the round before its first task leaves."""
    storage.write_json(paths.labelling / "round.json", asdict(chosen))


def finish(paths: Paths, done: Round) -> None:
    """Keep which records were asked about, and why, without their texts."""
    kept = [{key: task["data"].get(key) for key in ("record_id", "why")} for task in done.tasks]
    content = {"number": done.number, "strategy": done.strategy, "project": done.project, "records": kept}
    storage.write_json(paths.labelling / "rounds" / f"{done.number:04d}.json", content)
    (paths.labelling / "round.json").unlink(missing_ok=True)


def next_number(paths: Paths) -> int:
    """The number of the next round, from 1."""
    done = [int(file.stem) for file in (paths.labelling / "rounds").glob("[0-9]*.json")]
    return max(done, default=0) + 1
