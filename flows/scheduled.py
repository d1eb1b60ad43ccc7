"""Whether anything is scheduled: one question to Prefect's API, without importing Prefect."""

import contextlib
import http.client
import json

from flows.server_commands import WORK_POOL
from tasks.errors import ServerError

TIMEOUT_S = 10.0


def anything(prefect_url: str) -> bool:
    """True when the work pool of our own Prefect has a deployment. Raises ServerError when it does not answer."""
    question = json.dumps({"work_pools": {"name": {"any_": [WORK_POOL]}}})
    connection = http.client.HTTPConnection(prefect_url.removeprefix("http://"), timeout=TIMEOUT_S)
    with contextlib.closing(connection):
        try:
            connection.request("POST", "/api/deployments/count", question, {"Content-Type": "application/json"})
            return int(json.load(connection.getresponse())) > 0
        except (OSError, http.client.HTTPException, ValueError, TypeError) as error:
            raise ServerError(f"Prefect does not answer at {prefect_url} ({error}); see `tidemill status`") from error
