"""The source of everything that is pushed: samples in by `offer`, batches of watched signals out by `read`.

Which ticks close when is decided by the push clock (`_pushed_clock.py`). Two senders whose times differ by more than
the lateness cannot share a source: the slower one would be late for ever, and its samples are counted drops.

How signals differ from PromQL over the same samples. Ticks lie on whole steps of unix time. Windows are open at their
start, as in Prometheus 3 (2.x takes in a sample there), and whole steps long. A NaN or infinite sample is no sample to
a counter and no value to a gauge, where PromQL would calculate with it.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from aiops.errors import Overloaded, TooLarge
from aiops.model import F64, I32, I64, Block
from aiops.packs._recipe import Pack
from aiops.series import SeriesTable
from aiops.sources import _pushed_waiting as waiting
from aiops.sources._base import Batch
from aiops.sources._pushed_clock import PushClock
from aiops.sources._pushed_compile import compile_kernels
from aiops.sources._pushed_health import PushHealth, Tally
from aiops.sources._pushed_samples import Samples, WriteLimits
from aiops.sources._pushed_series import RawSeries, SeriesLimits
from aiops.sources._pushed_settings import PushSettings
from aiops.sources._pushed_signals import Signals
from aiops.sources._pushed_ticks import Ticks
from aiops.sources._pushed_watch import Owns, Watchlist
from aiops.sources._write_headers import Written
from aiops.sources.remote_write import STALE_BITS, WriteReader
from aiops.wire import part_of, prefixed

log = logging.getLogger(__name__)

Wait = Callable[[asyncio.Event, float], Awaitable[bool]]
"""Wait for an event for so many seconds; tell whether it came."""

_EVICT_EVERY_MS = 600_000  # chosen: a pass costs about a microsecond per remembered label set

_STANDSTILL_S = 1.0  # chosen: a loop that comes this much too late had no time for senders either


async def wait_for_event(event: asyncio.Event, timeout_s: float) -> bool:
    """Wait on the loop's own clock."""
    try:
        await asyncio.wait_for(event.wait(), timeout_s)
    except TimeoutError:
        return False
    return True


