"""What people ask the ledger: what was decided, and what served when."""

from datetime import UTC, datetime

import pytest
from tiny_project import Project

from flows import history
from tasks import ledger
from tasks.errors import TidemillError

pytest_plugins = ["tiny_project"]


def test_every_entry_is_shown_and_what_served_is_told_with_its_reason(offline_project: Project) -> None:
    assert "nothing was ever released" in offline_project.tidemill("ledger")
    ledger.append(offline_project.home, "tiny", "verdict", 1, {"reason": "it is the first version"})
    ledger.append(offline_project.home, "tiny", "promotion", 1, {"reason": "it is the first version"})
    printed = offline_project.tidemill("ledger", "tiny")
    assert [line.split()[1:3] for line in printed.splitlines()[1:]] == [["tiny@1", "verdict"], ["tiny@1", "promotion"]]
    assert "tiny@1 served at" in offline_project.tidemill("served")
    printed = offline_project.tidemill("served", "--at", "2001-01-01")
    assert printed == "tiny: no version served at 2001-01-01T00:00:00+00:00\n"


def test_a_time_without_a_zone_is_utc_and_what_is_no_time_is_refused() -> None:
    assert history.moment("2026-11-01T12:00") == datetime(2026, 11, 1, 12, tzinfo=UTC)
    assert history.moment("2026-11-01T12:00+02:00") == datetime(2026, 11, 1, 10, tzinfo=UTC)
    with pytest.raises(TidemillError, match="--at 'noon': is no time; write it as 2026-11-01T12:00"):
        history.moment("noon")
