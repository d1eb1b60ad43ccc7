"""Where a version that was made again first differs from what was recorded, and why."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from tasks import environment, hardware

Kind = Literal["data", "code", "recipe", "environment", "hardware", "unexplained"]

FROM_TRAINING_ON = ("train", "compress", "evaluate")
"""Stages of floating-point sums, which another processor rounds in another way."""

Record = Mapping[str, Any]
"""A lineage, or what a rebuild has made so far in the same form: stages, fingerprints, environment, hardware."""


@dataclass(frozen=True)
class Cause:
    """One reason why a stage came out otherwise."""

    kind: Kind
    reason: str


@dataclass(frozen=True)
class Row:
    """One stage: the md5 of what it left then and now."""

    stage: str
    then: Mapping[str, str]
    now: Mapping[str, str]
    seconds: float

    @property
    def same(self) -> bool:
        """Whether every output has the recorded bytes."""
        return self.then == self.now


def in_order(stages: Mapping[str, Record]) -> list[str]:
    """The recorded stages, each after those whose outputs it reads (a JSON file keeps its keys by the alphabet)."""
    waiting, ordered = sorted(stages), list[str]()
    while waiting:
        made = [output for stage in waiting for output in stages[stage]["outs"]]
        ready = [stage for stage in waiting if not any(_lies_in(path, made) for path in stages[stage]["deps"])]
        ordered += ready or waiting
        waiting = [stage for stage in waiting if stage not in ordered]
    return ordered


def _lies_in(path: str, folders: Sequence[str]) -> bool:
    return any(path == folder or path.startswith(f"{folder}/") for folder in folders)


def causes(stage: str, then: Record, now: Record) -> tuple[Cause, ...]:
    """What may have made `stage` differ, the first stage that does: its data, code, recipe values, packages, machine.

    Packages that the stage does not import itself and the machine are named only when nothing nearer explains it.
    """
    nearer = [*_data(stage, then, now), *own_causes(then["fingerprints"].get(stage), now["fingerprints"].get(stage))]
    if nearer:
        return (*nearer, *(_hardware(then, now) if stage in FROM_TRAINING_ON else ()))
    return (*_around(then, now), *_hardware(then, now)) or (
        Cause("unexplained", "its data, code, packages and machine are those of then, so it does not repeat itself"),
    )


def own_causes(then: Record | None, now: Record | None) -> list[Cause]:
    """How two fingerprints of a stage differ: functions, other files, recipe values, packages."""
    before, after = then or {}, now or {}
    parts: tuple[tuple[str, Kind], ...] = (("code", "code"), ("files", "code"), ("recipe", "recipe"))
    found = [
        Cause(kind, f"{name}: {_changed(part, name, before, after)}")
        for part, kind in parts
        for name in _different(before.get(part, {}), after.get(part, {}))
    ]
    packages = environment.differences(before.get("packages", {}), after.get("packages", {}))
    return found + [Cause("environment", phrase) for phrase in packages]


def _different(then: Record, now: Record) -> list[str]:
    return sorted(name for name in {*then, *now} if then.get(name) != now.get(name))


def _changed(part: str, name: str, then: Record, now: Record) -> str:
    if part == "recipe":
        return f"{then.get(part, {}).get(name)!r} then, {now.get(part, {}).get(name)!r} now"
    if name not in now.get(part, {}):
        return "was used then and is not now"
    return "is another than then" if name in then.get(part, {}) else "is used now and was not then"


def _data(stage: str, then: Record, now: Record) -> list[Cause]:
    before, after = then["stages"][stage]["deps"], now["stages"][stage]["deps"]
    changed = [path for path in _different(before, after) if "/fingerprint/" not in path]
    return [Cause("data", f"{path}: md5 {before.get(path)} then, {after.get(path)} now") for path in changed]


def _around(then: Record, now: Record) -> list[Cause]:
    before, after = then.get("environment", {}), now.get("environment", {})
    if "packages" not in before:
        return []
    python = [before.get("python"), after.get("python")]
    told = [f"Python {python[0]} then, {python[1]} now"] if python[0] != python[1] else []
    told += environment.differences(before["packages"], after["packages"])
    return [Cause("environment", f"{phrase} (not imported by the stage itself)") for phrase in told]


def _hardware(then: Record, now: Record) -> list[Cause]:
    if "hardware" not in then:
        return []
    return [Cause("hardware", phrase) for phrase in hardware.differences(then["hardware"], now["hardware"])]


def may_round_otherwise(row: Row, found: Sequence[Cause]) -> bool:
    """Whether another machine is why the stage differs, so that nearness counts instead of equality.

    Its packages may be others too: a machine with a GPU has another build of torch.
    """
    kinds = {cause.kind for cause in found}
    return row.stage in FROM_TRAINING_ON and "hardware" in kinds and kinds <= {"hardware", "environment"}
