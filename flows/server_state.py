"""What is known of the servers that were started: one small file each in `.tidemill/servers/`."""

from dataclasses import asdict, dataclass
from pathlib import Path

from flows.process_tree import Identity, alive
from tasks import storage
from tasks.errors import TidemillError


@dataclass(frozen=True)
class Started:
    """A server that was started: which process, and where it answers."""

    name: str
    process: Identity
    port: int
    url: str


def file(home: Path, name: str) -> Path:
    """Where the record of one server lies."""
    return home / "servers" / f"{name}.json"


def log_file(home: Path, name: str) -> Path:
    """Where one server writes what it has to say."""
    return home / "logs" / f"{name}.log"


def write(home: Path, started: Started) -> None:
    """Put a started server on record."""
    storage.write_json(file(home, started.name), asdict(started))


def forget(home: Path, name: str) -> None:
    """Take a server off the record."""
    file(home, name).unlink(missing_ok=True)


def read(home: Path, name: str) -> Started | None:
    """The server as it was started last, living or dead; None when there is no record that can be read."""
    if not file(home, name).is_file():
        return None
    try:
        found = storage.read_json(file(home, name))
        return Started(found["name"], Identity(**found["process"]), found["port"], found["url"])
    except (TidemillError, KeyError, TypeError):
        return None


def living(home: Path, name: str) -> Started | None:
    """The server if its very process still runs: a recycled pid is none of ours."""
    started = read(home, name)
    return started if started and alive(started.process) else None
