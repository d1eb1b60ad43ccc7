"""What a run has come to, for the terminal and for programs."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from flows.steps import Result
from tasks import storage
from tasks.paths import Paths


def of_release(paths: Paths) -> dict[str, Any] | None:
    """What the last release came to: version, alias, verdict, its checks, and url (None without MLflow's pages)."""
    file = paths.release / "outcome.json"
    return dict(storage.read_json(file)) if file.is_file() else None


def of_watch(paths: Paths) -> dict[str, Any] | None:
    """The last verdict on the recipe's traffic, or None before the first."""
    file = paths.watch / "outcome.json"
    return dict(storage.read_json(file)) if file.is_file() else None


def of_run(paths: Paths, results: Sequence[Result], urls: Mapping[str, str]) -> dict[str, Any]:
    """The stages, the release (None if there is none), the report's path and the pages to look at."""
    report = paths.stage("evaluate") / "report.html"
    return {
        "recipe": paths.recipe,
        "stages": [asdict(result) for result in results],
        "release": of_release(paths),
        "report": str(report) if report.is_file() else None,
        "urls": dict(urls),
    }


def new_checks(told: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The checks of the verdict that this run came to; none when the release was settled before."""
    ran = any(stage["stage"] == "release" and stage["state"] != "Cached" for stage in told["stages"])
    return list(told["release"].get("checks", [])) if ran and told["release"] else []


def as_text(told: Mapping[str, Any]) -> str:
    """The same in a few lines for a person."""
    states = [stage["state"] for stage in told["stages"]]
    counts = ", ".join(f"{states.count(state)} {state.lower()}" for state in dict.fromkeys(states))
    seconds = sum(stage["seconds"] for stage in told["stages"])
    lines = [f"{told['recipe']}: {counts}; the stages took {seconds:.1f} s"]
    if release := told["release"]:
        lines.append(f"release  version {release['version']} is {release['alias']}: {release['verdict']}")
        lines += [f"         {release['url']}"] if release["url"] else []
    if told["report"]:
        lines.append(f"report   {told['report']}")
    lines += [f"{name:<8} {url}" for name, url in told["urls"].items()]
    return "\n".join(lines)
