"""A Label Studio that answers, as whoever the token belongs to."""

import os
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import httpx

from tasks.errors import ServerError

URL_VARIABLE, TOKEN_VARIABLE = "LABEL_STUDIO_URL", "LABEL_STUDIO_API_KEY"
"""The names that Label Studio's own SDK reads."""

CONNECT_SECONDS = 10.0
ANSWER_SECONDS = 300.0
"""An export of 30,000 annotations takes Label Studio 20 s on an idle machine."""

DETAIL_CHARACTERS = 300


@dataclass(frozen=True)
class Studio:
    """An open connection, and the address without its last slash."""

    url: str
    client: httpx.Client

    def ask(self, method: str, path: str, **more: Any) -> Any:
        """The answer's JSON (None when it is empty). Raises ServerError: no answer, or one that refuses."""
        return _content(self.url, self._sent(method, path, **more))

    def _sent(self, method: str, path: str, **more: Any) -> httpx.Response:
        try:
            return self.client.request(method, path, **more)
        except httpx.TimeoutException as error:
            raise ServerError(f"{self.url}: Label Studio did not answer in time; run the same command again") from error
        except httpx.HTTPError as error:
            raise ServerError(
                f"{self.url}: Label Studio does not answer ({error}); start it with: tidemill up --studio"
            ) from error


def named() -> bool:
    """Whether the environment names a Label Studio."""
    return bool(os.environ.get(URL_VARIABLE))


@contextmanager
def connected() -> Iterator[Studio]:
    """The Label Studio that LABEL_STUDIO_URL and LABEL_STUDIO_API_KEY name. Raises ServerError when one is not set."""
    url, token = os.environ.get(URL_VARIABLE, "").rstrip("/"), os.environ.get(TOKEN_VARIABLE, "")
    if not url:
        raise ServerError(f"{URL_VARIABLE} is not set; `tidemill label` sets it, or start one: tidemill up --studio")
    if not token:
        raise ServerError(f"{TOKEN_VARIABLE} is not set; it is the token of {url} (Account & Settings there)")
    with session(url, _authentication(token)) as studio:
        yield studio


@contextmanager
def session(url: str, authentication: httpx.Auth | None = None) -> Iterator[Studio]:
    """A connection that keeps its cookies, as a browser does."""
    timeout = httpx.Timeout(ANSWER_SECONDS, connect=CONNECT_SECONDS)
    with httpx.Client(base_url=url, auth=authentication, timeout=timeout, follow_redirects=True) as client:
        yield Studio(url, client)


def _authentication(token: str) -> httpx.Auth:
    """A personal access token is a JWT, three parts with points between; the legacy token is hexadecimal."""
    return _PersonalToken(token) if token.count(".") == len("..") else _LegacyToken(token)


class _LegacyToken(httpx.Auth):
    """The token in every request."""

    def __init__(self, token: str) -> None:
        self._header = f"Token {token}"

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        request.headers["Authorization"] = self._header
        yield request


class _PersonalToken(httpx.Auth):
    """The personal access token buys an access token, which lasts some minutes."""

    requires_response_body = True

    def __init__(self, token: str) -> None:
        self._token, self._access = token, ""

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        request.headers["Authorization"] = f"Bearer {self._access or self._token}"
        answer = yield request
        if answer.status_code == HTTPStatus.UNAUTHORIZED:
            bought = yield httpx.Request("POST", request.url.join("/api/token/refresh"), json={"refresh": self._token})
            if bought.is_success:
                self._access = str(bought.json()["access"])
                request.headers["Authorization"] = f"Bearer {self._access}"
                yield request


def _content(url: str, answer: httpx.Response) -> Any:
    if answer.status_code == HTTPStatus.UNAUTHORIZED:
        raise ServerError(
            f"{url}: Label Studio refuses the token in {TOKEN_VARIABLE}; take another from Account & Settings there"
        )
    if not answer.is_success:
        said = " ".join(answer.text.split())[:DETAIL_CHARACTERS]
        raise ServerError(f"{url}: Label Studio answers {answer.status_code} to {answer.request.url.path}: {said}")
    try:
        return answer.json() if answer.content else None
    except ValueError as error:
        raise ServerError(f"{url}: answers {answer.request.url.path} with a page; is it a Label Studio?") from error
