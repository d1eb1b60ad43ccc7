"""Label Studio within reach of a flow, whether a person or a worker has started it."""

import os

from flows import label_hooks, label_receiver, servers, settings
from flows.steps import Turn


def reach(turn: Turn) -> None:
    """Make the environment of this process that of Label Studio, which is started if it does not run."""
    home = turn.paths.home
    settings.apply({**settings.project(home), **settings.studio(home, servers.studio_up(home))})


def keep_pulling(turn: Turn) -> None:
    """Let Label Studio tell of every answer, where the recipe's loop was told to go on by itself."""
    if turn.recipe.name in label_receiver.watched(turn.paths.home):
        label_hooks.watch(turn, os.environ[settings.STUDIO_URL])
