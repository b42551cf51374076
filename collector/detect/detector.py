"""Keeps verdicts and drops current: judges the profiles whose settled days changed, and finds the fleet's drops."""

import asyncio
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from itertools import groupby
from operator import attrgetter
from typing import NamedTuple

import msgspec
import numpy as np
import structlog

from collector.detect.evaluate import evaluate
from collector.detect.fleet import LEAST_FIRING, FleetEpisode, Span, cause_of, find_fleet_drops
from collector.detect.model import Floats, History, Silence
from collector.detect.reason import verdict_in_words, why
from collector.detect.sentence import Causes, fleet_sentence, sentence
from collector.models.drop import JUDGED_METRICS, CloseReason, Episode
from collector.models.profile import ProfileState
from collector.store.drop import Bands, DropStore, FormerDrop, KnownDays, Settled, SettledDays, Verdict
from collector.store.fleet_drop import Drop, FleetDrop, Mark, RecentDrop

log = structlog.get_logger(__name__)

BATCH = 500
# Batches at a time: one is judged while PostgreSQL reads or writes another.
_LANES = 2
# The first day that is read is at least 400 days ago and moves on by a quarter of a year at once: if it moved daily,
# the same days would be judged a little differently every day.
_STRIDE_DAYS = 91
_LEAST_DAYS = 400
# Episodes that began in the first weeks, which are only learned from, cannot be found again.
_WARM_UP_DAYS = 60
_FLEET_DAYS = 120
_BAND_DAYS = 180
_FLEET_WARM_UP_DAYS = 7
_LINK_DAYS = 7


class Batch(NamedTuple):
    """Profiles to be judged together, by their days until ``newest``."""

    profile_ids: list[int]
    newest: date


