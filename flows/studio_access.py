"""Who may enter the Label Studio that Tidemill starts: made once, readable by the user alone."""

import secrets
from dataclasses import asdict, dataclass, field
from pathlib import Path

from tasks import storage

ADMINISTRATOR = "admin@tidemill.local"


@dataclass(frozen=True)
class Access:
    """A login: what a person types at the page, and the token of programs (empty for people)."""

    email: str
    password: str = field(repr=False)
    token: str = field(repr=False)


def folder(home: Path) -> Path:
    """Label Studio's environment, data and logins, closed to others."""
    path = home / "studio"
    path.mkdir(parents=True, exist_ok=True)
    path.chmod(0o700)
    return path


def file(home: Path) -> Path:
    """Where the logins stand."""
    return folder(home) / "logins.json"


def logins(home: Path) -> list[Access]:
    """The administrator and everybody else with a login, in the order in which they were made."""
    path = file(home)
    if not path.is_file():
        _write(path, [Access(ADMINISTRATOR, new_password(), secrets.token_hex(20))])
    return [Access(**one) for one in storage.read_json(path)]


def administrator(home: Path) -> Access:
    """The login that Tidemill itself uses."""
    return logins(home)[0]


def add(home: Path, email: str, password: str) -> None:
    """Keep another login."""
    known = [one for one in logins(home) if one.email != email]
    _write(file(home), [*known, Access(email, password, "")])


def hook_secret(home: Path) -> str:
    """What Label Studio shows to the label receiver, so that no other program can."""
    path = folder(home) / "hook-secret"
    if not path.is_file():
        with storage.atomic(path) as temporary:
            temporary.touch(mode=0o600)
            temporary.write_text(secrets.token_hex(20), encoding="utf-8")
    return path.read_text(encoding="utf-8")


def new_password() -> str:
    """Enough for a person to type once and for nobody to guess."""
    return secrets.token_urlsafe(12)


def _write(path: Path, known: list[Access]) -> None:
    with storage.atomic(path) as temporary:
        temporary.touch(mode=0o600)
        temporary.write_text(storage.json_text([asdict(one) for one in known]), encoding="utf-8")
