"""One stage as a child process: what it says comes through, and nothing of it is left."""

import os
import signal
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flows.events import Event, Line, Progress, Started
from flows.failure import reason
from flows.process_tree import Identity, alive, identity
from flows.stage_process import Finished, Job, run
from tasks.errors import PromiseError, TidemillError


class Heard(list[Event]):
    """Keeps what it is told, and raises `upon` at the first line."""

    def __init__(self, upon: BaseException | None = None) -> None:
        super().__init__()
        self._upon = upon

    def __call__(self, event: Event) -> None:
        self.append(event)
        if self._upon and isinstance(event, Line):
            raise self._upon

    @property
    def lines(self) -> list[str]:
        return [event.text for event in self if isinstance(event, Line)]

    @property
    def leader(self) -> Identity:
        return next(event.process for event in self if isinstance(event, Started))


def job(root: Path, code: str, memory_gb: float = 2.0, seconds: float = 60.0) -> Job:
    command = (sys.executable, "-c", code)
    return Job("train@tiny", command, root, memory_gb, time.monotonic() + seconds, seconds / 60)


def finished(root: Path, code: str) -> Finished:
    return run(job(root, code), Heard())


def gone(pid: int) -> bool:
    found = identity(pid)
    return found is None or not alive(found)


WITH_CHILD = """
import subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(300)"])
print(child.pid, flush=True)
time.sleep(300)
"""


def test_both_streams_come_in_order_and_progress_apart(tmp_path: Path) -> None:
    heard = Heard()
    code = (
        "import sys\nprint('one')\nprint('two', file=sys.stderr)\n"
        'print(\'::progress {"what": "steps", "done": 1, "total": 2, "note": ""}\')\nprint("three", end="")'
    )
    done = run(job(tmp_path, code), heard)
    assert heard.lines == ["one", "two", "three"] == list(done.lines)
    assert [event for event in heard if isinstance(event, Progress)] == [Progress("steps", 1, 2, "")]
    assert done.exit_code == 0


def test_a_line_overwritten_by_a_carriage_return_is_not_shown(tmp_path: Path) -> None:
    assert finished(tmp_path, "print('10 %\\r20 %\\r100 %')").lines == ("100 %",)


def test_bytes_that_are_no_text_do_not_end_the_stage(tmp_path: Path) -> None:
    assert finished(tmp_path, "import os; os.write(1, b'\\xff ok\\n')").lines == ("\ufffd ok",)


def test_the_stage_finds_this_python_first_and_reports_progress_as_lines(tmp_path: Path) -> None:
    code = "import os, shutil; print(shutil.which('python')); print(os.environ['TIDEMILL_PROGRESS'])"
    where, how = finished(tmp_path, code).lines
    assert Path(where).parent == Path(sys.executable).parent
    assert how == "lines"


def test_a_failing_stage_is_told_in_its_own_words(tmp_path: Path) -> None:
    code = "import sys; print('working'); sys.exit('error: rows.csv: line 3 has no label')"
    with pytest.raises(TidemillError, match=r"^train@tiny: rows\.csv: line 3 has no label$"):
        finished(tmp_path, code)


def test_a_killed_stage_is_told_by_its_signal(tmp_path: Path) -> None:
    with pytest.raises(TidemillError, match=r"train@tiny: was ended by SIGKILL; .* out of memory"):
        finished(tmp_path, "import os; os.kill(os.getpid(), 9)")


def test_a_child_that_a_dead_stage_leaves_is_ended_too(tmp_path: Path) -> None:
    heard = Heard()
    code = WITH_CHILD.removesuffix("time.sleep(300)\n") + "import os; os.kill(os.getpid(), 9)\n"
    with pytest.raises(TidemillError, match="SIGKILL"):
        run(job(tmp_path, code), heard)
    assert gone(int(heard.lines[0]))


@pytest.mark.parametrize("exception", [KeyboardInterrupt(), RuntimeError("cancelled")])
def test_an_exception_leaves_no_process(tmp_path: Path, exception: BaseException) -> None:
    heard = Heard(upon=exception)
    with pytest.raises(type(exception)):
        run(job(tmp_path, WITH_CHILD), heard)
    assert not alive(heard.leader)
    assert gone(int(heard.lines[0]))


def test_a_stage_that_ignores_the_polite_signal_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("flows.stage_process.GRACE_S", 0.3)
    heard = Heard(upon=RuntimeError())
    code = (
        "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True); time.sleep(99)"
    )
    with pytest.raises(RuntimeError):
        run(job(tmp_path, code), heard)
    assert not alive(heard.leader)


def test_more_memory_than_the_budget_ends_the_stage_with_figure_and_limit(tmp_path: Path) -> None:
    heard = Heard()
    code = "import os, time; hoard = os.urandom(2**20) * 300; time.sleep(60)"
    with pytest.raises(PromiseError, match=r"used 0\.\d\d GB of memory, and the recipe's budget\.memory_gb is 0\.2"):
        run(job(tmp_path, code, memory_gb=0.2), heard)
    assert not alive(heard.leader)


def test_the_memory_of_children_counts(tmp_path: Path) -> None:
    hoard = "import os, time; hoard = os.urandom(2**20) * 300; time.sleep(60)"
    with pytest.raises(PromiseError, match=r"budget\.memory_gb"):
        run(job(tmp_path, f"import subprocess, sys; subprocess.run([sys.executable, '-c', {hoard!r}])", 0.2), Heard())


def test_more_minutes_than_the_budget_end_the_stage(tmp_path: Path) -> None:
    with pytest.raises(PromiseError, match=r"had used its 0\.01 minutes, the recipe's budget\.minutes"):
        run(job(tmp_path, "import time; time.sleep(60)", seconds=0.6), Heard())


def test_a_recycled_pid_is_another_process() -> None:
    me = identity(os.getpid())
    assert me is not None
    assert alive(me)
    assert not alive(Identity(me.pid, me.created_at - 10))


def test_a_list_of_faults_stays_whole() -> None:
    lines = [
        "error: tiny.yaml, 2 faults:",
        "  - seed: is missing",
        "  - name: is missing",
        "ERROR: failed to reproduce",
    ]
    assert reason(1, lines) == "tiny.yaml, 2 faults:\n  - seed: is missing\n  - name: is missing"


def test_a_traceback_is_told_by_its_last_line() -> None:
    lines = [
        "Traceback (most recent call last):",
        '  File "x.py", line 1',
        "ValueError: no",
        "ERROR: failed: exited with 1",
    ]
    assert reason(1, lines) == "ValueError: no"


@given(st.integers(-64, 255).filter(bool), st.lists(st.text(max_size=20), max_size=6))
def test_every_failure_has_a_reason(exit_code: int, lines: list[str]) -> None:
    assert reason(exit_code, lines)


def test_sigterm_of_the_caller_leaves_no_process(tmp_path: Path) -> None:
    def raised(number: int, frame: object) -> None:
        raise SystemExit(143)

    before = signal.signal(signal.SIGTERM, raised)
    heard = Heard()
    code = f"import os, time; print('up', flush=True); os.kill({os.getpid()}, 15); time.sleep(60)"
    try:
        with pytest.raises(SystemExit):
            run(job(tmp_path, code), heard)
    finally:
        signal.signal(signal.SIGTERM, before)
    assert not alive(heard.leader)
