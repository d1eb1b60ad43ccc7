"""Why a stage failed, in its own words."""

import signal
from collections.abc import Sequence

OWN = "error: "
"""How `python -m tasks` starts its one line; further lines of a list of faults are indented."""


def reason(exit_code: int, lines: Sequence[str]) -> str:
    """The stage's last error line; else a traceback's last line, DVC's line, the last line, the exit code."""
    if exit_code < 0:
        return f"was ended by {_signal_name(-exit_code)}; if nobody did that, the machine may be out of memory"
    said = _own_error(lines) or _traceback_end(lines) or _last_with("ERROR: ", lines) or _last_with("", lines)
    return said or f"ended with exit code {exit_code} without a word"


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def _own_error(lines: Sequence[str]) -> str:
    """The last line that starts with `error: `, and the indented lines that belong to it."""
    starts = [index for index, line in enumerate(lines) if line.startswith(OWN)]
    if not starts:
        return ""
    first, *others = lines[starts[-1] :]
    belonging = []
    for line in others:
        if not line.startswith("  - "):
            break
        belonging.append(line)
    return "\n".join([first.removeprefix(OWN), *belonging])


def _traceback_end(lines: Sequence[str]) -> str:
    """The exception that the last traceback ends with."""
    starts = [index for index, line in enumerate(lines) if line.startswith("Traceback (most recent call last)")]
    after = lines[starts[-1] + 1 :] if starts else []
    return next((line for line in after if line and not line.startswith(" ")), "")


def _last_with(start: str, lines: Sequence[str]) -> str:
    return next((line.removeprefix(start) for line in reversed(lines) if line.strip() and line.startswith(start)), "")
