"""Drift verdicts beside Evidently's defaults: false alarms, power, estimated accuracy, time and memory.

    python bench/drift.py PART [--data data/feedback] [--mails data/inbox] [--windows 500]

PART is one of: null, power, time, accuracy, speed, stream. The data folders are those of finished runs.
"""

import argparse
import functools
import itertools
import json
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import drift_data
import evidently_defaults
import numpy as np
import pandas as pd
from drift_data import COLUMNS, NAMES, NUMBERS, Answered
from scipy.stats import binomtest

from tasks.markdown import table
from tasks.watch import accuracy, counts, energy, tables
from tasks.watch.alarm import level
from tasks.watch.verdict import Rule, Verdict, decided, verdict

REFERENCE_ROWS = 2_000
SIZES = (200, 2_000, 200_000)
STATED = 0.05
DAILY = Rule(level(0.25, 1), 0.05, 17)
"""What a recipe has by default: a window a day, one false alarm in four months."""

HOME, SHARES = ("products", "films"), (0.05, 0.10, 0.20, 0.50)
LONGEST = 2_000
"""Characters of a mail."""


def drawn(found: Answered, rows: int, rng: np.random.Generator) -> Answered:
    """Rows drawn with replacement: the texts at hand are taken for the world."""
    return found.where(rng.integers(0, len(found.table), rows))


def ours(reference: Answered, window: Answered, rule: Rule, seed: int) -> Verdict:
    """Our verdict on COLUMNS and embeddings."""
    rng = np.random.default_rng(seed)
    both = [tables.of_table(each.table[COLUMNS]) for each in (reference, window)]
    vectors = [each.vectors(energy.MOST_ROWS, rng) for each in (reference, window)]
    return decided(counts.compared(*both, COLUMNS, rng), (vectors[0], vectors[1]), rule, rng)


def theirs(reference: Answered, window: Answered) -> dict[str, bool]:
    """Evidently's verdicts by its defaults: any column, half of the columns, and the embeddings by its model method."""
    drifts = evidently_defaults.drifted(reference.table, window.table, NUMBERS, NAMES)
    few = np.random.default_rng(0)
    vectors = [each.vectors(energy.MOST_ROWS, few) for each in (reference, window)]
    return {
        "any column": any(drifts.values()),
        "half of the columns": sum(drifts.values()) >= len(drifts) / 2,
        "embedding, model": evidently_defaults.embedding_drifted(vectors[0], vectors[1], "model"),
    }


def decisions(
    world: Answered, shifted: Callable[[int, np.random.Generator], Answered], rows: int, windows: int
) -> pd.DataFrame:
    """Everybody's alarms, a row a window; each has a reference of its own."""
    found = []
    for seed in range(windows):
        rng = np.random.default_rng([seed, rows])
        reference, window = drawn(world, REFERENCE_ROWS, rng), shifted(rows, rng)
        said = ours(reference, window, replace(DAILY, level=STATED, smallest_effect=0.0), seed)
        strict = min(each.adjusted for each in said.judged)
        counted = any(each.adjusted <= DAILY.level and each.effect >= DAILY.smallest_effect for each in said.judged)
        row = {f"ours at {STATED:.0%}": strict <= STATED, "ours as the recipe says": counted}
        found.append({**row, **{f"Evidently, {name}": alarm for name, alarm in theirs(reference, window).items()}})
    return pd.DataFrame(found)


def rate(alarms: pd.Series) -> str:
    """The share of alarms with its exact binomial interval (Clopper and Pearson)."""
    interval = binomtest(int(alarms.sum()), len(alarms)).proportion_ci(0.95)
    return f"{alarms.mean():.1%} [{interval.low:.1%}, {interval.high:.1%}]"


def null(arguments: argparse.Namespace) -> None:
    """False alarms on windows from the same world as their references."""
    taught, met = drift_data.halves(drift_data.texts(arguments.data), 1)
    world = drift_data.answered(drift_data.champion(taught, taught["domain"].unique()), met)
    rows = []
    for size in arguments.sizes:
        started = time.process_time()
        found = decisions(world, lambda n, rng: drawn(world, n, rng), size, arguments.windows)
        rows += [(f"{size:,}", name, rate(found[name])) for name in found]
        print(f"n = {size:,}: {time.process_time() - started:.0f} CPU s", file=sys.stderr, flush=True)
    print(table(["rows of a window", "who", f"alarms in {arguments.windows} windows without a shift"], rows))


