"""One version under rebuild: opened from the registry, its data fetched, its stages compared as they come."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tasks import dvc_repo, storage
from tasks.environment import environment
from tasks.errors import TidemillError
from tasks.fingerprint.run import fingerprint
from tasks.hardware import hardware
from tasks.paths import Paths
from tasks.rebuild import nearness
from tasks.rebuild.differences import Cause, Row, causes, in_order, may_round_otherwise, own_causes
from tasks.rebuild.outcome import Outcome, Verdict
from tasks.rebuild.released import Released, fetched, released
from tasks.rebuild.snapshot import ARCHIVE, Snapshot, unpacked
from tasks.recipe import load

OUTPUTS = {"compress": "model.onnx", "evaluate": "predictions.parquet"}


@dataclass(frozen=True)
class Case:
    """What was released, and the project in which it is made again."""

    released: Released
    snapshot: Snapshot
    fault: str | None
    """What is wrong with the source archive: its code must not run."""


def opened(recipe: str, number: int, root: Path) -> Case:
    """The version's files checked and its project unpacked into the empty folder `root`. Raises TidemillError."""
    version = released(recipe, number, root / "released")
    archive, fault = fetched(version, ARCHIVE)
    return Case(version, unpacked(archive, root, recipe), fault)


def changed_source(case: Case) -> Outcome:
    """The outcome for an archive that is not the released one: which stage's code is another, found without running it."""
    fault = str(case.fault)
    fingerprints = case.released.lineage["fingerprints"]
    for stage in in_order(case.released.lineage["stages"]):
        changes = own_causes(fingerprints[stage], _read_only(case, stage))
        found = tuple(cause for cause in changes if cause.kind in ("code", "recipe"))
        if found:
            return _ended(case, (), stage, (Cause("code", fault), *found), ("its code was not run",))
    unreached = Cause("code", f"{fault}; no function that a stage reaches is another")
    return _ended(case, (), "source", (unreached,), ("its code was not run",))


def _read_only(case: Case, stage: str) -> dict[str, Any]:
    """The stage's fingerprint in the unpacked project; empty when its recipe or suites cannot be read any more."""
    root = case.snapshot.root
    try:
        found = fingerprint(load(root / "recipes" / f"{case.snapshot.recipe}.yaml"), root, stage)
    except (TidemillError, SyntaxError):
        return {}
    return dict(json.loads(json.dumps(found)))  # lists, as in the file of then


def damaged_data(case: Case, faults: Sequence[dvc_repo.Fault]) -> Outcome:
    """The outcome when the remote does not give the data back: the first stage that would have read it."""
    stages = case.released.lineage["stages"]
    bad = {fault.tracked for fault in faults}
    first = next((stage for stage in in_order(stages) if bad & set(stages[stage]["deps"])), "collect")
    told = tuple(Cause("data", fault.reason) for fault in faults)
    return _ended(case, (), first, told, ("no stage was run",))


def compared(case: Case, stage: str, seconds: float) -> Row:
    """What the stage has left in the project beside what it left then."""
    made = _made(case)["stages"]
    return Row(stage, case.released.lineage["stages"][stage]["outs"], made[stage]["outs"], seconds)


def explained(case: Case, row: Row) -> tuple[Cause, ...]:
    """Why this first stage that differs does."""
    return causes(row.stage, case.released.lineage, _made(case))


def _made(case: Case) -> dict[str, Any]:
    """What the project's stages have left so far, in the form of a lineage."""
    paths = Paths(case.snapshot.root, case.snapshot.recipe)
    stages = {stage: dvc_repo.hashes(e) for stage, e in dvc_repo.recorded(paths.root, paths.recipe)["stages"].items()}
    files = sorted(paths.fingerprints.glob("*.json"))
    return {
        "stages": stages,
        "fingerprints": {file.stem: storage.read_json(file) for file in files},
        "environment": environment(),
        "hardware": hardware(),
    }


def judged(case: Case, rows: Sequence[Row], first: Row | None, found: Sequence[Cause]) -> Outcome:
    """The outcome of the stages that ran: equal, or near enough for another machine, or different."""
    if first is None:
        return _identical(case, rows)
    if not may_round_otherwise(first, found):
        return _ended(case, rows, first.stage, found, _hints(case, found))
    paths = Paths(case.snapshot.root, case.snapshot.recipe)
    pairs = {stage: (_intact(case, name), paths.stage(stage) / name) for stage, name in OUTPUTS.items()}
    tables = [storage.read_table(file, ["record_id", "predicted"]) for file in pairs["evaluate"]]
    near = nearness.Nearness(
        nearness.weight_difference(*pairs["compress"]),
        nearness.agreement(tables[0], tables[1]),
        case.snapshot.tolerance,
    )
    verdict: Verdict = "WITHIN TOLERANCE" if near.within else "DIFFERENT"
    return Outcome(_name(case), verdict, _count(case), tuple(rows), first.stage, tuple(found), near)


def _intact(case: Case, name: str) -> Path:
    file, fault = fetched(case.released, name)
    if fault:
        raise TidemillError(f"{_name(case)}: {fault}, so nothing can be compared with it; restore the registry")
    return file


def _identical(case: Case, rows: Sequence[Row]) -> Outcome:
    """All stages left the recorded bytes; the registry must hold those very files too."""
    faults = _strangers(case)
    if faults:
        told = tuple(Cause("data", fault) for fault in faults)
        return _ended(case, rows, "release", told, ("the stages left the recorded bytes, the registry holds others",))
    return Outcome(_name(case), "IDENTICAL", _count(case), tuple(rows), notes=_remarks(case))


def _strangers(case: Case) -> list[str]:
    """Files of the version that are not the ones which the stages leave: changed in the registry since."""
    paths = Paths(case.snapshot.root, case.snapshot.recipe)
    made = {file.name: file for stage in OUTPUTS for file in paths.stage(stage).glob("*")}
    names = sorted(made.keys() & case.released.sealed.keys() - {"card.md"})
    faults = []
    for name in names:
        file, fault = fetched(case.released, name)
        if fault is None and storage.sha256_file(file) != storage.sha256_file(made[name]):
            fault = f"{name}: is not the file that the stages leave"
        faults += [fault] if fault else []
    return faults


def _remarks(case: Case) -> tuple[str, ...]:
    """What was another than then and did not matter."""
    then, now = case.released.lineage, _made(case)
    found = [
        cause
        for stage in in_order(then["stages"])
        for cause in own_causes(then["fingerprints"][stage], now["fingerprints"].get(stage))
    ]
    return tuple(f"did not matter: {cause.reason}" for cause in dict.fromkeys(found))


def _hints(case: Case, found: Sequence[Cause]) -> tuple[str, ...]:
    if any(cause.kind == "environment" for cause in found):
        return (f"the versions of then: make -C {case.snapshot.root} setup, then run this again with its .venv",)
    return ()


def _ended(case: Case, rows: Sequence[Row], stage: str, found: Sequence[Cause], notes: tuple[str, ...] = ()) -> Outcome:
    return Outcome(_name(case), "DIFFERENT", _count(case), tuple(rows), stage, tuple(found), notes=notes)


def _count(case: Case) -> int:
    return len(case.released.lineage["stages"])


def _name(case: Case) -> str:
    return case.released.name
