"""What a silo does with a question: look at its rules, train at home, and send no more than they allow."""

import hashlib
import json
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from tasks import storage
from tasks.errors import PromiseError, TidemillError
from tasks.federate import array_file, content, kinds, masking, personal, privacy
from tasks.federate import rules as rule_book
from tasks.federate.aggregation import flat
from tasks.federate.compression import received, with_feedback
from tasks.federate.desk import Desk
from tasks.federate.local import local
from tasks.federate.messages import Answer, Arrays, Ask, Facts, n_bytes
from tasks.federate.plan import parsed
from tasks.federate.silo_data import read

SENT = "sent.jsonl"
"""One line for each answer that left the silo: its operator's copy."""


def answer(home: Path, question: Ask) -> Answer:
    """The silo's answer, or its refusal in words. Notes in sent.jsonl what leaves."""
    name = home.name
    try:
        rule_book.require_speakable(question)
        rules, plan = rule_book.read(home), parsed(question.plan)
        name = rules.name
        rule_book.require_allowed(home, rules, plan)
        desk = Desk(home, rules, plan, read(Path(rules.data), plan.classes))
        _require_same_base(desk)
        begun = time.monotonic()
        given = ANSWERS[question.what](desk, question)
        told = Answer(name, given.arrays, {**given.facts, "seconds": round(time.monotonic() - begun, 3)})
    except TidemillError as error:
        told = Answer(name, error=str(error))
    note(home, question, told)
    return told


def note(home: Path, question: Ask, told: Answer) -> None:
    """Add what leaves the silo to its operator's record."""
    entry = {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "run": question.run,
        "what": question.what,
        "round": question.round,
        "bytes": n_bytes(told.arrays),
        "arrays": {name: [str(array.dtype), *array.shape] for name, array in sorted(told.arrays.items())},
        "facts": told.facts,
        "refused": told.error,
    }
    with storage.disk_faults(home / SENT), (home / SENT).open("a", encoding="utf-8") as file:
        file.write(json.dumps(entry, sort_keys=True) + "\n")


def _require_same_base(desk: Desk) -> None:
    file = Path(desk.rules.base_model) / "model.safetensors"
    if not file.is_file():
        raise TidemillError(f"{file}: is missing; fetch the base model first: tidemill collect {desk.plan.recipe}")
    mark = desk.home / "base_model.json"
    stamp = [file.stat().st_size, file.stat().st_mtime_ns]
    known = storage.read_json(mark) if mark.is_file() else {}
    if known.get("stamp") != stamp:
        known = {"stamp": stamp, "sha256": storage.sha256_file(file)}
        storage.write_json(mark, known)
    if known["sha256"] != desk.plan.base_model:
        raise PromiseError(f"{file}: is another base model than the server's (sha256 {desk.plan.base_model[:12]}…)")


def _introduced(desk: Desk, question: Ask) -> Answer:
    """The public key by which others can share masks with this silo."""
    del question
    return Answer(desk.rules.name, {}, {"mask_key": masking.public(desk.home), "records": _n_records(desk)})


def _trained(desk: Desk, question: Ask) -> Answer:
    """One round: the update of the received arrays, encoded or masked, and how good they were before."""
    if not desk.plan.federate.secure_aggregation:
        return _plainly_trained(desk, question)
    masking.require_known(desk.home, desk.rules.name, question)
    # The same mask never hides two updates: a question that comes again gets the very answer that it got.
    file = desk.home / "masked" / question.run / f"{question.round}.safetensors"
    found, digest = array_file.load(file), masking.digest(question).hex()
    if found is None or found[1]["digest"] != digest:
        update, facts = _update(desk, question)
        masked = masking.hidden(desk.home, desk.rules.name, question, update, _n_records(desk))
        found = masked, {"digest": digest, "facts": facts}
        array_file.save(file, *found)
    return Answer(desk.rules.name, found[0], dict(found[1]["facts"]))


def _plainly_trained(desk: Desk, question: Ask) -> Answer:
    settings = desk.plan.federate
    update, facts = _update(desk, question)
    sent, now_lost = with_feedback(update, _lost(desk, question), settings.compression, settings.top_share)
    if settings.compression != "none":
        array_file.save(_lost_file(desk, question, question.round), now_lost)
    return Answer(desk.rules.name, sent, {"norm": round(float(np.linalg.norm(flat(update))), 6), **facts})


