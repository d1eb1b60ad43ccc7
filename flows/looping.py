"""The loop of one recipe: from a drift alarm to people, and from their answers to a new champion or a reason to stop."""

from prefect import flow, tags
from prefect.runtime import flow_run

from flows import dead_runs, loop_chain, run_lock, steps, studio_reach
from flows.labelling import derived
from flows.lifecycle import lifecycle, run_stage
from flows.steps import Result, Turn
from flows.watching import watch
from tasks import ledger, tides
from tasks.tides import Standing


@flow(name="loop", flow_run_name="loop {recipe}")
def loop(recipe: str) -> list[Result]:
    """How each step ended, until the loop waits for people, is over, or has nothing to do. It never waits itself.

    Each step is a sub-flow of its own, and an entry of the ledger that names the one before. Raises BusyError when
    somebody else runs the recipe or its loop, TidemillError like `lifecycle`.
    """
    turn = steps.opened(recipe)
    with run_lock.held(turn.paths.home, run_lock.loop_of(recipe), str(flow_run.id), dead_runs.close):
        now, done = standing(turn), list[Result]()
        while True:
            with tags(loop_chain.tag(recipe, now)):
                done += _step(turn, now)
            loop_chain.show(turn.paths)
            before, now = now, standing(turn)
            if now == before or now.next == "watch":
                return done


def standing(turn: Turn) -> Standing:
    """Where the loop stands by the ledger; a tide whose champion serves no more is ended first."""
    home, recipe = turn.paths.home, turn.recipe.name
    history = ledger.entries(home, recipe)
    now = tides.standing(history)
    if now.drift is not None and now.drift.version != tides.champion(history):
        tides.stop(home, recipe, now, f"{recipe}@{now.drift.version} serves no more: another version took its place")
        return tides.standing(ledger.entries(home, recipe))
    return now


def _step(turn: Turn, now: Standing) -> list[Result]:
    """What the loop does where it stands."""
    recipe = turn.recipe.name
    if now.next == "watch":
        return watch(recipe)
    if now.next == "ask":
        return ask(recipe)
    if now.next == "wait":
        return take(recipe)
    done = lifecycle(recipe)
    _require_verdict(turn, now)
    return done


def _require_verdict(turn: Turn, now: Standing) -> None:
    """End the tide when the lifecycle came to no verdict: the answers changed nothing that a model learns from."""
    if standing(turn) == now:
        reason = "nothing gets better: with the new answers the same version came out as before"
        tides.stop(turn.paths.home, turn.recipe.name, now, reason)


@flow(name="ask", flow_run_name="ask about {recipe}")
def ask(recipe: str) -> list[Result]:
    """How each step ended: records of the drifted traffic landed, were prepared, and came to people."""
    turn = steps.opened(recipe)
    with run_lock.held(turn.paths.home, recipe, str(flow_run.id), dead_runs.close):
        gathered = run_stage(turn, steps.label(turn, "gather"))
        if tides.standing(ledger.entries(turn.paths.home, recipe)).next != "ask":
            return [gathered]
        prepared = derived(turn, ("prepare",))
        if turn.recipe.loop.ask == "studio":
            studio_reach.reach(turn)
        asked = run_stage(turn, steps.label(turn, "ask"))
        if turn.recipe.loop.ask == "studio":
            studio_reach.keep_pulling(turn)
        return [gathered, *prepared, asked]


@flow(name="take", flow_run_name="take answers about {recipe}")
def take(recipe: str) -> list[Result]:
    """How each step ended: the question is complete, what people answered has landed and was counted."""
    turn = steps.opened(recipe)
    studio = turn.recipe.loop.ask == "studio"
    if studio:
        studio_reach.reach(turn)
    with run_lock.held(turn.paths.home, recipe, str(flow_run.id), dead_runs.close):
        # A question that was cut off on its way to people is completed first.
        taken = [run_stage(turn, steps.label(turn, name)) for name in ("ask", "pull" if studio else "take")]
        agreed = derived(turn, ("annotate",))
        reviewed = [run_stage(turn, steps.label(turn, "review"))] if studio else []
        return [*taken, *agreed, *reviewed, run_stage(turn, steps.label(turn, "answered"))]
