"""People at Label Studio's own pages: signing up, signing in, the next task, an answer. What a browser sends."""

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from tasks.errors import ServerError
from tasks.label.studio.connection import Studio, session

LOGIN = "/user/login/"
NO_MORE = 404
"""Label Studio's answer when a person has no further task."""


def missing(studio: Studio, addresses: Sequence[str]) -> list[str]:
    """Those of the mail addresses that have no login yet."""
    known = {str(user["email"]).lower() for user in studio.ask("GET", "/api/users/")}
    return [address for address in addresses if address.lower() not in known]


def sign_up(studio: Studio, address: str, password: str) -> None:
    """Make a login through the invitation, as a person does. Raises ServerError when Label Studio refuses it.

    The invitation is renewed afterwards: its address stands in Label Studio's log.
    """
    path = str(studio.ask("GET", "/api/invite")["invite_url"])
    with session(studio.url) as visitor:
        answer = _submitted(visitor, path, {"email": address, "password": password})
    studio.ask("POST", "/api/invite/reset-token")
    if "/user/signup" in answer:
        raise ServerError(f"{studio.url}: Label Studio makes no login for {address}; is the address a valid one?")


@contextmanager
def signed_in(url: str, address: str, password: str) -> Iterator[Studio]:
    """A browser's session of that person. Raises ServerError when the password is wrong."""
    with session(url) as visitor:
        landed_at = _submitted(visitor, LOGIN, {"email": address, "password": password, "persist_session": "on"})
        if landed_at.rstrip("/").endswith(LOGIN.rstrip("/")):
            raise ServerError(f"{url}: Label Studio does not let {address} in; is the password the right one?")
        yield visitor


def next_task(person: Studio, project: int) -> dict[str, Any] | None:
    """The task that Label Studio gives this person next, or None when there is none left."""
    answer = person.client.get(f"/api/projects/{project}/next")
    if answer.status_code == NO_MORE:
        return None
    if not answer.is_success:
        raise ServerError(f"{person.url}: Label Studio answers {answer.status_code} to the question for a next task")
    task: dict[str, Any] = answer.json()
    return task


def submit(person: Studio, project: int, task: int, result: Mapping[str, Any], started: float) -> None:
    """Send the person's answer; `started` is `time.monotonic()` when the task was shown."""
    content = {"result": [dict(result)], "lead_time": round(time.monotonic() - started, 3)}
    person.ask(
        "POST",
        f"/api/tasks/{task}/annotations/",
        params={"project": project},
        json=content,
        headers=_from_page(person, f"/projects/{project}/data"),
    )


def _submitted(visitor: Studio, path: str, fields: Mapping[str, str]) -> str:
    """The path at which the visitor is after sending the form on that page."""
    visitor.client.get(path).raise_for_status()
    content = {**fields, "csrfmiddlewaretoken": visitor.client.cookies["csrftoken"]}
    return visitor.client.post(path, data=content, headers=_from_page(visitor, path)).url.path


def _from_page(visitor: Studio, path: str) -> dict[str, str]:
    """What a browser adds to a request from a page, and Django asks for."""
    return {"Referer": f"{visitor.url}{path}", "X-CSRFToken": visitor.client.cookies["csrftoken"]}