def origin(day: date) -> date:
    """Return the day from which the days before ``day`` are read."""
    return date.fromordinal((day.toordinal() - _LEAST_DAYS) // _STRIDE_DAYS * _STRIDE_DAYS)


class Detector:
    """Keeps verdicts and drops current."""

    def __init__(self, store: DropStore) -> None:
        self._store = store
        self._fleet_is_current = False

    async def run_once(self, alive: Callable[[], object] = lambda: None) -> int:
        """Judge what changed; return how many profiles that were. ``alive`` is called as the work goes on."""
        changed = await self._store.changed()
        since = origin(datetime.now(UTC).date())
        if changed:
            await self._judge_all(batches(changed), since, alive)
        if not self._fleet_is_current:
            await self._mark_fleet_drops()
            self._fleet_is_current = True
        return len(changed)

    async def _judge_all(self, work: Iterator[Batch], since: date, alive: Callable[[], object]) -> None:
        """Judge batches one at a time: two would contend for the interpreter."""
        judging = asyncio.Lock()

        async def lane() -> None:
            for batch in work:
                await self._judge(batch, since, judging)
                alive()

        try:
            async with asyncio.TaskGroup() as lanes:
                for _ in range(_LANES):
                    lanes.create_task(lane())
        except ExceptionGroup as group:
            raise group.exceptions[0] from group

    async def _judge(self, batch: Batch, since: date, judging: asyncio.Lock) -> None:
        profiles = await self._store.days(batch.profile_ids, since, batch.newest)
        if not profiles:
            return
        async with judging:
            counts, history = await asyncio.to_thread(judge, profiles, since)
        found_since = since + timedelta(days=_WARM_UP_DAYS)
        drops = [drop for drop in drops_of(profiles, counts, history) if drop.detected_day >= found_since]
        drops += map(_ended, await self._store.of_former_accounts(batch.profile_ids))
        verdicts = verdicts_of(profiles, history)
        written = await self._store.write(batch.profile_ids, found_since, drops, verdicts, _bands(history))
        self._fleet_is_current &= not written.matters_to_fleet
        for opened in written.opened:
            log.warning("engagement dropped", what=opened)

    async def _mark_fleet_drops(self) -> None:
        since = datetime.now(UTC).date() - timedelta(days=_FLEET_DAYS)
        # Drops that are open on the first day began before it, on a day that is not read.
        found_since = since + timedelta(days=_FLEET_WARM_UP_DAYS)
        async with self._store.fleet() as fleet:
            recent = await fleet.recent(since)
            # Fewer profiles are never a drop of the fleet, and counting the whole fleet takes long.
            enough = len({drop.profile_id for drop in recent}) >= LEAST_FIRING
            judged = await fleet.judged(since) if enough else []
            spans = (Span(drop.profile_id, drop.detected_day, drop.last_day) for drop in recent)
            found = [drop for drop in find_fleet_drops(spans, judged, since) if drop.first_day >= found_since]
            newest = max((span.last_day for span in judged), default=since)
            await fleet.mark(list(_marks((drop for drop in recent if drop.detected_day >= found_since), found)))
            await fleet.write(found_since, [fleet_drop(drop, newest) for drop in found])


def _marks(drops: Iterable[RecentDrop], fleet: Sequence[FleetEpisode]) -> Iterator[Mark]:
    """Yield the marks of drops that became the fleet's, or no longer are."""
    for drop in drops:
        cause = cause_of(drop, fleet)
        inhibited = cause is not None
        changed = inhibited or drop.inhibited
        explained = sentence(drop.name, drop, Causes(fleet=cause)) if changed else drop.sentence
        if (inhibited, explained) != (drop.inhibited, drop.sentence):
            yield Mark(
                profile_id=drop.profile_id,
                metric=drop.metric,
                detected_day=drop.detected_day,
                inhibited=inhibited,
                sentence=explained,
            )


def fleet_drop(episode: FleetEpisode, newest: date) -> FleetDrop:
    """Describe a drop of the fleet whose newest settled day is ``newest``."""
    return FleetDrop(
        first_day=episode.first_day,
        last_day=episode.last_day,
        profiles=episode.profiles,
        share=round(episode.share, 3),
        open=episode.is_open(newest),
        sentence=fleet_sentence(episode, newest),
    )


def batches(profiles: Iterable[Settled]) -> Iterator[Batch]:
    """Yield profiles with the same newest day, which must come together, up to `BATCH` at once.

    Profiles of a batch share their days: with a later day of others, a profile's data would seem to have ended.
    """
    for newest, group in groupby(profiles, key=attrgetter("settled_through")):
        ids = [profile.id for profile in group]
        yield from (Batch(ids[start : start + BATCH], newest) for start in range(0, len(ids), BATCH))


def judge(profiles: Sequence[KnownDays], since: date) -> tuple[Floats, History]:
    """Judge profiles, at least one, all until the same newest day; return their counts of the history's days too."""
    counts, first_day = counts_of(profiles, since)
    history = evaluate(
        counts,
        first_day,
        [profile.sensitivity for profile in profiles],
        [profile.country for profile in profiles],
        [profile.own_threshold for profile in profiles],
    )
    return counts, history


def counts_of(profiles: Sequence[KnownDays], since: date) -> tuple[Floats, date]:
    """Return counts (profiles, metrics, days until their newest) and the first of these days.

    Days before the first number of any profile are left out: they would only take time.
    """
    offsets = np.frombuffer(b"".join(profile.offsets for profile in profiles), ">i4").astype(np.int64)
    counts = np.frombuffer(b"".join(profile.counts for profile in profiles), ">f8").reshape(-1, len(JUDGED_METRICS))
    rows = np.repeat(np.arange(len(profiles)), [len(profile.offsets) // 4 for profile in profiles])
    days = (profiles[0].settled_through - since).days + 1
    skipped = int(offsets.min(initial=days - 1))
    aligned = np.full((len(profiles), len(JUDGED_METRICS), days - skipped), np.nan)
    aligned[rows, :, offsets - skipped] = counts
    return aligned, since + timedelta(days=skipped)


def judged_since(history: History) -> list[date | None]:
    """Return the first day on which each profile had enough history to be judged."""
    old_enough = history.silence[:, 0] != int(Silence.TOO_LITTLE_HISTORY)
    first = old_enough.argmax(axis=1).tolist()
    ever = old_enough.any(axis=1).tolist()
    return [history.first_day + timedelta(days=day) if old else None for day, old in zip(first, ever, strict=True)]


def drops_of(profiles: Sequence[SettledDays], counts: Floats, history: History) -> Iterator[Drop]:
    """Yield the drops of profiles, each explained by what the data shows."""
    for profile, profile_counts, episodes in zip(profiles, counts, history.episodes, strict=True):
        for episode in episodes:
            first, last = ((day - history.first_day).days for day in (episode.first_day, episode.last_day))
            missing = int(np.isnan(profile_counts[JUDGED_METRICS.index(episode.metric), first : last + 1]).sum())
            explained = sentence(profile.name, episode, _causes(profile, episode, missing))
            yield Drop(**msgspec.structs.asdict(episode), profile_id=profile.id, sentence=explained, why=why(episode))


def _ended(drop: FormerDrop) -> Drop:
    """Close a drop of an account that is no longer linked: nothing that is read can."""
    closed = msgspec.structs.replace(
        drop,
        closed_on=max(drop.replaced_on, drop.last_day),
        close_reason=CloseReason.ACCOUNT_CHANGED,
        usual_since=None,
    )
    return msgspec.structs.replace(closed, sentence=sentence(drop.name, closed))


def _causes(profile: SettledDays, episode: Episode, missing_days: int) -> Causes:
    """Return what may explain an episode; pins count only where this queue ever published one."""
    last_pin = profile.last_pin_at
    unlinked = profile.state == ProfileState.UNLINKED and episode.closed_on is None
    lost_on = profile.state_since.date() if unlinked else None
    return Causes(
        days_without_pins=max(0, (episode.last_day - last_pin.date()).days) if last_pin is not None else 0,
        # The loss of a link is noticed a little late; one that was lost long after the drop began is no cause.
        link_lost_on=lost_on if lost_on is not None and (lost_on - episode.first_day).days <= _LINK_DAYS else None,
        missing_days=missing_days,
    )


def verdicts_of(profiles: Sequence[SettledDays], history: History) -> list[Verdict]:
    """Return the verdicts on the newest settled day, the last for all; of engagement, which stands for the profile."""
    expected, expected_low, score = (
        [None if math.isnan(number) else number for number in numbers.tolist()]
        for numbers in (history.expected[:, 0, -1], history.expected_low[:, 0, -1], history.score[:, 0])
    )
    return [
        _verdict(profile, history, row, since, expected=expected[row], expected_low=expected_low[row], score=score[row])
        for row, (profile, since) in enumerate(zip(profiles, judged_since(history), strict=True))
    ]


def _verdict(profile: SettledDays, history: History, row: int, since: date | None, **numbers: float | None) -> Verdict:
    silence = Silence(int(history.silence[row, 0, -1]))
    ready = history.ready_on[row]
    until = f" until {ready}" if silence == Silence.RELEARNING and ready is not None else ""
    decision, unmet, words = verdict_in_words(history, row)
    return Verdict(
        profile_id=profile.id,
        settled_through=profile.settled_through,
        last_poll_at=profile.last_poll_at,
        state=profile.state,
        sensitivity=profile.sensitivity,
        judged_since=since,
        silence=f"{silence.text}{until}" or None,
        own_threshold=profile.own_threshold,
        country=profile.country,
        decision=decision,
        unmet=unmet,
        why=words,
        **numbers,
    )


def _bands(history: History) -> Bands:
    """Return what was expected of the newest days, for charts; of engagement, like the verdict."""
    days = min(_BAND_DAYS, history.expected.shape[2])
    since = history.first_day + timedelta(days=history.expected.shape[2] - days)
    return Bands(since, history.expected[:, 0, -days:].tolist(), history.expected_low[:, 0, -days:].tolist())
