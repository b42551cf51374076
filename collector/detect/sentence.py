"""Sums an episode up in one sentence that a client manager can read. Pure."""

from dataclasses import dataclass
from datetime import date

from collector.detect.fleet import FleetEpisode
from collector.models.drop import CloseReason, Episode

NAMES = {"engagement": "Engagement", "impression": "Impressions", "outbound_click": "Outbound clicks", "save": "Saves"}
_ENDINGS = {
    CloseReason.NEW_NORMAL: "this has lasted so long that it is the new normal",
    CloseReason.DEEPENED: "then it fell further",
    CloseReason.DATA_ENDED: "then the data ended",
    CloseReason.ACCOUNT_CHANGED: "then another Pinterest account took its place",
}
_LEAST_SILENT_DAYS = 7


@dataclass(frozen=True, slots=True)
class Causes:
    """What the data shows around an episode; None or 0 is "not so". Days are settled days."""

    days_without_pins: int = 0
    link_lost_on: date | None = None
    fleet: FleetEpisode | None = None
    missing_days: int = 0


def sentence(profile: str, episode: Episode, causes: Causes | None = None) -> str:
    """State what came, since when, what was expected, and the likeliest cause; numbers are means a day."""
    name = NAMES[episode.metric]
    lasts = episode.closed_on is None and episode.usual_since is None
    first = in_words(episode.first_day)
    when = f"since {first}" if lasts else f"from {first} to {in_words(episode.last_day)}"
    facts = (
        f"{name} of {profile} {'fell' if lasts else 'had fallen'} to {_number(episode.observed)} a day {when}; "
        f"{_number(episode.expected)} were expected"
    )
    # A lasting drop may rise above the bound that raised the alarm.
    if episode.observed < episode.expected_low:
        facts += f" (at least {_number(episode.expected_low)})"
    also = [NAMES[each].lower() for each in episode.decision.also_fell.split(",") if each]
    if also:
        facts += f", and {_listed(also)} fell too"
    return f"{facts}{_cause(causes or Causes())}{_ending(episode)}."


def fleet_sentence(drop: FleetEpisode, newest: date) -> str:
    """Sum a drop of the fleet up; it lasts if it reaches ``newest``, the fleet's newest settled day."""
    first = in_words(drop.first_day)
    when = f"dropped together since {first}"
    if not drop.is_open(newest):
        when = f"had dropped together from {first} to {in_words(drop.last_day)}"
    fleet = f"{drop.profiles} profiles, {100 * drop.share:.0f} % of the fleet"
    return f"{fleet}, {when}: likely Pinterest or Ayrshare, not the clients."


def _cause(causes: Causes) -> str:
    if causes.fleet is not None:
        share = f"{100 * causes.fleet.share:.0f} %"
        return f", as the whole fleet dropped ({share} of profiles): likely Pinterest or Ayrshare, not the client"
    if causes.link_lost_on is not None:
        return f", likely because the link to Pinterest was lost on {in_words(causes.link_lost_on)}"
    if causes.missing_days:
        return f", but {_days(causes.missing_days)} of data {'is' if causes.missing_days == 1 else 'are'} missing"
    if causes.days_without_pins >= _LEAST_SILENT_DAYS:
        return f", and no pin was published for {_days(causes.days_without_pins)}"
    return ""


def _ending(episode: Episode) -> str:
    if episode.closed_on is None:
        return f"; it has been back to normal since {in_words(episode.usual_since)}" if episode.usual_since else ""
    if episode.close_reason is CloseReason.RECOVERED:
        return f"; it had recovered by {in_words(episode.closed_on)}"
    return f"; {_ENDINGS[episode.close_reason]}" if episode.close_reason else ""


def _number(value: float) -> str:
    return f"{value:,.1f}".removesuffix(".0") if value < 10 else f"{value:,.0f}"  # noqa: PLR2004 -- small counts keep a digit


def _listed(words: list[str]) -> str:
    return f"{', '.join(words[:-1])} and {words[-1]}" if len(words) > 1 else words[0]


def _days(number: int) -> str:
    return f"{number} day" if number == 1 else f"{number} days"


def in_words(when: date) -> str:
    """Return a day as people say it, without the year."""
    return f"{when.day} {when:%B}"
