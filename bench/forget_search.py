"""How fast passages of texts are found in bytes, beside Python's own search for each text's beginning, and how many.

python bench/forget_search.py [--megabytes 100] [--records 50]
"""

import argparse
import random
import time

from tasks.forget.needles import LEAST, needles, redacted, spans

WORDS = [
    f"{start}{end}"
    for start in ("par", "let", "ship", "cust", "re")
    for end in ("cel", "ter", "ping", "omer", "turn", "ed")
]


def text(luck: random.Random) -> str:
    """A text of 60 to 120 words."""
    return " ".join(luck.choice(WORDS) + str(luck.randrange(1000)) for _ in range(luck.randrange(60, 120)))


def main() -> None:
    """Print both speeds, their ratio, and the share of planted excerpts that are found."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--megabytes", type=int, default=100)
    parser.add_argument("--records", type=int, default=50)
    arguments = parser.parse_args()
    luck = random.Random(1)
    texts = [text(luck) for _ in range(arguments.records)]
    content = "\n".join(text(luck) for _ in range(1400)).encode() * arguments.megabytes
    wanted = needles(texts, [])
    started_at = time.perf_counter()
    found = spans(content, wanted)
    ours_s = time.perf_counter() - started_at
    started_at = time.perf_counter()
    for one in texts:
        content.find(one[:LEAST].encode())
    plain_s = time.perf_counter() - started_at
    size_mb = len(content) / 1e6
    print(f"{size_mb:.0f} MB, {arguments.records} texts, {len(found)} found where none is")
    print(f"passages from {LEAST} bytes anywhere in the texts: {size_mb / ours_s:.0f} MB/s")
    print(
        f"bytes.find of each text's first {LEAST} bytes:     {size_mb / plain_s:.0f} MB/s, {plain_s / ours_s:.2f} of our time"
    )
    hits = 0
    for _ in range(tries := 20_000):
        one = luck.choice(texts).encode()
        start = luck.randrange(len(one) - LEAST)
        excerpt = one[start : start + luck.randrange(LEAST, 120)]
        hits += redacted(b"#" * luck.randrange(50) + excerpt + b"#", wanted)[1] == 1
    print(f"{hits} of {tries} excerpts of {LEAST} to 120 bytes found")


if __name__ == "__main__":
    main()
