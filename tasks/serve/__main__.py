"""Serve one model folder: `python -m tasks.serve FOLDER RECIPE_FILE [PORT]`. Parity starts the endpoint so."""

import sys
from pathlib import Path

from tasks.errors import TidemillError
from tasks.recipe import load
from tasks.serve.run import LOOPBACK, serve_folder


def main(arguments: list[str]) -> int:
    """The exit code: 0 after SIGTERM, 1 with one line on a fault that the user can mend, 2 for wrong words."""
    folder, file, port, *more = [*arguments, "0", "0", "0"][: max(3, len(arguments))]
    if len(arguments) not in (2, 3) or more or not port.isdigit():
        print("usage: python -m tasks.serve FOLDER RECIPE_FILE [PORT]", file=sys.stderr)
        return 2
    try:
        serve_folder(load(Path(file)), Path(folder), LOOPBACK, int(port))
    except TidemillError as error:
        print(f"error: {error}", file=sys.stderr, flush=True)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
