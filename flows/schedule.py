"""Schedules: Prefect deployments of the lifecycle and the watch at their hours, and of the loop on its events."""

import asyncio
import contextlib
import zoneinfo
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from flows.server_commands import WORK_POOL
from tasks.errors import RecipeError, TidemillError
from tasks.paths import Paths

if TYPE_CHECKING:
    from prefect import Flow
    from prefect.client.schemas.responses import DeploymentResponse

    from flows.steps import Turn

What = Literal["lifecycle", "watch", "loop"]
FLOWS: tuple[What, ...] = ("lifecycle", "watch", "loop")
FIELDS = 5
"""Prefect would also take a sixth field, of seconds, which no crontab knows."""
EXAMPLE = '"0 3 * * *" means every night at three'


def require_valid(cron: str, timezone: str) -> None:
    """Raises RecipeError when Prefect would not take the schedule: five fields, and a zone that is known."""
    from prefect.client.schemas.schedules import CronSchedule
    from pydantic import ValidationError

    if timezone not in zoneinfo.available_timezones():
        raise RecipeError(f"--timezone {timezone!r}: is no known time zone; write one such as Europe/Paris, or UTC")
    try:
        CronSchedule(cron=cron, timezone=timezone)
        wrong = len(cron.split()) != FIELDS
    except ValidationError:
        wrong = True
    if wrong:
        raise RecipeError(f"--cron {cron!r}: is no cron line of minute, hour, day, month and weekday; {EXAMPLE}")


def chosen(*, watch: bool, loop: bool, cron: str | None) -> What:
    """Which flow the options mean. Raises RecipeError for options that do not go together."""
    if loop and (watch or cron is not None):
        raise RecipeError("--loop: runs on alarms and answers, not at hours; give it without --cron and --watch")
    return "loop" if loop else "watch" if watch else "lifecycle"


@contextlib.contextmanager
def reaching(urls: Mapping[str, str]) -> Iterator[None]:
    """Inside, Prefect talks to that server (it was imported before the server was known)."""
    from prefect.settings import PREFECT_API_URL, temporary_settings

    with temporary_settings({PREFECT_API_URL: f"{urls['prefect']}/api"}):
        yield


@dataclass(frozen=True)
class When:
    """A cron line, and the zone in which its hours are meant."""

    cron: str
    timezone: str


def put(paths: Paths, when: When, what: What = "lifecycle") -> None:
    """Schedule a flow of the recipe, in the place of the schedule that it had. At most one scheduled run at a time."""
    asyncio.run(_put(paths, when, what))


async def _put(paths: Paths, when: When, what: What) -> None:
    from prefect.schedules import Cron

    from flows.lifecycle import lifecycle
    from flows.watching import watch

    flow = watch if what == "watch" else lifecycle
    schedule = Cron(when.cron, timezone=when.timezone)
    # A run that is due while the last one still goes is not made up for: the next one sees the same data.
    await _deploy(
        flow, paths, "CANCEL_NEW", description=f"The {what} of {paths.recipe}, scheduled by tidemill", schedule=schedule
    )


async def _deploy(flow: "Flow[..., Any]", paths: Paths, second: str, **own: Any) -> None:
    """Let the pool's workers run the recipe's flow in the project's folder, one at a time.

    `second`: what becomes of another run that is due meanwhile, by Prefect's name.
    """
    from prefect.client.schemas.objects import ConcurrencyLimitConfig, ConcurrencyLimitStrategy
    from prefect.deployments.runner import EntrypointType  # type: ignore[attr-defined]

    await _make_pool()
    deployment = await flow.ato_deployment(
        name=paths.recipe,
        concurrency_limit=ConcurrencyLimitConfig(limit=1, collision_strategy=ConcurrencyLimitStrategy[second]),
        parameters={"recipe": paths.recipe},
        work_pool_name=WORK_POOL,
        job_variables={"working_dir": str(paths.root)},
        entrypoint_type=EntrypointType.MODULE_PATH,
        **own,
    )
    await deployment.aapply()


def put_loop(turn: "Turn") -> None:
    """Let the recipe's loop run on each alarm of its watch and whenever enough answers are in.

    Raises TidemillError for a recipe whose loop could not be honest.
    """
    from flows import label_receiver
    from tasks.label.gather import require_possible

    require_possible(turn.recipe)
    asyncio.run(_put_loop(turn.paths))
    if turn.recipe.loop.ask == "studio":
        label_receiver.mark(turn.paths.home, turn.recipe.name)


