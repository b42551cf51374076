"""The detector: judges the profiles whose settled days changed, and tells the fleet's drops from the clients'."""

import asyncio
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from itertools import groupby
from operator import itemgetter
from typing import Any, NamedTuple

import asyncpg
import msgspec
import numpy as np
import numpy.typing as npt
import structlog

from collector.detect.evaluate import evaluate
from collector.detect.fleet import LEAST_FIRING, FleetEpisode, Judged, Span, cause_of, find_fleet_drops
from collector.detect.model import METRICS, CloseReason, Episode, Floats, History, Sensitivity, Silence
from collector.detect.sentence import Causes, fleet_sentence, sentence
from collector.models import ProfileState
from collector.store.drop import Bands, DropStore

log = structlog.get_logger(__name__)

BATCH = 1000
# Batches in memory: one is judged while another is read or written, which is PostgreSQL's work.
_LANES = 2
# A walk over the days begins at a fixed day of the calendar: one that moved every day would judge the same days anew,
# a little differently. It is moved on by a quarter of a year, and at least a year and five weeks are read.
_STRIDE_DAYS = 91
_LEAST_DAYS = 400
# Episodes that began in the weeks that only teach cannot be found again.
_WARM_UP_DAYS = 60
_FLEET_DAYS = 120
_BAND_DAYS = 180
_FLEET_WARM_UP_DAYS = 7
_LINK_DAYS = 7


class Batch(NamedTuple):
    """Profiles to be judged together, by their days until ``newest``."""

    profile_ids: list[int]
    newest: date


class Profile(msgspec.Struct, frozen=True):
    """A profile with its settled days: ``counts`` are (metrics, days)."""

    row: asyncpg.Record
    counts: Floats