def _update(desk: Desk, question: Ask) -> tuple[Arrays, Facts]:
    """What training moved the received arrays by, and how good they were before."""
    settings, kind = desk.plan.federate, kinds.of(desk.plan.federate.partial)
    examples = kind.examples(desk)
    data = (desk.records.sha256, len(examples["train"]))
    noise = privacy.noise(desk.home, desk.rules, desk.plan, question, data)
    seed = (desk.plan.seed, question.round, _number(desk.rules.name))
    shared = received(question.arrays, settings.downlink)
    after = kind.trained(desk, shared, examples["train"], local(settings, seed, noise))
    update = {name: (values - shared[name]).astype(np.float32) for name, values in after.items()}
    right = kind.right(desk, shared, examples["validation"])
    return update, {**_validated(desk, right, len(examples["validation"])), **_described(desk)}


def _finished(desk: Desk, question: Ask) -> Answer:
    """How good the result is here, what the records are like, and what privacy all of it has spent."""
    kind, private = kinds.of(desk.plan.federate.partial), desk.plan.federate.privacy
    examples = kind.examples(desk)
    counts = {part: kind.right(desk, question.arrays, examples[part]) for part in ("validation", "test")}
    facts = _validated(desk, counts["validation"], len(examples["validation"]))
    facts |= {"test_rows": len(examples["test"]), "test_right": counts["test"], **_described(desk)}
    if desk.plan.federate.personal:
        own = personal.fitted(desk.home, question, examples, local(desk.plan.federate, _personal_seed(desk)))
        # The own head is fitted without noise: under privacy not even its count leaves.
        facts |= {} if private else own
    if private:
        spent = privacy.spent_by(desk.home, desk.records.sha256, question.run, private.delta)
        facts |= {"epsilon": round(spent, 4), "delta": private.delta}
    return Answer(desk.rules.name, _content(desk, question, examples["train"]), facts)


def _content(desk: Desk, question: Ask, train: Any) -> Arrays:
    """What the training records are like, in sums: with noise under privacy, and only if the plan pays for it."""
    private = desk.plan.federate.privacy
    if private and private.profile_epsilon is None:
        return {}
    sums = content.described(desk.records.parts["train"], getattr(train, "states", None), desk.plan.classes)
    if not private or not sums:
        return sums
    sigma, seed = privacy.profile_noise(desk.home, desk.records.sha256, question)
    return content.noisy(sums, sigma, np.random.default_rng(seed))


ANSWERS = {"introduce": _introduced, "train": _trained, "finish": _finished}


def _validated(desk: Desk, right: int, rows: int) -> Facts:
    return {"records": _n_records(desk), "validation_rows": rows, "validation_right": right}


def _n_records(desk: Desk) -> int:
    return len(desk.records.parts["train"])


def _described(desk: Desk) -> Facts:
    """The data's hash and the label counts; under privacy no count of labels leaves."""
    facts: Facts = {"data_sha256": desk.records.sha256}
    if desk.plan.federate.privacy is None:
        counts = desk.records.parts["train"]["label"].value_counts()
        facts |= {f"label.{name}": int(counts.get(name, 0)) for name in desk.plan.classes}
    checks = desk.home / "validation.json"
    return {**facts, **(storage.read_json(checks) if checks.is_file() else {})}


def _personal_seed(desk: Desk) -> tuple[int, ...]:
    return (desk.plan.seed, 0, _number(desk.rules.name))


def _number(name: str) -> int:
    """A number that follows from a silo's name: silos of one plan shuffle differently, each always alike."""
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:4], "little")


def _lost_file(desk: Desk, question: Ask, round_number: int) -> Path:
    return desk.home / "lost" / question.run / f"{round_number}.safetensors"


def _lost(desk: Desk, question: Ask) -> Arrays:
    """What compression kept back in the newest round before this one; older files are removed."""
    folder = desk.home / "lost" / question.run
    before = sorted(int(file.stem) for file in folder.glob("*.safetensors") if int(file.stem) < question.round)
    for number in before[:-1]:
        _lost_file(desk, question, number).unlink()
    found = array_file.load(_lost_file(desk, question, before[-1])) if before else None
    return found[0] if found else {}


def history(home: Path) -> list[Mapping[str, object]]:
    """All that ever left the silo, oldest first."""
    file = home / SENT
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()] if file.is_file() else []
