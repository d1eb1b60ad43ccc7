"""A silo's own account of the privacy that its records have spent, kept on its own disk before anything leaves."""

import hashlib
import secrets
from pathlib import Path
from typing import Any

from tasks import storage
from tasks.errors import PromiseError
from tasks.federate import accountant, masking
from tasks.federate.local import Noise, local, n_steps
from tasks.federate.messages import Ask
from tasks.federate.plan import Plan
from tasks.federate.rules import Rules

FILE, KEY = "privacy.json", "noise.key"


def noise(home: Path, rules: Rules, plan: Plan, question: Ask, data: tuple[str, int]) -> Noise | None:
    """The noise of this round, put on the account; None when the plan asks for no privacy.

    `data`: sha256 and number of training records. A round that is asked again gets the same noise, so that the second
    answer tells nothing new. Raises PromiseError when the operator's limit would be passed.
    """
    private = plan.federate.privacy
    if private is None:
        return None
    sha256, n_records = data
    account = _account(home)
    runs = account.setdefault(sha256, {})
    if question.run not in runs:
        runs[question.run] = _opened(plan, n_records)
    entry = runs[question.run]
    _count(entry, question, plan)
    total = spent(runs, private.delta) if rules.max_epsilon is not None else 0.0
    if rules.max_epsilon is not None and total > rules.max_epsilon:
        raise PromiseError(
            f"round {question.round} would bring its records to epsilon {total:.2f} of all federations, "
            f"and its operator allows {rules.max_epsilon:g}"
        )
    storage.write_json(home / FILE, account)
    return Noise(entry["sigma"], private.clip, entry["rate"], _seed(home, question))


def _opened(plan: Plan, n_records: int) -> dict[str, Any]:
    """A new line of the account: the noise with which all rounds of the plan together spend its epsilon."""
    private = plan.federate.privacy
    assert private is not None  # noqa: S101 (the caller has looked; for the type checker)
    steps = n_steps(n_records, local(plan.federate, ()))
    rate = min(1.0, plan.federate.batch_size / n_records)
    sigma = accountant.noise(private.epsilon, private.delta, rate, steps * plan.federate.rounds)
    profile = private.profile_epsilon and accountant.noise(private.profile_epsilon, private.delta, 1.0, 1)
    return {"sigma": sigma, "rate": rate, "steps": steps, "rounds": 0, "asked": [], "profile": profile}


def _count(entry: dict[str, Any], question: Ask, plan: Plan) -> None:
    """Put a question on the account once; each other one costs a round, whatever number it bears.

    Raises PromiseError when there are more of them than the noise was made for, or when the plan was exchanged.
    """
    if entry.setdefault("plan", question.plan) != question.plan:
        raise PromiseError("is told another plan than in the rounds before, and its noise was made for that one")
    asked = masking.digest(question).hex()
    if asked not in entry["asked"]:
        entry["asked"].append(asked)
    entry["rounds"] = len(entry["asked"])
    if entry["rounds"] > plan.federate.rounds:
        raise PromiseError(f"is asked more than {plan.federate.rounds} questions, which its noise was made for")


def spent(runs: dict[str, Any], delta: float) -> float:
    """Epsilon of all runs on the account together."""
    begun = [run for run in runs.values() if run["rounds"]]
    history = [(run["sigma"], run["rate"], run["steps"] * run["rounds"]) for run in begun]
    history += [(run["profile"], 1.0, 1) for run in begun if run.get("profile")]
    return accountant.epsilon(history, delta)


def spent_by(home: Path, sha256: str, run: str, delta: float) -> float:
    """Epsilon that one federation has spent of these records; 0 if it spent none."""
    entry = _account(home).get(sha256, {}).get(run)
    return spent({run: entry}, delta) if entry else 0.0


def profile_noise(home: Path, sha256: str, question: Ask) -> tuple[float, tuple[int, ...]]:
    """Standard deviation, in what one record moves, and seed of the noise of the profile: on account since round 1.

    The seed follows from the run alone, so that asking again tells nothing new.
    """
    entry = _account(home).get(sha256, {}).get(question.run)
    if not entry or not entry.get("profile"):
        raise PromiseError("has no noise on account for what its records are like")
    return float(entry["profile"]), tuple(hashlib.sha256(_key(home) + f"profile {question.run}".encode()).digest())


def _account(home: Path) -> dict[str, Any]:
    return dict(storage.read_json(home / FILE)) if (home / FILE).is_file() else {}


def _seed(home: Path, question: Ask) -> tuple[int, ...]:
    """Numbers that follow from the question and from a key that never leaves the silo."""
    digest = hashlib.sha256(_key(home) + f"{question.run} {question.round}".encode())
    for name in sorted(question.arrays):
        digest.update(question.arrays[name].tobytes())
    return tuple(digest.digest())


def _key(home: Path) -> bytes:
    file = home / KEY
    if not file.is_file():
        storage.write_bytes(file, secrets.token_bytes(32))
        file.chmod(0o600)
    return file.read_bytes()