async def _put_loop(paths: Paths) -> None:
    from prefect.events import DeploymentEventTrigger

    from flows.labelling import ANSWERED
    from flows.loop_chain import resource
    from flows.looping import loop
    from flows.watching import DRIFT

    trigger = DeploymentEventTrigger(
        name=f"tidemill loop {paths.recipe}",
        description=f"Alarms about {paths.recipe}, and answers of people, start its loop",
        expect={DRIFT, ANSWERED},
        match={"prefect.resource.id": resource(paths.recipe)["prefect.resource.id"]},
        parameters={"recipe": paths.recipe},
    )
    # Two events may come close together; the second run finds what the first has left to do, or nothing.
    description = f"The loop of {paths.recipe}, started by alarms and answers"
    await _deploy(loop, paths, "ENQUEUE", description=description, triggers=[trigger])


async def _make_pool() -> None:
    """The process work pool, made unless it is there."""
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.actions import WorkPoolCreate
    from prefect.exceptions import ObjectAlreadyExists
    from prefect.workers.process import ProcessWorker

    template = ProcessWorker.get_default_base_job_template()
    pool = WorkPoolCreate(name=WORK_POOL, type="process", base_job_template=template)
    async with get_client() as client:
        try:
            await client.create_work_pool(pool)
        except ObjectAlreadyExists:
            return


def remove(paths: Paths, what: What = "lifecycle") -> None:
    """Take a flow of the recipe off its schedule or its events. Raises TidemillError when it is on none."""
    asyncio.run(_remove(paths.recipe, what))
    if what == "loop":
        from flows import label_receiver

        label_receiver.unmark(paths.home, paths.recipe)


async def _remove(recipe: str, what: What) -> None:
    from prefect.client.orchestration import get_client

    found = [deployment for deployment in await _deployments((what,)) if deployment.name == recipe]
    if not found:
        raise TidemillError(f"{recipe}: is on no schedule; `tidemill schedule` lists those that are")
    async with get_client() as client:
        for deployment in found:
            # The automation is the deployment's own, and outlives it unless it is deleted first.
            await client.delete_resource_owned_automations(f"prefect.deployment.{deployment.id}")
            await client.delete_deployment(deployment.id)


def listed(recipe: str | None = None) -> list[dict[str, Any]]:
    """Each schedule (of one recipe, or all): recipe, what runs, cron, timezone, active."""
    found = [(what, one) for what in FLOWS for one in asyncio.run(_deployments((what,)))]
    return [row for what, one in found if recipe in (None, one.name) for row in _rows(what, one)]


async def _deployments(flows: Sequence[What]) -> "list[DeploymentResponse]":
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.filters import FlowFilter, FlowFilterName, WorkPoolFilter, WorkPoolFilterName

    async with get_client() as client:
        return await client.read_deployments(
            flow_filter=FlowFilter(name=FlowFilterName(any_=list(flows))),
            work_pool_filter=WorkPoolFilter(name=WorkPoolFilterName(any_=[WORK_POOL])),
        )


def _rows(what: What, deployment: "DeploymentResponse") -> list[dict[str, Any]]:
    from prefect.client.schemas.schedules import CronSchedule

    if what == "loop":
        on_events = {"cron": None, "timezone": None, "active": not deployment.paused}
        return [{"recipe": deployment.name, "runs": what, **on_events}]
    return [
        {
            "recipe": deployment.name,
            "runs": what,
            "cron": found.schedule.cron,
            "timezone": found.schedule.timezone or "UTC",
            "active": found.active and not deployment.paused,
        }
        for found in deployment.schedules
        if isinstance(found.schedule, CronSchedule)
    ]


def as_text(rows: Sequence[Mapping[str, Any]]) -> str:
    """One line for each schedule."""
    if not rows:
        return 'nothing is scheduled; to do so: tidemill schedule RECIPE --cron "0 3 * * *"'
    return "\n".join(f"{row['recipe']}{_what(row)}{'' if row['active'] else ', paused'}" for row in rows)


def _what(row: Mapping[str, Any]) -> str:
    if row["runs"] == "loop":
        return " (loop): on each alarm, and when people have answered"
    return f"{' (watch)' if row['runs'] == 'watch' else ''}: {row['cron']} ({row['timezone']})"
