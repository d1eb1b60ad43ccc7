"""Without a shift: how often does the loop ask somebody, or train something, over fifty daily windows?

    python bench/loop.py --windows 50 [--seed 17]

makes the project of `tidemill demo tide`, releases the model of product reviews, and lets other product reviews arrive,
300 a day, drawn anew for each day. After each day the watch judges and the loop's first step runs, in this process; at
the end `tidemill loop` runs as a user runs it. Prints what the ledger says.
"""

import argparse
import os
import tempfile
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import small  # noqa: F401 (puts tests/ on the path)

from tide_project import answers_of  # isort: skip

from flows import servers
from flows.demo import project, world
from flows.demo.project import NAME, Project
from tasks import ledger, storage
from tasks.label import gather
from tasks.markdown import table
from tasks.paths import Paths, project_root
from tasks.recipe import load
from tasks.watch import run as watch
from tasks.watch.window import STAMP

ROWS = 300


def log(place: Project, rows: pd.DataFrame, begins: datetime) -> None:
    """Add a day's answers to the traffic log."""
    times = pd.Timestamp(begins) + pd.to_timedelta((np.arange(len(rows)) + 1) / len(rows) * 86_399, unit="s")
    file = f"{(begins + timedelta(days=1)).strftime(STAMP)}-bench.parquet"
    dated = rows.assign(at=pd.Series(times, dtype="datetime64[us, UTC]"))
    storage.write_table(place.home / "traffic" / NAME / file, dated)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--windows", type=int, default=50)
    parser.add_argument("--seed", type=int, default=17, help="deals the texts, and draws the days")
    said = parser.parse_args()
    source = project_root()
    texts = world.world(source, said.seed)
    with tempfile.TemporaryDirectory(prefix="tidemill-loop-") as folder:
        place = project.made(source, Path(folder) / "project", texts, studio=False)
        try:
            place.run("run", NAME)
            print(table(["what", "times"], days(place, texts, said.windows)))
            print(place.run("loop", NAME).strip().splitlines()[-1])
        finally:
            place.run("down")


def days(place: Project, texts: world.World, windows: int) -> list[tuple[str, str]]:
    """What happened over so many days without a shift."""
    os.environ.update({key: place.environment[key] for key in ("TIDEMILL_HOME", "PREFECT_HOME")})
    os.environ["MLFLOW_TRACKING_URI"] = servers.up(place.home, ["mlflow"])["mlflow"]
    os.chdir(place.root)
    recipe, paths = load(place.root / "recipes" / f"{NAME}.yaml"), Paths(place.root, NAME)
    arrived = pd.concat([day[day["domain"] == world.HOME] for day in texts.days], ignore_index=True)
    known = answers_of(place.data / "compress", arrived["text"].tolist(), 1)
    first = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=windows)
    rng = np.random.default_rng(texts.seed)
    before = Counter(entry.kind for entry in ledger.entries(place.home, NAME))
    for day in range(windows):
        drawn = known.iloc[rng.permutation(len(known))[:ROWS]].reset_index(drop=True)
        log(place, drawn, first + timedelta(days=day))
        watch.run(recipe, paths)
        gather.run(recipe, paths)
    found = Counter(entry.kind for entry in ledger.entries(place.home, NAME)) - before
    told = [("verdicts of the watch", len(watch.verdicts(paths))), ("alarms", found["drift"])]
    told += [("questions to people", found["question"]), ("shards of traffic landed", len(landed(paths)))]
    told += [("trainings (verdicts on a version)", found["verdict"])]
    return [(name, f"{count:,}") for name, count in told]


def landed(paths: Paths) -> list[Path]:
    """The shards that came after the first."""
    return sorted(paths.raw.glob("*.parquet"))[1:]


if __name__ == "__main__":
    main()
