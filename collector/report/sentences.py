"""What a report says in words. Pure."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from typing import Final

import msgspec

from collector.models.gap import Gap, GapReason, Whose
from collector.report.contents import YEAR, Contents, Total
from collector.report.language import Language, isolated
from collector.store.report import ReportedDrop

_LEAST_CHANGE = 0.005
_LEAST_DAYS_WITHOUT_PINS = 7
_OWN_REASON: Final = {
    GapReason.PAUSED: "paused",
    GapReason.UNLINKED: "unlinked",
    GapReason.SUSPENDED: "suspended",
    GapReason.KEY_INVALID: "key_invalid",
}
_REASON: Final = {Whose.US: "us", Whose.API: "api", Whose.PINTEREST: "pinterest"}


def summary(contents: Contents, language: Language) -> list[str]:
    """Return the month in paragraphs."""
    if contents.empty:
        nothing = language.page["nothing"].format(month=language.of_month(contents.month))
        return [f"{nothing} {language.page['nothing_more']}"]
    return [" ".join(_numbers(contents, language)), " ".join(_more(contents, language))]


def _numbers(contents: Contents, language: Language) -> Iterator[str]:
    total, say = contents.total, language.summary
    client = isolated(contents.client)
    yield _counted(contents, language, "shown", total["impression"], client=client)
    yield _counted(contents, language, "engaged", total["engagement"])
    yield _counted(contents, language, "clicked", total["outbound_click"], by_year=False)
    yield _counted(contents, language, "saved", total["save"], by_year=False)
    if contents.month.last != contents.last:
        yield say["partial"].format(day=language.on(contents.last))


def _counted(
    contents: Contents, language: Language, what: str, total: Total, *, by_year: bool = True, **names: str
) -> str:
    if total.sum is None:
        return ""
    phrase = language.summary[what if total.sum != 1 else f"{what}_once"]
    changes = _changes(contents, language, total, by_year=by_year)
    month = language.of_month(contents.month)
    return phrase.format(number=language.number(total.sum), month=month, changes=changes, **names)


def _changes(contents: Contents, language: Language, total: Total, *, by_year: bool) -> str:
    said = [
        _change(share, language, language.beside(contents.month.before(months), contents.month))
        for share, months in ((total.change, 1), (total.year_change if by_year else None, YEAR))
        if share is not None
    ]
    if not said:
        return ""
    joined = said[0] if len(said) == 1 else language.both.format(one=said[0], other=said[1])
    return language.summary["changes"].format(one=joined)


def _change(share: float, language: Language, month: str) -> str:
    if abs(share) < _LEAST_CHANGE:
        return language.summary["same"].format(month=month)
    return language.summary["up" if share > 0 else "down"].format(share=language.share(share), month=month)


def _more(contents: Contents, language: Language) -> Iterator[str]:
    say = language.summary
    now, before = contents.rates
    if now is not None:
        numbers = {"now": language.number(100 * now, 1), "before": language.number(100 * (before or 0), 1)}
        month = language.beside(contents.month.before(), contents.month)
        yield say["rate" if before is None else "rate_before"].format(month=month, **numbers)
    if best := _best_day(contents):
        day, number = best
        weekday = language.weekdays[day.weekday()]
        yield say["best"].format(weekday=weekday, day=language.on(day), number=language.number(number))
    if pins := sum(contents.pins.values()):
        yield say["pin"] if pins == 1 else say["pins"].format(number=language.number(pins))
    yield from _followers(contents, language)
    if any(total.change is not None for total in contents.totals):
        yield say["mean"]


def _best_day(contents: Contents) -> tuple[date, int] | None:
    known = [
        (day, number)
        for day, number in zip(contents.days, contents.total["engagement"].days, strict=True)
        if number is not None
    ]
    best = max(known, key=lambda each: each[1], default=None)
    return best if best is not None and len(known) > 1 and best[1] else None


def _followers(contents: Contents, language: Language) -> Iterator[str]:
    if contents.followers is None:
        return
    number, more = contents.followers
    phrase = "followers" if not more else "followers_more" if more > 0 else "followers_fewer"
    yield language.summary[phrase].format(
        number=language.number(number), client=isolated(contents.client), change=language.number(abs(more or 0))
    )


def drops(contents: Contents, language: Language) -> list[str]:
    """Return what fell, a text each; one that says so where nothing did."""
    fleet = [language.drop["fleet"].format(span=language.between(first, last)) for first, last in contents.fleet_drops]
    own = [" ".join(_drop(each, contents.last, language)) for each in contents.drops]
    return [*own, *fleet] or [language.drop["none"]]


def _drop(drop: ReportedDrop, until: date, language: Language) -> Iterator[str]:
    say = language.drop
    yield say["lasting"].format(
        metric=language.metrics[drop.metric],
        profile=isolated(drop.profile),
        observed=language.mean(drop.observed),
        expected=language.mean(drop.expected),
        share=language.share(1 - drop.observed / drop.expected) if drop.expected else "",
        span=language.between(drop.first_day, drop.last_day),
    )
    if drop.last_pin_on is not None and (days := (drop.last_day - drop.last_pin_on).days) >= _LEAST_DAYS_WITHOUT_PINS:
        yield say["no_pins"].format(number=days)
    if drop.closed_on is not None and drop.close_reason is not None:
        yield say[drop.close_reason.value].format(day=language.on(drop.closed_on))
    elif drop.usual_since is not None:
        yield say["back"].format(day=language.on(drop.usual_since))
    else:
        yield say["open"].format(day=language.on(min(drop.last_day, until)))


def quality(contents: Contents, language: Language) -> list[str]:
    """Return how whole and how final the numbers are."""
    found, say = contents.quality, language.quality
    profiles = language.of_profiles(found.profiles)
    said = []
    if found.gaps:
        days = language.of_days(found.days)
        said.append(say["short"].format(days=days, profiles=profiles, missing=language.number(found.missing)))
    elif found.days:
        said.append(say["whole"].format(days=language.of_days(found.days), profiles=profiles))
    if found.provisional:
        said.append(say["provisional"].format(days=language.of_days(found.provisional)))
    elif found.days:
        said.append(say["settled"])
    if found.imported:
        said.append(say["imported"].format(days=language.of_days(found.imported)))
    if found.compared is not None and found.compared < found.profiles:
        said.append(say["compared"].format(compared=language.number(found.compared), profiles=profiles))
    return [*said, say["source"]]


def gaps(contents: Contents, language: Language) -> list[str]:
    """Return which days are missing, why, and whether they may still come; profiles that miss the same are one."""
    same: dict[tuple[date, date, str, bool], list[str]] = defaultdict(list)
    for each in _joined(contents.quality.gaps):
        same[each.first_day, each.last_day, _reason(each), each.lost].append(isolated(each.profile))
    return [
        language.quality["gap"].format(
            profile=_listed(names, language),
            days=language.of_days((last - first).days + 1),
            span=language.between(first, last),
            reason=language.reasons[reason],
            state=language.quality["lost" if lost else "can_come"],
        )
        for (first, last, reason, lost), names in same.items()
    ]


def _joined(found: Sequence[Gap]) -> list[Gap]:
    """Join what follows one another in a profile for reasons that are one for the reader."""
    joined: list[Gap] = []
    for gap in sorted(found, key=lambda each: (each.profile, each.first_day)):
        former = joined[-1] if joined else None
        if (
            former is not None
            and (former.profile, _reason(former), former.lost) == (gap.profile, _reason(gap), gap.lost)
            and gap.first_day - former.last_day == timedelta(days=1)
        ):
            joined[-1] = msgspec.structs.replace(former, last_day=gap.last_day)
        else:
            joined.append(gap)
    return sorted(joined, key=lambda each: (each.first_day - each.last_day, each.profile, each.first_day))


def _reason(gap: Gap) -> str:
    return _OWN_REASON.get(gap.reason) or _REASON.get(gap.whose, "unknown")


def _listed(names: Sequence[str], language: Language) -> str:
    match len(names):
        case 1:
            return names[0]
        case 2:
            return language.quality["other"].format(profile=names[0])
        case more:
            return language.quality["others"].format(profile=names[0], number=more - 1)
