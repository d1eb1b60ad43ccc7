"""Forget: a plan carried out, in an order in which a kill at any point leaves a plan that can be taken up again."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tasks import tombstones, tracking
from tasks.errors import TidemillError
from tasks.forget import certificate, journal
from tasks.forget.erase import erase, remove_checkpoints, track
from tasks.forget.exposure import tags
from tasks.forget.journal import Plan
from tasks.forget.plan import Reach
from tasks.forget.seals import reseal
from tasks.forget.search import Finding, search
from tasks.forget.target import Target
from tasks.recipe import load


def begin(plan: Plan, target: Target, reach: Reach) -> list[str]:
    """Write down what will be done, let nothing of it come back, and clean the servers of the user's own.

    What could not be cleaned comes back. Raises ServerError when one of them goes away; the same command goes on then.
    """
    journal.write(reach.ground.home, plan)
    tombstones.add(reach.ground.root, plan.marks)
    faults = []
    for one in reach.outside:
        faults += one.erase([finding for finding in plan.findings if finding.place == one.place], target)
    return faults


def clean_files(plan: Plan, target: Target, reach: Reach) -> tuple[list[Finding], list[str]]:
    """Clean this project's files and DVC's stores; what a second search still finds, and what could not be done.

    Servers of our own must be down: their databases are rewritten. Tables go last (see `journal`).
    """
    ground = reach.ground
    outside = {one.place for one in reach.outside}
    inside = [finding for finding in plan.findings if finding.place not in outside]
    faults = list(plan.unreachable)
    remove_checkpoints(ground.home, plan.recipes)
    faults += erase(ground, sorted(inside, key=lambda finding: finding.tells), target)
    for recipe in plan.recipes:
        faults += track(ground.root, recipe, _remote(ground.root, recipe))
    return list(search(ground, target).findings), faults


def finish(plan: Plan, reach: Reach, left: Sequence[Finding], faults: Sequence[str]) -> dict[str, Any]:
    """The certificate, written and entered in the ledger, after the versions were marked. The journal goes last."""
    home = reach.ground.home
    reseal(sorted({plan.recipe, *plan.recipes, *(one.recipe for one in plan.exposures)}), plan.findings)
    for exposure in plan.exposures:
        tracking.tag_version(exposure.recipe, exposure.version, tags(exposure, plan.certificate))
    content = certificate.certificate(plan, reach.ground, left, faults)
    if plan.findings:
        certificate.enter(home, plan, certificate.write(home, content))
    journal.remove(home)
    return content


def _remote(root: Path, recipe: str) -> str:
    """The DVC remote of a recipe; the usual one when its file is gone."""
    try:
        return load(root / "recipes" / f"{recipe}.yaml").remote
    except TidemillError:
        return "local"