def origin(day: date) -> date:
    """Return the day from which the days before ``day`` are read."""
    return date.fromordinal((day.toordinal() - _LEAST_DAYS) // _STRIDE_DAYS * _STRIDE_DAYS)


class Detector:
    """Keeps verdicts and episodes current."""

    def __init__(self, store: DropStore) -> None:
        self._store = store
        self._fleet_is_current = False

    async def run_once(self, alive: Callable[[], object] = lambda: None) -> int:
        """Judge what changed; return how many profiles that were. ``alive`` is called as the work goes on."""
        changed = await self._store.changed()
        since = origin(datetime.now(UTC).date())
        if changed:
            self._fleet_is_current = False
            await self._judge_all(batches(changed), since, alive)
        if not self._fleet_is_current:
            await self._tell_the_fleets()
            self._fleet_is_current = True
        return len(changed)

    async def _judge_all(self, work: Iterator[Batch], since: date, alive: Callable[[], object]) -> None:
        """Judge batches; one is judged at a time, as two would contend for the interpreter."""
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
        rows = await self._store.days(batch.profile_ids, since, batch.newest)
        if not rows:
            return
        async with judging:
            profiles, history = await asyncio.to_thread(judge, rows, since)
        episodes = [
            _episode_row(profile, episode, causes_of(profile, episode, history.first_day))
            for profile, found in zip(profiles, history.episodes, strict=True)
            for episode in found
            if episode.detected_day >= since + timedelta(days=_WARM_UP_DAYS)
        ]
        verdicts = _verdict_rows(profiles, history)
        found_since = since + timedelta(days=_WARM_UP_DAYS)
        for row in await self._store.write(batch.profile_ids, found_since, episodes, verdicts, _bands(history)):
            if row["closed_on"] is None and row["opened"]:
                log.warning("engagement dropped", what=row["sentence"])

    async def _tell_the_fleets(self) -> None:
        since = datetime.now(UTC).date() - timedelta(days=_FLEET_DAYS)
        # What is open on the first day began before it, at a day that cannot be seen from here.
        told_since = since + timedelta(days=_FLEET_WARM_UP_DAYS)
        async with self._store.fleet() as fleet:
            rows = await fleet.recent(since)
            # Fewer are never the fleet's, and it is the fleet that takes its time to count.
            enough = len({row["profile_id"] for row in rows}) >= LEAST_FIRING
            judged = [Judged(*row) for row in await fleet.judged(since)] if enough else []
            spans = (Span(row["profile_id"], row["detected_day"], row["last_day"]) for row in rows)
            drops = [drop for drop in find_fleet_drops(spans, judged, since) if drop.first_day >= told_since]
            newest = max((span.last_day for span in judged), default=since)
            await fleet.mark(list(_marks((row for row in rows if row["detected_day"] >= told_since), drops)))
            await fleet.write(told_since, [_fleet_row(drop, newest) for drop in drops])


def _marks(rows: Iterable[asyncpg.Record], drops: Sequence[FleetEpisode]) -> Iterator[tuple[object, ...]]:
    """Yield what is to be said of episodes that became the fleet's, or are so no more."""
    for row in rows:
        episode = _episode_of(row)
        cause = cause_of(episode, drops)
        inhibited = cause is not None
        changed = inhibited or row["inhibited"]
        told = sentence(row["name"], episode, Causes(fleet=cause)) if changed else row["sentence"]
        if (inhibited, told) != (row["inhibited"], row["sentence"]):
            yield row["profile_id"], row["metric"], row["detected_day"], inhibited, told


def batches(profiles: Iterable[tuple[int, date]]) -> Iterator[Batch]:
    """Yield profiles with the same newest day, which come together, up to `BATCH` at once.

    Days that others have and a profile lacks would look like an end of its data, so what is said of a profile would
    depend on its company.
    """
    for newest, group in groupby(profiles, key=itemgetter(1)):
        ids = [profile_id for profile_id, _ in group]
        yield from (Batch(ids[start : start + BATCH], newest) for start in range(0, len(ids), BATCH))


def judge(rows: Sequence[asyncpg.Record], since: date) -> tuple[list[Profile], History]:
    """Evaluate profiles, at least one, as they were read, all until the same newest day."""
    counts, first_day = counts_of(rows, since, rows[0]["settled_through"])
    profiles = [Profile(*each) for each in zip(rows, counts, strict=True)]
    return profiles, evaluate(counts, first_day, [Sensitivity(row["sensitivity"]) for row in rows])


def counts_of(rows: Sequence[asyncpg.Record], since: date, newest: date) -> tuple[Floats, date]:
    """Return counts (profiles, metrics, days until ``newest``) and the first of these days.

    Days before the first number of any profile would change nothing but the time that judging takes.
    """

    def joined(column: str, kind: str) -> npt.NDArray[Any]:
        return np.frombuffer(b"".join(row[column] or b"" for row in rows), kind)

    places = joined("places", ">i4").astype(np.int64)
    skipped = int(places.min(initial=(newest - since).days))
    which = np.repeat(np.arange(len(rows)), [len(row["places"] or b"") // 4 for row in rows])
    counts = np.full((len(rows), len(METRICS), (newest - since).days + 1 - skipped), np.nan)
    for number, metric in enumerate(METRICS):
        counts[which, number, places - skipped] = joined(metric, ">f8")
    return counts, since + timedelta(days=skipped)


def judged_since(history: History) -> list[date | None]:
    """Return, for each profile, the first day on which it had enough history to be judged."""
    old_enough = history.silence[:, 0] != int(Silence.TOO_LITTLE_HISTORY)
    first = old_enough.argmax(axis=1).tolist()
    ever = old_enough.any(axis=1).tolist()
    return [history.first_day + timedelta(days=day) if old else None for day, old in zip(first, ever, strict=True)]


def causes_of(profile: Profile, episode: Episode, start: date) -> Causes:
    """Return what the data shows around an episode; pins count only where this queue ever published one."""
    row, counts = profile.row, profile.counts[METRICS.index(episode.metric)]
    span = counts[(episode.first_day - start).days : (episode.last_day - start).days + 1]
    last_pin = row["last_pin_at"]
    unlinked = row["state"] == ProfileState.UNLINKED and episode.closed_on is None
    lost_on = row["state_since"].date() if unlinked else None
    return Causes(
        days_without_pins=max(0, (episode.last_day - last_pin.date()).days) if last_pin is not None else 0,
        # A link that was lost long after is no cause; that it was shows a little late.
        link_lost_on=lost_on if lost_on is not None and (lost_on - episode.first_day).days <= _LINK_DAYS else None,
        missing_days=int(np.isnan(span).sum()),
    )


def _episode_row(profile: Profile, episode: Episode, causes: Causes) -> tuple[object, ...]:
    return (
        profile.row["id"], episode.metric, episode.detected_day, episode.first_day, episode.last_day, episode.observed,
        episode.expected, episode.expected_low, episode.score, episode.lost_share, episode.closed_on,
        episode.close_reason, sentence(profile.row["name"], episode, causes),
    )  # fmt: skip


def _episode_of(row: asyncpg.Record) -> Episode:
    return Episode(
        metric=row["metric"],
        first_day=row["first_day"],
        detected_day=row["detected_day"],
        last_day=row["last_day"],
        observed=row["observed"],
        expected=row["expected"],
        expected_low=row["expected_low"],
        score=row["score"],
        lost_share=row["lost_share"],
        closed_on=row["closed_on"],
        close_reason=CloseReason(row["close_reason"]) if row["close_reason"] is not None else None,
    )


def _verdict_rows(profiles: Sequence[Profile], history: History) -> list[tuple[object, ...]]:
    """Make the verdicts on the newest settled day, the last for all; of engagement, which stands for the profile."""
    numbers = [
        [None if math.isnan(number) else number for number in values[:, 0, -1].tolist()]
        for values in (history.expected, history.expected_low, history.score)
    ]
    silences = [Silence(silence).text or None for silence in history.silence[:, 0, -1].tolist()]
    since = judged_since(history)
    return [
        (
            *(profile.row[name] for name in ("id", "settled_through", "last_poll_at", "state", "sensitivity")),
            *verdict,
        )
        for profile, *verdict in zip(profiles, since, *numbers, silences, strict=True)
    ]  # fmt: skip


def _bands(history: History) -> Bands:
    """Return what was expected of the newest days, for charts; of engagement, like the verdict."""
    days = min(_BAND_DAYS, history.expected.shape[2])
    since = history.first_day + timedelta(days=history.expected.shape[2] - days)
    return since, history.expected[:, 0, -days:].tolist(), history.expected_low[:, 0, -days:].tolist()


def _fleet_row(drop: FleetEpisode, newest: date) -> tuple[object, ...]:
    told = fleet_sentence(drop, newest)
    return drop.first_day, drop.last_day, drop.profiles, drop.share, drop.is_open(newest), told