def power(arguments: argparse.Namespace) -> None:
    """Alarms on windows with a planted or real shift, and how many daily windows pass until the first."""
    taught, met = drift_data.halves(drift_data.texts(arguments.data), 1)
    model = drift_data.champion(taught, HOME)
    domains = met["domain"].to_numpy()
    at_home = met[np.isin(domains, HOME)]
    wrong = at_home.assign(text=drift_data.with_typos(at_home["text"].tolist(), 0.03, np.random.default_rng(3)))
    home, away, misspelt = (drift_data.answered(model, part) for part in (at_home, met[domains == "editorials"], wrong))
    rows = []
    for name, shifted in shifts(home, away, misspelt):
        for size in arguments.sizes:
            found = decisions(home, shifted, size, arguments.windows)
            shares = [float(found[column].mean()) for column in found.columns[1:]]
            delay = f"{1 / shares[0]:.1f}" if shares[0] else "none seen"
            rows.append((name, f"{size:,}", *(f"{share:.0%}" for share in shares), delay))
            print(*rows[-1], sep=" | ", file=sys.stderr, flush=True)
    heads = ["shift", "rows", "ours", "any column", "half of the columns", "embedding, model"]
    print(table([*heads, "windows to our alarm"], rows))


Draw = Callable[[int, np.random.Generator], Answered]


def shifts(home: Answered, away: Answered, misspelt: Answered) -> Iterator[tuple[str, Draw]]:
    """Names of shifts, and what draws a window with them."""
    yield "none", lambda n, rng: drawn(home, n, rng)
    for share in SHARES:
        yield f"{share:.0%} editorials", functools.partial(mixed, home, away, share)
    yield "positive texts +15 points", functools.partial(relabelled, home, 0.15)
    yield "typos in 3 % of the letters", lambda n, rng: drawn(misspelt, n, rng)


def mixed(home: Answered, away: Answered, share: float, rows: int, rng: np.random.Generator) -> Answered:
    """A window with that share of rows from elsewhere."""
    foreign = rng.binomial(rows, share)
    parts = [drawn(home, rows - foreign, rng), drawn(away, foreign, rng)]
    every = np.concatenate([part.every[part.places] for part in parts])
    return Answered(pd.concat([part.table for part in parts]), every, np.arange(rows))


def relabelled(home: Answered, more: float, rows: int, rng: np.random.Generator) -> Answered:
    """A window with a larger share of positive texts."""
    positive = (home.table["label"] == "positive").to_numpy()
    share = positive.mean() + more
    weights = np.where(positive, share / positive.sum(), (1 - share) / (~positive).sum())
    return home.where(rng.choice(len(positive), rows, p=weights))


