"""One step of one recipe: `python -m tasks STEP RECIPE [KEY=VALUE …]`. This is what the stages of dvc.yaml call.

The keys are recipe values for this once, by dotted path; a stage takes none, for DVC would not know of them.
"""

import importlib
import os
import sys

from tasks.errors import TidemillError
from tasks.fingerprint.sections import view
from tasks.paths import STAGES, Paths, project_root
from tasks.quiet import QUIET
from tasks.recipe import load, with_values

BESIDE = {
    "fingerprint": "tasks.fingerprint.run",
    "collect": "tasks.collect.run",
    "federate": "tasks.federate.run",
    "measure": "tasks.compress.measure",
    "release": "tasks.release.run",
    "watch": "tasks.watch.run",
    "label": "tasks.label.run",
    "pull": "tasks.label.pull",
    "review": "tasks.label.review",
    "gather": "tasks.label.gather",
    "ask": "tasks.label.ask",
    "take": "tasks.label.by_file",
    "answered": "tasks.label.answered",
    "errors": "tasks.label.errors",
    "status": "tasks.label.status",
}
"""Steps that are no DVC stage, or no stage with outputs of its own, and their modules."""


def main(arguments: list[str]) -> int:
    """The exit code: 0 when the step is done, 1 with one line on a fault that the user can mend, 2 for wrong words."""
    steps = [*BESIDE, *STAGES]
    step, name, *words = [*arguments, "", ""][: max(2, len(arguments))]
    values = dict(word.partition("=")[::2] for word in words)
    if not name or step not in steps or (words and step in STAGES) or not all("=" in word for word in words):
        print(f"usage: python -m tasks STEP RECIPE, where STEP is one of: {', '.join(steps)}", file=sys.stderr)
        return 2
    os.environ.update({key: os.environ.get(key, value) for key, value in QUIET.items()})
    # Threads that wait by spinning made a training beside another one ten times slower; the sums stay the same.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    try:
        root = project_root()
        recipe = with_values(load(root / "recipes" / f"{name}.yaml"), values)
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
