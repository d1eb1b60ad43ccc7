"""People of the Label Studio that Tidemill starts: their logins, and stand-ins for them."""

import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from flows import settings, studio_access
from flows.steps import Turn
from tasks.errors import RecipeError, ServerError
from tasks.recipe import Recipe

STAND_IN = "stand-in-{}@tidemill.local"


@dataclass(frozen=True)
class Crowd:
    """How many stand-ins, and how often each errs."""

    size: int
    error_rate: float


def welcome(recipe: Recipe, home: Path, url: str) -> str:
    """How to get in, after the logins that the recipe asks for were made. Elsewhere that is the other's affair."""
    if not _ours(home, url):
        return f"sign in at {url} as you do there"
    ensure_logins(home, url, recipe.label.annotators)
    admin = studio_access.administrator(home)
    return f"sign in as {admin.email}; the passwords of all logins stand in {studio_access.file(home)}"


def ensure_logins(home: Path, url: str, addresses: tuple[str, ...]) -> None:
    """A login for each address that has none; its password is on disk before Label Studio knows it."""
    from tasks.label.studio import people
    from tasks.label.studio.connection import connected

    settings.apply({**settings.project(home), **settings.studio(home, url)})
    with connected() as studio:
        for address in people.missing(studio, addresses):
            known = next((one.password for one in studio_access.logins(home) if one.email == address), None)
            password = known or studio_access.new_password()
            studio_access.add(home, address, password)
            people.sign_up(studio, address, password)


def simulate(turn: Turn, url: str, truth: Path, crowd: Crowd) -> Iterator[str]:
    """Let stand-ins sign in one after the other and answer what Label Studio gives them; a line for each."""
    import numpy as np

    from tasks.label import stand_in
    from tasks.label.push import mark
    from tasks.label.studio import people, projects
    from tasks.label.studio.connection import connected

    home, recipe = turn.paths.home, turn.recipe
    if not _ours(home, url):
        raise ServerError(f"{url}: is no Label Studio that Tidemill started; stand-ins answer in our own alone")
    known = true_labels(truth)
    addresses = tuple(STAND_IN.format(number) for number in range(1, crowd.size + 1))
    ensure_logins(home, url, addresses)
    with connected() as studio:
        project = projects.required(studio, mark(recipe.name), recipe.name)
    passwords = {one.email: one.password for one in studio_access.logins(home)}
    for address in addresses:
        rng = np.random.default_rng([recipe.seed, zlib.crc32(address.encode())])
        opinion = stand_in.answering(known, recipe.labels, crowd.error_rate, rng)
        with people.signed_in(url, address, passwords[address]) as person:
            done = stand_in.label(person, project, recipe.kind, recipe.labels, opinion)
        yield f"{address}: {done:,} answers"


def true_labels(file: Path) -> dict[str, str]:
    """The label of each record_id in a CSV or Parquet file. Raises RecipeError when it lacks the columns."""
    import pandas as pd

    from tasks.records import record_id

    table = pd.read_parquet(file) if file.suffix == ".parquet" else pd.read_csv(file, dtype="str")
    if "label" not in table or not {"record_id", "text"} & set(table.columns):
        raise RecipeError(f"{file}: needs the columns label, and record_id or text; it has {', '.join(table.columns)}")
    ids = table["record_id"] if "record_id" in table else table["text"].map(record_id)
    return dict(zip(ids.astype("str"), table["label"].astype("str"), strict=True))


def _ours(home: Path, url: str) -> bool:
    from flows import servers

    return "studio" not in servers.external(home) and bool(url)
