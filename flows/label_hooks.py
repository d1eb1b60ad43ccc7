"""Lets our own Label Studio tell the label receiver of every answer."""

from flows import label_receiver, servers, settings, studio_access
from flows.steps import Turn
from tasks.errors import ServerError


def watch(turn: Turn, url: str) -> str:
    """What was arranged, in a sentence. Raises ServerError: a Label Studio elsewhere, or no project yet."""
    from tasks.label.push import mark
    from tasks.label.studio import projects
    from tasks.label.studio.connection import connected

    home, recipe = turn.paths.home, turn.recipe.name
    if "studio" in servers.external(home):
        raise ServerError(
            f"{url}: cannot reach the label receiver, which is on loopback; schedule `tidemill labels pull {recipe}`"
        )
    label_receiver.watch(home, recipe)
    receiver = servers.receiver_up(home)
    settings.apply({**settings.project(home), **settings.studio(home, url)})
    secret = {label_receiver.SECRET_HEADER: studio_access.hook_secret(home)}
    with connected() as studio:
        projects.required(studio, mark(recipe), recipe)
        for what in ("label", "review"):
            project = projects.found(studio, mark(recipe, what))
            if project is not None:
                projects.ensure_webhook(studio, project, f"{receiver}/{recipe}", secret)
    return f"answers of {recipe} are pulled by themselves; see {home / 'logs' / 'receiver.log'}"
