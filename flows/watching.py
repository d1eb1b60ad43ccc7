"""The watch over a champion's traffic: one verdict a run, told to whoever listens."""

from prefect import flow
from prefect.events import emit_event
from prefect.runtime import flow_run

from flows import dead_runs, loop_chain, outcome, run_lock, steps
from flows.lifecycle import run_stage
from flows.steps import Result

DRIFT, QUIET = "tidemill.watch.drift", "tidemill.watch.quiet"
"""The events, whose resource is `tidemill.recipe.NAME` and whose payload is the verdict."""

ALERT = "tidemill.watch.alert"
"""The event of each alert that the recipe's thresholds raised; its payload is what was counted."""


@flow(name="watch", flow_run_name="watch {recipe}")
def watch(recipe: str) -> list[Result]:
    """How the step ended: the traffic since the last verdict was judged, and an event tells what came out.

    Raises TidemillError, BusyError like `lifecycle`.
    """
    turn = steps.opened(recipe)
    with run_lock.held(turn.paths.home, recipe, str(flow_run.id), dead_runs.close):
        before = outcome.of_watch(turn.paths)
        watched = run_stage(turn, steps.watch(turn))
        said = outcome.of_watch(turn.paths)
        if said is not None and said != before:
            emit_event(
                event=DRIFT if said["alarm"] else QUIET,
                resource=loop_chain.resource(recipe),
                payload=said,
            )
            for alert in said["alerts"]:
                window = {key: said[key] for key in ("version", "since", "until")}
                emit_event(event=ALERT, resource=loop_chain.resource(recipe), payload={**window, **alert})
    return [watched]
