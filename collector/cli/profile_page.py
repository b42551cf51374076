"""The page of one profile, for a person or for a program."""

from collections.abc import Iterable, Sequence

import msgspec

from collector.cli.format import ago, as_json_text, as_text, counted, when
from collector.models.analytics import Metrics
from collector.store.fleet import Poll, ProfileStatus
from collector.store.profile_page import MissingDay, Particulars

_MOST_DAYS = 10

Line = tuple[str, str | None]


class ProfilePage(msgspec.Struct, frozen=True):
    """All that is known of one profile."""

    status: ProfileStatus
    particulars: Particulars
    missing: Sequence[MissingDay]
    polls: Sequence[Poll]


def as_json(page: ProfilePage) -> str:
    """Return one object with all of it."""
    fields = {**msgspec.structs.asdict(page.status), **msgspec.structs.asdict(page.particulars)}
    del fields["id"]
    return as_json_text({**fields, "missing": page.missing, "polls": page.polls})


def as_page(page: ProfilePage) -> str:
    """Return a page of short sections; what is not known or does not matter is left out."""
    status = page.status
    sections = {
        f"{status.name}, client {status.client} (times are UTC)": _who(status),
        "data": _data(page),
        f"numbers of {status.settled_day}, the newest settled day": _numbers(status, page.particulars),
        "drops": _drops(page),
        "pins": _pins(page.particulars),
    }
    parts = [[title, *lines] for title, rows in sections.items() if (lines := _aligned(rows))]
    return "\n\n".join("\n".join(lines) for lines in [*parts, _polls(page.polls)])


def _aligned(rows: Iterable[Line]) -> list[str]:
    told = [(label, text) for label, text in rows if text]
    width = max((len(label) for label, _ in told), default=0)
    return [f"  {label:<{width}}  {text}" for label, text in told]


def _who(status: ProfileStatus) -> list[Line]:
    reason = f": {status.state_reason}" if status.state_reason else ""
    doubt = None
    if status.account_changed_at is not None:
        before = f", before {status.former_account_name}" if status.former_account_name else ""
        doubt = (
            f"another one since {when(status.account_changed_at)}{before}? The days from {status.seam_day} on are its; "
            "`collector profiles accept` if that is right"
        )
    return [
        ("state", f"{status.state}{reason}, since {when(status.state_since)}"),
        ("account", status.account_name),
        ("account changed?", doubt),
        ("tags", ", ".join(status.tags)),
        ("refId", status.ref_id),
        ("added", when(status.created_at)),
    ]


def _data(page: ProfilePage) -> list[Line]:
    status, window = page.status, page.particulars.window_days
    failures = f"; {counted(status.consecutive_failures, 'failure')} in a row" if status.consecutive_failures else ""
    last = f"{status.last_outcome}, {when(status.last_poll_at)}{failures}" if status.last_poll_at else "never"
    settled = f", settled through {status.settled_through}" if status.settled_through else ", none of them settled"
    limits = f"{counted(status.rate_limited_today, 'answer')} of 429 today" if status.rate_limited_today else None
    return [
        ("last good answer", when(status.last_success_at)),
        ("last poll", last),
        ("what was wrong", status.last_error),
        ("next poll", when(status.next_poll_at) if status.next_poll_at else "none, until somebody acts"),
        ("days", f"{status.first_day} to {status.last_day}{settled}" if status.last_day else "none yet"),
        ("window", f"{counted(window, 'day')} in an answer" if window else None),
        ("missing days", _missing(page) if status.last_day else None),
        ("rate limit", limits),
    ]


def _missing(page: ProfilePage) -> str:
    if not page.missing:
        return "none"
    named = ", ".join(str(each.day) for each in page.missing[-_MOST_DAYS:])
    more = f"the newest {_MOST_DAYS} are " if len(page.missing) > _MOST_DAYS else ""
    lost = sum(each.lost for each in page.missing)
    if lost == len(page.missing):
        fate = "; Ayrshare no longer serves them"
    else:
        fate = f"; the next is lost in {counted(page.status.days_until_data_loss or 0, 'day')}"
        fate += f", {lost} already {'is' if lost == 1 else 'are'}" if lost else ""
    return f"{len(page.missing)}: {more}{named}{fate}"


def _numbers(status: ProfileStatus, particulars: Particulars) -> list[Line]:
    if status.settled_day is None:
        return []
    rows: list[Line] = []
    for name in Metrics.__struct_fields__:
        value, window = getattr(status, name), getattr(status, f"window_{name}")
        sums = f", {as_text(window)} in the window" if window is not None else ""
        rows.append((name.replace("_", " "), f"{'no number' if value is None else as_text(value)}{sums}"))
    followers = None if status.followers is None else str(status.followers)
    of = f" of {counted(particulars.window_days, 'day')}" if particulars.window_days else ""
    read = f"the window{of} as of {when(status.snapshot_at)}" if status.snapshot_at else None
    return [*rows, ("followers", followers), ("from", read)]


def _drops(page: ProfilePage) -> list[Line]:
    particulars, expected = page.particulars, page.status.engagement_expected
    low = page.status.engagement_expected_low
    rows: list[Line] = [("open", sentence) for sentence in particulars.open_drops]
    if not rows and particulars.not_judged is None:
        rows.append(("open", "none"))
    band = f"{expected:.4g} engagements a day, {low:.4g} or more is normal" if expected and low is not None else None
    return [
        *rows,
        ("not judged", particulars.not_judged),
        ("expected", band if particulars.not_judged is None else None),
        ("sensitivity", particulars.drop_sensitivity),
    ]


def _pins(pins: Particulars) -> list[Line]:
    if not (pins.pins_queued or pins.pins_unknown or pins.pins_failed or pins.pins_wait_for):
        return []
    due = f", {pins.pins_due} due" if pins.pins_due else ""
    following = f", the next one {when(pins.next_pin_at)}" if pins.next_pin_at else ""
    detail = f": {pins.pins_wait_detail}" if pins.pins_wait_detail else ""
    return [
        ("queued", f"{pins.pins_queued}{due}{following}"),
        ("unknown", str(pins.pins_unknown) if pins.pins_unknown else None),
        ("failed", str(pins.pins_failed) if pins.pins_failed else None),
        ("they wait", f"{pins.pins_wait_for}{detail}" if pins.pins_wait_for else None),
    ]


def _polls(polls: Sequence[Poll]) -> list[str]:
    if not polls:
        return ["recent polls: none"]
    lines = ["recent polls"]
    width = max(len(poll.outcome) for poll in polls)
    for poll in polls:
        days = f"{poll.rows_new} new, {poll.rows_changed} changed"
        why = f"  {poll.detail}" if poll.detail else ""
        at = f"{poll.polled_at:%Y-%m-%d %H:%M:%S} ({ago(poll.polled_at)})"
        lines.append(f"  {at}  {poll.outcome:<{width}}  {poll.duration_seconds:.2f} s  {days}{why}")
        if poll.excerpt:
            lines.append(f"    {poll.excerpt}")
    return lines
