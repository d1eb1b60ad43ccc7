"""One step of one recipe: `python -m tasks STEP RECIPE`. This is what the stages of dvc.yaml call."""

import importlib
import os
import sys

from tasks.errors import TidemillError
from tasks.fingerprint.sections import view
from tasks.paths import STAGES, Paths, project_root
from tasks.recipe import load

BESIDE = {
    "fingerprint": "tasks.fingerprint.run",
    "collect": "tasks.collect.run",
    "federate": "tasks.federate.run",
    "measure": "tasks.compress.measure",
    "release": "tasks.release.run",
}
"""Steps that are no DVC stage, or no stage with outputs of its own, and their modules."""

QUIET = {
    "DO_NOT_TRACK": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "GX_ANALYTICS_ENABLED": "false",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "DVC_NO_ANALYTICS": "1",
    "TOKENIZERS_PARALLELISM": "false",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
}
"""No dependency reports home."""


def main(arguments: list[str]) -> int:
    """The exit code: 0 when the step is done, 1 with one line on a fault that the user can mend, 2 for wrong words."""
    steps = [*BESIDE, *STAGES]
    if len(arguments) != len(("STEP", "RECIPE")) or arguments[0] not in steps:
        print(f"usage: python -m tasks STEP RECIPE, where STEP is one of: {', '.join(steps)}", file=sys.stderr)
        return 2
    step, name = arguments
    os.environ.update({key: os.environ.get(key, value) for key, value in QUIET.items()})
    try:
        root = project_root()
        recipe = load(root / "recipes" / f"{name}.yaml")
        run = importlib.import_module(BESIDE.get(step) or f"tasks.{step}.run").run
        run(view(recipe, step) if step in STAGES else recipe, Paths(root, recipe.name))
    except TidemillError as error:
        if os.environ.get("TIDEMILL_DEBUG"):
            raise
        print(f"error: {error}", file=sys.stderr, flush=True)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
