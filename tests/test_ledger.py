"""The ledger is only ever added to, says what served when, and notices every hand that changes it."""

import json
import os
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tasks import ledger
from tasks.errors import TidemillError


def filled(home: Path, count: int = 3) -> Path:
    for number in range(1, count + 1):
        ledger.append(home, "tiny", "promotion", number, {"why": f"shown better, {number} %"})
    return ledger.file(home, "tiny")


def test_entries_come_back_as_they_were_written_and_in_order(tmp_path):
    filled(tmp_path)
    found = ledger.entries(tmp_path, "tiny")
    assert [(entry.version, entry.kind, entry.evidence["why"]) for entry in found] == [
        (number, "promotion", f"shown better, {number} %") for number in (1, 2, 3)
    ]
    assert [entry.at for entry in found] == sorted(entry.at for entry in found)
    assert ledger.entries(tmp_path, "other") == []


@pytest.mark.parametrize("change", ["edit", "remove", "insert", "swap"])
def test_a_changed_line_is_named(tmp_path, change):
    file = filled(tmp_path)
    lines = file.read_bytes().splitlines(keepends=True)
    if change == "edit":
        lines[0] = lines[0].replace(b"shown better", b"shown worse!")
    elif change == "remove":
        del lines[1]
    elif change == "insert":
        lines.insert(1, lines[0])
    else:
        lines[0], lines[1] = lines[1], lines[0]
    file.write_bytes(b"".join(lines))
    with pytest.raises(TidemillError, match=r"tiny\.jsonl, line [12]: does not follow the line before it"):
        ledger.entries(tmp_path, "tiny")
    with pytest.raises(TidemillError, match="does not follow"):
        ledger.append(tmp_path, "tiny", "rollback", 1, {})


def test_what_a_killed_writer_left_never_counted_and_is_gone_with_the_next_entry(tmp_path):
    file = filled(tmp_path)
    whole = file.read_bytes()
    file.write_bytes(whole + b'{"recipe": "tiny", "ki')
    assert len(ledger.entries(tmp_path, "tiny")) == 3
    ledger.append(tmp_path, "tiny", "rollback", 1, {})
    assert file.read_bytes().startswith(whole)
    assert [entry.version for entry in ledger.entries(tmp_path, "tiny")] == [1, 2, 3, 1]


def test_two_writers_at_once_lose_nothing(tmp_path):
    writers = [threading.Thread(target=filled, args=(tmp_path, 20)) for _ in range(4)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert len(ledger.entries(tmp_path, "tiny")) == 80


def test_what_served_is_the_last_promotion_or_rollback_before_the_moment(tmp_path):
    filled(tmp_path, 2)
    ledger.append(tmp_path, "tiny", "verdict", 3, {})
    ledger.append(tmp_path, "tiny", "rollback", 1, {})
    history = ledger.entries(tmp_path, "tiny")
    moments = [datetime.fromisoformat(entry.at) for entry in history]
    assert [ledger.serving_at(history, moment).version for moment in moments] == [1, 2, 2, 1]
    assert ledger.serving_at(history, moments[0] - timedelta(seconds=1)) is None
    assert ledger.serving_at(history, datetime.now(UTC) + timedelta(days=1)).version == 1


def test_a_clock_that_was_set_back_does_not_turn_the_order(tmp_path, monkeypatch):
    filled(tmp_path, 1)
    monkeypatch.setattr(ledger, "_now", lambda: "2001-01-01T00:00:00.000000+00:00")
    ledger.append(tmp_path, "tiny", "rollback", 1, {})
    first, second = ledger.entries(tmp_path, "tiny")
    assert second.at == first.at


def test_an_entry_of_another_form_is_told_with_its_line(tmp_path):
    file = filled(tmp_path, 1)
    file.write_bytes(file.read_bytes() + json.dumps({"recipe": "tiny"}).encode() + b"\n")
    with pytest.raises(TidemillError, match="line 2: is no ledger entry"):
        ledger.entries(tmp_path, "tiny")


def test_a_full_disk_is_one_line_and_the_ledger_stays_whole(tmp_path, monkeypatch):
    file = filled(tmp_path, 1)

    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(TidemillError, match="the disk is full"):
        ledger.append(tmp_path, "tiny", "rollback", 1, {})
    monkeypatch.undo()
    assert ledger.entries(tmp_path, "tiny")[0].version == 1
    assert file.is_file()
