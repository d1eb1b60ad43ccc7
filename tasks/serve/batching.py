"""Waiting records, taken up in passes by threads beside the event loop."""

import asyncio
import threading
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tasks.inference import Answers
from tasks.serve.live import Live
from tasks.serve.refusal import Refusal

BUSY = 429
MEMORY = 0.9
"""How much of the old estimate of seconds a record stays after a new pass."""


@dataclass(eq=False)
class Waiting:
    """One request's records on their way: what was asked of which model, and what is answered by now."""

    live: Live
    contents: Sequence[Any]
    loop: asyncio.AbstractEventLoop
    done: "asyncio.Future[None]"
    probabilities: list[NDArray[np.float32]]
    embeddings: list[NDArray[np.float32] | None]
    asked_at: float
    left: int
    begun_at: float = 0.0
    ended_at: float = 0.0
    work_s: float = 0.0


@dataclass(eq=False)
class Batcher:
    """Gathers records of different requests into passes of their model; nobody waits for a pass to fill up."""

    threads: int
    most_waiting: int
    most_wait_s: float = 5.0
    _records: deque[tuple[Waiting, int]] = field(default_factory=deque)
    _changed: threading.Condition = field(default_factory=threading.Condition)
    _workers: list[threading.Thread] = field(default_factory=list)
    _closed: bool = False
    _seconds_a_record: float = 0.005

    def start(self) -> None:
        """Start the threads that work."""
        self._workers = [
            threading.Thread(target=self._work, name=f"model-{n}", daemon=True) for n in range(self.threads)
        ]
        for worker in self._workers:
            worker.start()

    def close(self) -> None:
        """End the threads after what they have at hand."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        for worker in self._workers:
            worker.join()

    @property
    def waiting(self) -> int:
        """How many records nobody works at yet."""
        return len(self._records)

    def require_room(self, records: int = 1) -> None:
        """Raises Refusal 429, which says when to come back, when so many more records would wait too long or find no place."""
        wait_s = self.waiting * self._seconds_a_record / self.threads
        if self.waiting and (self.waiting + records > self.most_waiting or wait_s > self.most_wait_s):
            seconds = max(1, round(wait_s))
            raise Refusal(BUSY, f"{self.waiting} records wait already; come back in {seconds} s", seconds)

    async def answered(self, live: Live, contents: Sequence[Any]) -> Waiting:
        """The contents with their answers. Raises Refusal 429 when too many wait."""
        self.require_room(len(contents))
        loop = asyncio.get_running_loop()
        size = len(contents)
        asked = Waiting(
            live, contents, loop, loop.create_future(), [np.empty(0, np.float32)] * size, [None] * size,
            time.perf_counter(), size,
        )  # fmt: skip
        with self._changed:
            self._records.extend((asked, place) for place in range(size))
            self._changed.notify(size)
        await asked.done
        return asked

    def _work(self) -> None:
        while batch := self._next():
            live = batch[0][0].live
            begun = time.perf_counter()
            try:
                found = live.kind.answers(live.model, [asked.contents[place] for asked, place in batch])
            except Exception as error:  # noqa: BLE001 (a request fails, the thread lives)
                self._failed(batch, error)
                continue
            ended = time.perf_counter()
            with self._changed:
                fresh = (ended - begun) / len(batch)
                self._seconds_a_record = MEMORY * self._seconds_a_record + (1 - MEMORY) * fresh
                self._settle(batch, found, begun, ended)

    def _next(self) -> list[tuple[Waiting, int]]:
        """The oldest record with the others that fit into its pass; an empty list when closed."""
        with self._changed:
            while True:
                while self._records and self._records[0][0].done.cancelled():
                    self._records.popleft()
                if self._records or self._closed:
                    break
                self._changed.wait()
            if not self._records:
                return []
            batch = [self._records.popleft()]
            live = batch[0][0].live
            while self._records and len(batch) < live.model.together and self._records[0][0].live is live:
                batch.append(self._records.popleft())
            return batch

    def _settle(self, batch: list[tuple[Waiting, int]], found: Answers, begun: float, ended: float) -> None:
        for row, (asked, place) in enumerate(batch):
            asked.probabilities[place] = found.probabilities[row]
            asked.embeddings[place] = None if found.embeddings is None else found.embeddings[row]
            asked.begun_at = asked.begun_at or begun
            asked.ended_at = ended
            asked.work_s += (ended - begun) / len(batch)
            asked.left -= 1
            if not asked.left:
                asked.loop.call_soon_threadsafe(_finish, asked.done)

    def _failed(self, batch: list[tuple[Waiting, int]], error: Exception) -> None:
        for asked in {id(asked): asked for asked, _ in batch}.values():
            asked.loop.call_soon_threadsafe(_fail, asked.done, error)


def _finish(done: "asyncio.Future[None]") -> None:
    if not done.done():
        done.set_result(None)


def _fail(done: "asyncio.Future[None]", error: Exception) -> None:
    if not done.done():
        done.set_exception(error)
