"""A file from a web server, whole or not at all."""

from pathlib import Path
from typing import TYPE_CHECKING

from tasks.errors import SourceError
from tasks.progress import progress
from tasks.recipe import Origin

if TYPE_CHECKING:
    import httpx

CONNECT_SECONDS = 15.0
SILENCE_SECONDS = 60.0
"""A server that sends nothing for so long is given up."""


def download(origin: Origin, target: Path) -> None:
    """Write the body of a GET to `target`. Raises SourceError: no network, no such page, a body cut short."""
    import httpx

    timeout = httpx.Timeout(SILENCE_SECONDS, connect=CONNECT_SECONDS)
    headers = {"Accept-Encoding": "identity"}
    try:
        with (
            httpx.Client(follow_redirects=True, timeout=timeout, headers=headers) as client,
            client.stream("GET", origin.url) as response,
        ):
            _accepted(response, origin)
            _written(response, target)
    except httpx.TimeoutException as error:
        raise SourceError("the server did not answer in time; run the same command again later") from error
    except httpx.RemoteProtocolError as error:
        raise SourceError("the transfer was cut short by the server; run the same command again") from error
    except httpx.InvalidURL as error:
        raise SourceError("is no valid URL; write it as https://host/path") from error
    except httpx.HTTPError as error:
        raise SourceError(f"cannot be reached ({error}); check the address and the network") from error


def _accepted(response: "httpx.Response", origin: Origin) -> None:
    if origin.url.startswith("https:") and response.url.scheme != "https":
        raise SourceError("the server redirects to an unencrypted address; use one that stays https:")
    if not response.is_success:
        hint = "it wants credentials" if response.status_code in (401, 403) else "check the address"
        raise SourceError(f"the server answers {response.status_code} {response.reason_phrase}; {hint}")


def _written(response: "httpx.Response", target: Path) -> None:
    promised = int(response.headers.get("content-length", 0))
    with target.open("wb") as file, progress("download", promised) as report:
        for chunk in response.iter_bytes(1 << 20):
            file.write(chunk)
            report(response.num_bytes_downloaded)
    if promised and response.num_bytes_downloaded != promised:
        raise SourceError(f"{response.num_bytes_downloaded} bytes came, {promised} were promised; run it again")
