"""A version takes the champion's place only when it is shown better, and its source archive repeats itself."""

import numpy as np
import pytest

from tasks.recipe import Gate
from tasks.release import source
from tasks.release.verdict import compared, first_version

GATE = Gate()


def answers(right_share, seed, rows=2000):
    random = np.random.default_rng(seed)
    truth = np.random.default_rng(0).integers(0, 3, rows)
    return truth, np.where(random.random(rows) < right_share, truth, (truth + 1) % 3)


def test_the_first_version_is_the_champion():
    assert first_version().promoted


def test_a_tie_keeps_the_champion():
    truth, same = answers(0.8, 1)
    verdict = compared(truth, same, same, GATE, 3)
    assert not verdict.promoted
    assert "a tie keeps the champion" in verdict.reason
    assert verdict.difference == (0, 0, 0)


@pytest.mark.parametrize(("share", "promoted", "words"), [(0.9, True, "shown better"), (0.7, False, "shown worse")])
def test_a_clear_difference_is_told_in_words(share, promoted, words):
    truth, champion = answers(0.8, 1)
    _, challenger = answers(share, 2)
    verdict = compared(truth, challenger, champion, GATE, 3)
    assert verdict.promoted is promoted
    assert verdict.reason.startswith(words)
    assert "on the same 2,000 test rows as champion 3" in verdict.reason


def test_the_source_archive_has_the_same_bytes_and_leaves_caches_out(tmp_path):
    (tmp_path / "tasks/__pycache__").mkdir(parents=True)
    (tmp_path / "tasks/a.py").write_text("A = 1\n")
    (tmp_path / "tasks/__pycache__/a.pyc").write_bytes(b"x")
    (tmp_path / "dvc.yaml").write_text("stages: {}\n")
    assert [file.name for file in source.members(tmp_path, "feedback")] == ["dvc.yaml", "a.py"]
    first = source.archive(tmp_path, "feedback")
    (tmp_path / "tasks/a.py").touch()
    assert source.archive(tmp_path, "feedback") == first