def over_time(arguments: argparse.Namespace) -> None:
    """Real mails: what came first is the reference, each later month a window."""
    mails = drift_data.texts(arguments.mails).dropna(subset="happened_at").sort_values("happened_at", kind="stable")
    mails = mails.assign(domain="mail", text=mails["text"].str[:LONGEST])
    begun, later = mails.iloc[: len(mails) // 2], mails.iloc[len(mails) // 2 :]
    taught, met = drift_data.halves(begun, 1)
    model = drift_data.champion(taught, ["mail"])
    reference = drift_data.answered(model, met)
    same = np.random.default_rng(1).random(len(met)) < 0.5
    rows = [_month("the reference's two halves", reference.where(same), reference.where(~same))]
    months = later["happened_at"].dt.strftime("%Y-%m")
    for month in sorted(months.unique()):
        window = later[months == month]
        if len(window) >= SIZES[0] / 2:
            rows.append(_month(month, reference, drift_data.answered(model, window)))
    heads = ["window", "mails", "spam", "ours", "strongest finding", "effect", "any column", "half of the columns"]
    print(table([*heads, "accuracy: estimated", "true"], rows))


def _month(name: str, reference: Answered, window: Answered) -> tuple[str, ...]:
    said = ours(reference, window, DAILY, 17)
    found = theirs(reference, window)
    guess = accuracy.estimate(reference.table, window.table["confidence"].to_numpy())
    first = said.judged[0]
    return (
        name,
        f"{len(window.table):,}",
        f"{(window.table['label'] == 'spam').mean():.0%}",
        *("alarm" if said.alarm else "quiet", f"{first.name}, p {first.adjusted:.2g}", f"{first.effect:.2f}"),
        *("alarm" if found[rule] else "quiet" for rule in ("any column", "half of the columns")),
        *(f"{guess.window:.1%}", f"{window.table['right'].mean():.1%}"),
    )


def losses(arguments: argparse.Namespace) -> None:
    """Accuracy on a domain that the champion never saw: estimated without labels, and true, for all sets of domains."""
    texts = drift_data.texts(arguments.data)
    some = texts.sample(min(arguments.texts, len(texts)), random_state=1) if arguments.texts else texts
    taught, met = drift_data.halves(some, 1)
    rows, held = [], []
    names = sorted(met["domain"].unique())
    sizes = range(len(names) - 1, 1, -1)
    for known in itertools.chain(*(itertools.combinations(names, size) for size in sizes)):
        found = drift_data.answered(drift_data.champion(taught, known), met)
        domains = found.table["domain"]
        reference = drawn(found.where(domains.isin(known).to_numpy()), REFERENCE_ROWS, np.random.default_rng(1)).table
        for away in sorted(set(names) - set(known)):
            window = found.where((domains == away).to_numpy()).table
            guess = accuracy.estimate(reference, window["confidence"].to_numpy())
            plain = reference["right"].mean() + window["confidence"].mean() - reference["confidence"].mean()
            true, bound = window["right"].mean(), guess.error or 0
            held.append(abs(guess.window - true) <= bound)
            values = (guess.reference, guess.window, plain, true, bound)
            rows.append((", ".join(known), away, *(f"{value:.1%}" for value in values), "yes" if held[-1] else "no"))
    heads = ["known", "unseen", "on the reference", "thresholded confidence", "difference of confidences", "true"]
    print(table([*heads, "stated error", "held"], rows))
    print(f"held in {sum(held)} of {len(held)}")


def speed(arguments: argparse.Namespace) -> None:
    """--rows by 20 columns against as many: ours and Evidently's drift preset, one after the other."""
    names = [arguments.cache / f"wide{seed}-{arguments.rows}.parquet" for seed in (1, 2)]
    files = [drift_data.write_wide(name, arguments.rows, seed) for seed, name in enumerate(names, start=1)]
    rows = [_measured(who, files) for who in ("ours", "evidently")]
    ratio = rows[1][1] / rows[0][1], rows[1][2] / rows[0][2], rows[1][3] / rows[0][3]
    shown = [(who, f"{cpu:.1f}", f"{wall:.1f}", f"{gb:.2f}") for who, cpu, wall, gb in rows]
    print(table(["who", "CPU s", "wall s", "peak GB"], [*shown, ("ratio", *(f"{value:.1f}" for value in ratio))]))


def stream(arguments: argparse.Namespace) -> None:
    """10,000,000 rows by 20 columns against 1,000,000: time and peak memory."""
    reference = drift_data.write_wide(arguments.cache / "wide1-1000000.parquet", 1_000_000, 1)
    rows = []
    for million in (1, 10):
        window = drift_data.write_wide(arguments.cache / f"wide{million}m.parquet", 1_000_000, 2, million)
        _, cpu, wall, gb = _measured("ours", [reference, window])
        rows.append((f"{million},000,000", f"{cpu:.1f}", f"{wall:.1f}", f"{gb:.2f}"))
    print(table(["rows of the window", "CPU s", "wall s", "peak GB"], rows))


def _measured(who: str, files: Sequence[Path]) -> tuple[str, float, float, float]:
    """CPU seconds, wall seconds and peak memory (GB) of the verdict in a process of its own, imports included."""
    command = [sys.executable, __file__, f"_{who}", *map(str, files)]
    started = time.perf_counter()
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    wall = time.perf_counter() - started
    cpu, peak = json.loads(done.stdout.splitlines()[-1])
    return who, cpu, wall, peak


def _child(who: str, files: Sequence[str]) -> None:
    """One side of `speed`, alone in its process."""
    if who == "_ours":
        both = [tables.of_files([Path(file)]) for file in files]
        verdict(both[0], both[1], DAILY)
    else:
        reference, window = (pd.read_parquet(file) for file in files)
        numbers = [name for name in reference if name.startswith("number")]
        evidently_defaults.reported(reference, window, numbers, [name for name in reference if name not in numbers])
    used = resource.getrusage(resource.RUSAGE_SELF)
    print(json.dumps([used.ru_utime + used.ru_stime, used.ru_maxrss / 1e6]))


PARTS = {"null": null, "power": power, "time": over_time, "accuracy": losses, "speed": speed, "stream": stream}


def main() -> None:
    """Run one part and print its table."""
    if sys.argv[1:2] in (["_ours"], ["_evidently"]):
        _child(sys.argv[1], sys.argv[2:])
        return
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", choices=PARTS)
    parser.add_argument("--data", type=Path, default=Path("data/feedback"))
    parser.add_argument("--mails", type=Path, default=Path("data/inbox"))
    parser.add_argument("--cache", type=Path, default=Path(".tidemill/bench"))
    parser.add_argument("--windows", type=int, default=500)
    parser.add_argument("--rows", type=int, default=1_000_000, help="of each table in `speed`")
    parser.add_argument("--texts", type=int, help="so many texts in `accuracy`; default: all")
    parser.add_argument("--sizes", type=int, nargs="+", default=list(SIZES))
    arguments = parser.parse_args()
    PARTS[arguments.part](arguments)


if __name__ == "__main__":
    main()
