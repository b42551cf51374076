"""Answers `POST /analytics/social` and `POST /analytics/post`."""

import msgspec

from collector.emulator.config import DAY_SECONDS, iso_millis
from collector.emulator.errors import PIN_NOT_OUT, PIN_UNKNOWN, Json, RefusalError, parameters, refuse
from collector.emulator.pins import Pin
from collector.emulator.state import Call, Emulator
from collector.emulator.traffic import uniforms

_USUAL_BODY = b'{"platforms": ["pinterest"]}'
ANOTHER = 1_000_003
_FRESH_DAYS = 1.0
_FAST_DAYS = 5.0
_SLOW_DAYS = 60.0
_EVENING_SECONDS = 17 * 3600


def social(emulator: Emulator, call: Call) -> bytes:
    """Answer with the account's window of days."""
    if call.raw_body != _USUAL_BODY:
        _require_pinterest(call.body())
    _require_link(call)
    changes = emulator.faults.changes(call.account.title, call.endpoint)
    return emulator.social.answer(shown_index(emulator, call), call.now, changes)


def shown_index(emulator: Emulator, call: Call) -> int:
    """Return the number of the Pinterest account that is linked to the profile."""
    other = emulator.faults.relinked(call.account.title, call.endpoint)
    return call.account.index + ANOTHER if other else call.account.index


def post(emulator: Emulator, call: Call) -> bytes:
    """Answer with the numbers of one pin, found by Ayrshare's id or by Pinterest's."""
    call.account.insist_on_quota(call.now, emulator.config)
    body = call.body()
    _require_pinterest(body)
    _require_link(call)
    wanted = str(body.get("id", ""))
    find = emulator.pins.find_by_pin_id if body.get("searchPlatformId") else emulator.pins.find
    pin = find(call.account, wanted)
    if pin is None:
        raise refuse(PIN_UNKNOWN)
    if pin.status(call.now) != "success":
        raise RefusalError(200, {**PIN_NOT_OUT.shaped("network"), "errors": [PIN_NOT_OUT.body()], "id": pin.id})
    return msgspec.json.encode(_pin_answer(emulator, pin, call.now))


def pin_metrics(seed: int, pin: Pin, now: float) -> Json:
    """Return numbers that grow with the pin's age; on a pin's first day Pinterest shows almost none."""
    age_days = (now - pin.due) / DAY_SECONDS
    if age_days < _FRESH_DAYS:
        return {"totalComments": 0, "totalReactions": 0}
    u = uniforms(seed, "pin metrics", pin.pin_id)
    # Fast for some days, then for months; the hour at which it went out counts a little.
    grown = 0.6 * min(1.0, age_days / _FAST_DAYS) + 0.4 * min(1.0, age_days / _SLOW_DAYS)
    evening = 1.0 + 1.2 * (pin.due % DAY_SECONDS >= _EVENING_SECONDS)
    impressions = int((100 + 500 * u[0]) * evening * grown)
    saves = int(impressions * 0.03 * u[1])
    return {
        "impression": impressions,
        "pinClick": int(impressions * 0.06 * u[2]),
        "outboundClick": int(impressions * 0.02 * u[3]),
        "save": saves,
        "saveRate": saves / impressions if impressions else 0,
        "totalComments": int(4 * u[4]),
        "totalReactions": int(12 * u[5]),
        "profileVisit": int(6 * u[6]),
        "userFollow": int(3 * u[7]),
    }


def _pin_answer(emulator: Emulator, pin: Pin, now: float) -> Json:
    block = {
        "id": pin.pin_id,
        "postUrl": pin.url,
        "analytics": pin_metrics(emulator.config.seed, pin, now),
        "lastUpdated": iso_millis(now),
        "nextUpdate": iso_millis(now + emulator.config.cache_seconds),
    }
    return {"pinterest": block, "status": "success", "errors": [], "id": pin.id}


def _require_pinterest(body: Json) -> None:
    platforms = body.get("platforms")
    if not isinstance(platforms, list) or "pinterest" not in platforms:
        raise refuse(parameters("platforms must be a list with 'pinterest'; other networks are not emulated.", "get"))


def _require_link(call: Call) -> None:
    problem = call.link_problem()
    if problem is not None:
        shape = call.fault.shape if call.fault else None
        raise refuse(problem, shape or "network")
