"""Puts into words what a verdict rests on. Pure."""

from collector.detect.model import History, Silence
from collector.detect.sentence import NAMES, in_words
from collector.models.drop import JUDGED_METRICS, SILENCE, TOGETHER, Decision, Episode, Unmet

_UNMET = {
    Unmet.VOLUME: "that is too few events to tell",
    Unmet.GAPS: "too many of these days have no number",
    Unmet.SCORE: "that is within chance",
    Unmet.LOSS: "that is too small a loss",
    Unmet.NEWEST_DAY: "but the newest day is not low",
    Unmet.ONE_DAY: "but only one day is low, and a single day is no drop",
    Unmet.OPEN_ALREADY: "and a drop is open already, to which this belongs",
}


def verdict_in_words(history: History, profile: int) -> tuple[Decision, Unmet | None, str]:
    """Return what the verdict on a profile's newest day rests on, the condition that failed, and both in words."""
    episode = open_episode(history, profile)
    if episode is not None:
        return episode.decision, None, why(episode)
    silence = Silence(int(history.silence[profile, 0, -1]))
    if silence != Silence.NONE or history.checks is None:
        ready = history.ready_on[profile]
        until = f"; it will be judged from {ready} on" if ready is not None else ""
        return Decision(), None, f"The day is not judged: {silence.text}{until}."
    where = history.checks.closest(profile)
    decision, unmet = history.checks.decision(where), history.checks.unmet(where)
    return decision, unmet, _not_called(decision, unmet)


def why(episode: Episode) -> str:
    """State the decision on a drop in two sentences."""
    decision = episode.decision
    needed = f"a score of {decision.threshold:.1f}"
    if decision.decided_by == SILENCE:
        return (
            f"On {in_words(episode.detected_day)} the last {decision.window_days} days were silent, with a score of "
            f"{decision.window_score:.1f}. Single silent days are usual here; a drop needs {needed}, or a week of them."
        )
    return (
        f"On {in_words(episode.detected_day)} {_found(decision)}. "
        f"A drop needs a loss of {_share(decision.least_loss)} and {needed}, which chance hardly reaches."
    )


def open_episode(history: History, profile: int) -> Episode | None:
    """Return the open episode, of engagement before others."""
    lasting = [one for one in history.episodes[profile] if one.closed_on is None]
    return min(lasting, key=lambda one: JUDGED_METRICS.index(one.metric), default=None)


def _not_called(decision: Decision, unmet: Unmet | None) -> str:
    return (
        f"No drop: {_found(decision)}; {_UNMET[unmet] if unmet else 'it fell'}. "
        f"A drop needs a loss of {_share(decision.least_loss)} and a score of {decision.threshold:.1f}."
    )


def _found(decision: Decision) -> str:
    what = "all metrics together" if decision.decided_by == TOGETHER else NAMES[decision.decided_by].lower()
    change = f"{_share(abs(decision.window_loss))} {'below' if decision.window_loss > 0 else 'above'}"
    days = f"the newest {decision.window_days} days" if decision.window_days else "the newest days"
    return f"{what} were {change} the expected over {days}, with a score of {decision.window_score:.1f}"


def _share(share: float) -> str:
    return f"{100 * share:.0f} %"