class PushSource:
    """A `Source` fed by receivers. All of it runs on the thread of one loop.

    Parameters
    ----------
    packs : what to watch; an earlier pack has precedence
    table : numbers of watched series
    history_before_ms : ticks before it teach and raise nothing
    clock : unix seconds
    wait : waits for an event, on the same clock
    limits : of a remote_write body
    owns : services that are looked after here, where several processes share them
    evicted : told of raw series that are let go, before their numbers are given to others
    """

    def __init__(
        self,
        packs: Iterable[Pack],
        table: SeriesTable,
        settings: PushSettings | None = None,
        *,
        name: str = "push",
        history_before_ms: int = 0,
        clock: Callable[[], float] = time.time,
        wait: Wait = wait_for_event,
        limits: WriteLimits | None = None,
        owns: Owns = lambda _: True,
        evicted: Callable[[I32], None] = lambda _: None,
    ) -> None:
        self._settings = settings = settings or PushSettings()
        self.name, self.table, self.step_s = name, table, settings.step_s
        self._history_before_ms = history_before_ms
        self._now_s, self._wait = clock, wait
        watch = Watchlist(packs, owns)
        self._raws = RawSeries(watch, settings.series)
        self._reader = WriteReader(self._raws, limits)
        self._signals = Signals(watch.recipes, table)
        self._ticks = Ticks(self._signals, settings.step_ms, settings.window_ms, settings.lookback_ms)
        self._waiting, self._clock, self._tally = waiting.Waiting(), PushClock(settings), Tally(clock)
        self._heard = asyncio.Event()
        self._evicted_ms = 0
        self._evicted = evicted

    def write(self, body: bytes | memoryview, headers: Mapping[str, str]) -> Written:
        """Take in a remote_write request, all of it or nothing; how much of it was taken for a sender's counts.

        Raises
        ------
        UnsupportedMedia : another version or encoding (415)
        InputError : anything else that is wrong for good (400)
        Overloaded : too many samples wait; the sender is to come again (503)
        """
        # Before it is read, so that those who are refused cost little.
        self._make_room(1)
        got = self._reader.read(body, headers)
        self.take(got.numbers, got.times, got.values, got.skipped)
        return Written(got.version, len(got.times))

    def offer(self, samples: Samples) -> None:
        """Take in decoded samples, all of them or none.

        Raises
        ------
        Overloaded : too many samples wait; the sender is to come again (503)
        TooLarge : these alone are more than may ever wait (413)
        """
        self._make_room(len(samples.times))
        values = samples.values.copy()
        values.view(np.uint64)[samples.stale] = STALE_BITS
        self.take(self._raws.numbers_of(samples), samples.times, values, samples.skipped)

    def resolve(self, keys: list[bytes]) -> I32:
        """The numbers of label sets here, given out now to new ones; below 0 for those that are not held."""
        return self._raws.resolve(keys)

    async def read(self, after: int | None) -> AsyncIterator[Batch]:
        """Yield batches as ticks close, for ever; see `Source`."""
        self._clock.start(after)
        while True:
            await self._listen()
            while (limit_ms := self._due_ms()) is not None:
                batch = self._close(limit_ms)
                if batch is not None:
                    gave_s = self._now_s()
                    yield batch
                    if not 0 <= self._now_s() - gave_s <= _STANDSTILL_S:
                        self._clock.stir(self._now_s())

    def edges(self, now_ms: int) -> Iterator[tuple[dict[str, str], int]]:
        """Labels and time of the last sample of live raw series that an edge rule selects."""
        return iter(self._raws.edges(now_ms - self._settings.live_ms))

    def snapshot(self, keys: Sequence[bytes], anew: I32) -> dict[str, NDArray[np.generic]]:
        """What its series are and what they are used for; not their samples.

        Parameters
        ----------
        keys : label sets by the numbers that `resolve` gives, where the caller keeps them; empty where it does not
        anew : numbers of watched series after a restart, by those of now; below 0 for those that are gone then
        """
        return prefixed({"raws": self._raws.snapshot(keys), "signals": self._signals.snapshot(anew)})

    def restore(self, state: Mapping[str, NDArray[np.generic]], keys: list[bytes]) -> None:
        """Take up a snapshot of a source with the same packs and limits, before anything was taken in.

        The table must have the watched series already. StoreError, LookupError when it is damaged.
        """
        self._raws.restore(part_of(state, "raws"), keys)
        self._signals.restore(part_of(state, "signals"))

    @property
    def raw_width(self) -> int:
        """Numbers of raw series given out so far."""
        return self._raws.width

    @property
    def health(self) -> PushHealth:
        """Counts since the start, and the state now."""
        tally = self._tally
        return PushHealth(
            received=tally.received,
            accepted=tally.accepted,
            unwatched=tally.unwatched,
            refused=tally.refused,
            dropped=dict(tally.dropped),
            skipped=dict(tally.skipped),
            pending=len(self._waiting),
            raw_series=len(self._raws),
            signals=len(self._signals),
            closed_ms=self._clock.closed_ms,
        )

    def _make_room(self, count: int) -> None:
        most = self._settings.max_pending_samples
        if count > most:
            raise TooLarge(f"the body has {count} samples, at most {most} may wait")
        if len(self._waiting) + count > most:
            self._tally.refused += count
            # A sender that is refused is not silent: it will come again with the same samples.
            self._clock.stir(self._now_s())
            self._heard.set()
            raise Overloaded(f"{len(self._waiting)} samples wait already, at most {most} may")

    def take(self, numbers: I32, times: I64, values: F64, skipped: Mapping[str, int] | None = None) -> None:
        """Take in samples by the numbers that `resolve` gives, all of them or none. Raises as `offer`."""
        self._make_room(len(times))
        self._tally.received += len(times)
        self._tally.skip(dict(skipped or {}))
        told = self._waiting.add(numbers, times, values, self._span(), self._raws.last_seen_ms, self._raws.ended_ms)
        if told[waiting.TAKEN] < len(times) or told[waiting.INFINITE]:
            self._count(told)
        if told[waiting.TAKEN]:
            self._tally.accepted += told[waiting.TAKEN]
            self._clock.hear(told[waiting.NEWEST], self._now_s())
            # Who reads ticks is woken when there may be one, and not by every body: that costs more than it seems.
            if self._clock.may_be_due(at_once=self._ticks.at_once(self._raws.width), is_crowded=self._is_crowded()):
                self._heard.set()

    def _span(self) -> waiting.Span:
        now_ms = round(self._now_s() * 1000)
        return waiting.Span(
            oldest_ms=max(0, now_ms - round(self._settings.max_age_s * 1000)),
            closed_ms=self._clock.closed_ms or 0,
            newest_ms=now_ms + round(self._settings.future_s * 1000),
        )

    def _count(self, told: list[int]) -> None:
        tally = self._tally
        tally.unwatched += told[waiting.UNWATCHED]
        tally.drop("series_limit", told[waiting.SERIES_LIMIT])
        tally.drop("label_limit", told[waiting.LABEL_LIMIT])
        tally.drop("future", told[waiting.FUTURE])
        tally.drop("too_old", told[waiting.TOO_OLD])
        tally.drop("late", told[waiting.LATE])
        tally.skip({"infinite": told[waiting.INFINITE]})

    async def _listen(self) -> None:
        began_s = self._now_s()
        patience_s = self._clock.patience_s(began_s)
        heard = await self._wait(self._heard, patience_s)
        self._heard.clear()
        now_s = self._now_s()
        if not 0 <= now_s - began_s <= patience_s + _STANDSTILL_S:
            # A loop that stood still could hear nobody, and a clock that was set tells nothing: neither is silence.
            self._clock.stir(now_s)
        elif not heard:
            self._clock.listened(began_s, now_s)

    def _due_ms(self) -> int | None:
        return self._clock.due(
            self._now_s(),
            oldest_ms=self._waiting.oldest_ms,
            at_once=self._ticks.at_once(self._raws.width),
            is_crowded=self._is_crowded(),
        )

    def _is_crowded(self) -> bool:
        return 2 * len(self._waiting) > self._settings.max_pending_samples

    def _close(self, limit_ms: int) -> Batch | None:
        """Close ticks up to `limit_ms`, as many as are done at once; None if there is nothing to say about them."""
        self._jump(limit_ms)
        closed_ms, step_ms = self._clock.closed_ms, self._settings.step_ms
        assert closed_ms is not None
        is_history = closed_ms + step_ms < self._history_before_ms
        last_ms = min(limit_ms, closed_ms + step_ms * self._ticks.at_once(self._raws.width))
        if is_history:
            last_ms = min(last_ms, (self._history_before_ms - 1) // step_ms * step_ms)
        times = np.arange(closed_ms + step_ms, last_ms + 1, step_ms)
        if not len(times):
            return None
        self._signals.let_go(self.table.unname())
        self._signals.add(self._raws.fresh())
        ids, values, repeated = self._ticks.close(times, self._raws.width, *self._waiting.take(last_ms))
        self._tally.drop("duplicate", repeated)
        self._clock.closed_ms = last_ms
        self._evict(last_ms)
        if not len(ids):
            return None
        return Batch(last_ms, (Block(times, ids, values),), history=is_history, let_go=self.table.unnamed)

    def _jump(self, limit_ms: int) -> None:
        jump_ms = self._clock.jump_ms(limit_ms, self._waiting.oldest_ms)
        if jump_ms is not None:
            log.info("no samples for long, ticks left out from_ms=%s to_ms=%d", self._clock.closed_ms, jump_ms)
            self._clock.closed_ms = jump_ms
            self._ticks.skip()

    def _evict(self, closed_ms: int) -> None:
        if closed_ms - self._evicted_ms < _EVICT_EVERY_MS:
            return
        self._evicted_ms = closed_ms
        # Nothing goes before it shows in no signal, so its number can be used again without a trace of it.
        live_ms = self._settings.live_ms
        gone = self._raws.evict(
            closed_ms - max(round(self._settings.evict_after_s * 1000), live_ms), closed_ms - live_ms
        )
        if len(gone):
            self._evicted(gone)
            self._signals.drop(gone, self._raws.width)
            log.info("raw series evicted count=%d left=%d", len(gone), len(self._raws))


__all__ = [
    "PushHealth",
    "PushSettings",
    "PushSource",
    "SeriesLimits",
    "Wait",
    "compile_kernels",
    "wait_for_event",
]
