"""The rows that a SELECT brings from any database SQLAlchemy speaks to."""

import re
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from tasks.collect.origins import shown
from tasks.collect.tables import table_of
from tasks.errors import RecipeError, SourceError
from tasks.recipe import Table

if TYPE_CHECKING:
    from sqlalchemy import URL, Connection

READ_ONLY = {"sqlite": "PRAGMA query_only = ON", "postgresql": "SET TRANSACTION READ ONLY"}
"""How a database is told to refuse writes. On every other one the transaction is rolled back."""


def query_table(source: Table, root: Path) -> pd.DataFrame:
    """The query's rows as text cells; the index counts them from 1.

    Raises RecipeError without a SELECT, SourceError when the database cannot be reached or refuses the query;
    no message holds the URL's password.
    """
    import sqlalchemy

    name = shown(source.url)
    if not re.match(r"\s*(select|with)\b", source.query or "", re.IGNORECASE):
        raise RecipeError(f"{name}: needs `query`, a SELECT; it says {source.query!r}")
    try:
        engine = sqlalchemy.create_engine(_url(source, root))
        with engine.connect() as connection:
            rows = _selected(connection, source)
        engine.dispose()
    except ModuleNotFoundError as error:
        raise SourceError(f"{name}: needs the Python package {error.name!r}; install it into .venv") from error
    except sqlalchemy.exc.SQLAlchemyError as error:
        cause = getattr(error, "orig", None) or error
        raise SourceError(f"{name}: {_without_password(str(cause), source)}; check URL, access and query") from error
    return table_of(rows, pd.RangeIndex(1, len(rows) + 1, name="row"))


def _selected(connection: "Connection", source: Table) -> list[dict[str, object]]:
    import sqlalchemy

    if guard := READ_ONLY.get(connection.dialect.name):
        connection.exec_driver_sql(guard)
    options = connection.execution_options(stream_results=True)
    result = options.execute(sqlalchemy.text(source.query or "")).mappings()
    rows = result.fetchmany(source.limit) if source.limit else result.fetchall()
    connection.rollback()
    return [{str(name): value for name, value in row.items()} for row in rows]


def _url(source: Table, root: Path) -> "URL":
    """The address; an SQLite file's path starts at the project's root and has to exist."""
    import sqlalchemy

    url = sqlalchemy.make_url(source.url.partition(":")[2])
    if url.get_backend_name() != "sqlite" or not url.database or url.database == ":memory:":
        return url
    path = root / url.database
    if not path.is_file():
        raise SourceError(f"{path}: there is no such database file; a relative path starts at the project's folder")
    return url.set(database=str(path))


def _without_password(message: str, source: Table) -> str:
    """The message in one line; should a driver repeat the password, it is blotted out."""
    import sqlalchemy

    line = " ".join(message.split())
    try:
        password = sqlalchemy.make_url(source.url.partition(":")[2]).password
    except sqlalchemy.exc.ArgumentError:
        return "is no SQLAlchemy URL; write sql:DIALECT://user:password@host/database"
    return line.replace(str(password), "***") if password else line
