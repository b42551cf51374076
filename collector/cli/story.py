"""Tells everything that is known of one pin."""

from collections.abc import Sequence

import msgspec

from collector.cli.format import as_json_text, as_text
from collector.models.pin import PinState
from collector.publish.remedy import ADVICE, remedy_of
from collector.store.pin import PinAttempt, PinDetails
from collector.store.top_pin import PinPoint


def pin_story(pin: PinDetails, attempts: Sequence[PinAttempt], points: Sequence[PinPoint], *, as_json: bool) -> str:
    """Return a pin, its attempts, and its totals over time, the oldest first."""
    fields = msgspec.structs.asdict(pin)
    del fields["version"]
    if as_json:
        return as_json_text({**fields, "attempts": attempts, "results": points})
    lines = _aligned({name: value for name, value in fields.items() if value not in (None, "", [])})
    if pin.state is PinState.FAILED:
        code = attempts[-1].code if attempts else None
        lines.append(f"what to do: {ADVICE[remedy_of(code, pin.last_error)]}")
    for attempt in attempts:
        lines += ["", f"attempt {attempt.attempt}", *_attempt_lines(attempt)]
    if points:
        lines += ["", "results, as totals", *map(_result_line, points)]
    return "\n".join(lines)


def _result_line(point: PinPoint) -> str:
    numbers = {
        name: getattr(point, name) for name in ("impression", "engagement", "save", "pin_click", "outbound_click")
    }
    told = ", ".join(f"{name} {number}" for name, number in numbers.items() if number is not None)
    return f"  {as_text(point.observed_at)}  {told or 'no numbers yet'}"


def _aligned(fields: dict[str, object]) -> list[str]:
    width = max(map(len, fields))
    return [f"{name:<{width}}  {as_text(value)}" for name, value in fields.items()]


def _attempt_lines(attempt: PinAttempt) -> list[str]:
    ended = f"{attempt.outcome} at {as_text(attempt.ended_at)}" if attempt.ended_at else "under way"
    lines = [f"  {as_text(attempt.started_at)}  sent by {attempt.owner}", f"  {ended}"]
    http_status = attempt.http_status and f"HTTP {attempt.http_status}"
    code = attempt.code and f"code {attempt.code}"
    if why := [str(part) for part in (attempt.reason, http_status, code, attempt.detail) if part]:
        lines.append(f"  {': '.join(why)}")
    if attempt.excerpt:
        lines.append(f"  {attempt.excerpt}")
    if attempt.looked_at:
        lines.append(f"  looked for at {as_text(attempt.looked_at)}: {attempt.look}")
    return lines
