"""Whether a server answers."""

import http
import http.client
import urllib.error
import urllib.request

TIMEOUT_S = 5.0


def healthy(url: str) -> bool:
    """True when a GET of the URL answers 200. No proxy is asked: the server is on this machine or named by the user."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(url, timeout=TIMEOUT_S) as answer:
            return bool(answer.status == http.HTTPStatus.OK)
    except (urllib.error.URLError, http.client.HTTPException, OSError):
        return False
