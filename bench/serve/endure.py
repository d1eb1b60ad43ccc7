"""Minutes of load on one Tidemill endpoint: at 80 % of its limit, at 200 %, and after that.

`python bench/serve/endure.py VERSION_FOLDER TEXTS.parquet [--minutes 30]`: the limit is what 64 clients get in ten
seconds; memory is the server's resident memory, once a second.
"""

import argparse
import os
import statistics
import sys
import tempfile
import threading
from pathlib import Path

import pandas as pd
import psutil
from compare import free_port, running
from load import Result, Target, loaded

LIMIT_S, RECOVERY_S = 10, 10
CLIENTS, CROWD = 64, 1024


class Memory(threading.Thread):
    """The largest and smallest resident memory of a process, in MB, by quarter of the time it was watched."""

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self.process, self.seen, self.over = psutil.Process(pid), [], threading.Event()

    def run(self) -> None:
        """Look once a second."""
        while not self.over.wait(1.0):
            self.seen.append(self.process.memory_info().rss / 1e6)

    def told(self) -> str:
        """Median of each quarter, and the largest."""
        size = max(1, len(self.seen) // 4)
        quarters = [statistics.median(self.seen[n * size : (n + 1) * size] or self.seen[-1:]) for n in range(4)]
        return f"{' > '.join(f'{value:.0f}' for value in quarters)} MB by quarter, at most {max(self.seen):.0f}"


def line(name: str, result: Result, memory: Memory) -> str:
    """One row of the report."""
    return (
        f"| {name} | {result.rate:.0f} | {dict(sorted(result.statuses.items()))}, {result.broken} broken | "
        f"{result.percentile(0.5):.1f} | {result.percentile(0.99):.1f} | {memory.told()} |"
    )


def watched(pid: int, name: str, *words: object) -> Result:
    """The result of a load, printed with the memory that the server took meanwhile."""
    memory = Memory(pid)
    memory.start()
    result = loaded(*words)
    memory.over.set()
    memory.join()
    print(line(name, result, memory), flush=True)
    return result


def main() -> None:
    """Print the table."""
    words = argparse.ArgumentParser()
    words.add_argument("version", type=Path)
    words.add_argument("texts", type=Path)
    words.add_argument("--minutes", type=float, default=30.0)
    said = words.parse_args()
    texts = pd.read_parquet(said.texts)["text"].sample(1000, random_state=1).tolist()
    target = Target(free_port(), "/v1/predict", lambda text: {"text": text})
    command = [sys.executable, "-m", "tasks.serve", str(said.version), "recipes/feedback.yaml", str(target.port)]
    seconds = said.minutes * 60
    with tempfile.TemporaryDirectory(), running("tidemill", command, target, said.version) as pid:
        print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f} at the start, {said.minutes:g} minutes")
        print("| load | answered/s | statuses | p50 ms | p99 ms of answered | memory |\n|---|---:|---|---:|---:|---|")
        limit = watched(pid, "limit (64 clients)", target, texts, CLIENTS, LIMIT_S).rate
        watched(pid, f"80 % ({0.8 * limit:.0f}/s)", target, texts, CLIENTS, seconds * 0.8, 0.8 * limit)
        watched(pid, f"200 % ({2 * limit:.0f}/s)", target, texts, CROWD, seconds * 0.2, 2 * limit)
        watched(pid, f"after: 80 % ({0.8 * limit:.0f}/s)", target, texts, CLIENTS, RECOVERY_S, 0.8 * limit)


if __name__ == "__main__":
    main()
