"""Answers `POST /post`, `DELETE /post`, `POST /validate/post` and `GET /history`."""

from urllib.parse import urlencode

import msgspec

from collector.emulator.analytics import pin_metrics
from collector.emulator.config import DAY_SECONDS, iso_millis, iso_seconds
from collector.emulator.errors import DELETE_UNKNOWN, Json, Problem, RefusalError, parameters, refuse
from collector.emulator.pins import Pin
from collector.emulator.publishing import InvalidPostError, PostRequest, parse_post
from collector.emulator.record import AcceptedPost
from collector.emulator.state import Call, Emulator

_UNCACHED_ROWS = 25
# Ayrshare's code is not known; a client must not depend on it.
_KEY_USED = Problem(400, 159, "The idempotencyKey has already been used and must be unique.", "post")


def publish(emulator: Emulator, call: Call) -> bytes:
    """Publish (or schedule) a pin; the same pin sent twice is published twice, as on Pinterest."""
    call.account.insist_on_quota(call.now, emulator.config)
    body = call.body()
    _burn_key(emulator, call, body)
    request = _parsed(call, body)
    pin = _new_pin(emulator, call, request)
    pin.failure = _failure(call)
    emulator.pins.add(call.account, pin)
    # A post that fails counts as well.
    call.account.quota_used += 1
    if pin.failure is not None:
        raise _post_refusal(call, pin.failure, body, pin)
    emulator.record.posts.append(_accepted(pin))
    answer = _wrapped(call, _published(pin, call.now), pin.status(call.now))
    others = [name for name in request.platforms if name != "pinterest"]
    if others:
        raise _partial(call, pin, others)
    return msgspec.json.encode(answer)


def validate(_emulator: Emulator, call: Call) -> bytes:
    """Check a post without publishing it."""
    body = call.body()
    _parsed(call, body)
    problem = call.link_problem()
    if problem is not None:
        raise _post_refusal(call, problem, body)
    return msgspec.json.encode({"status": "success", "errors": [], "validate": True})


def delete(emulator: Emulator, call: Call) -> bytes:
    """Delete a post by Ayrshare's id."""
    call.account.insist_on_quota(call.now, emulator.config)
    pin = emulator.pins.find(call.account, str(call.body().get("id", "")))
    if pin is None or pin.deleted:
        raise refuse(DELETE_UNKNOWN)
    pin.deleted = True
    return msgspec.json.encode({"status": "success", "id": pin.id, "refId": pin.ref_id})


def history(emulator: Emulator, call: Call) -> bytes:
    """List the account's posts, newest first; an empty list is an error, as at Ayrshare."""
    call.account.insist_on_quota(call.now, emulator.config)
    limit, days = call.number("limit", _UNCACHED_ROWS, 1_000), call.number("lastDays", 30, 3_650, smallest=0)
    cache_key = (call.account.index, urlencode(sorted(call.query.items())))
    fresh_until, answer = emulator.history_answers.get(cache_key, (0.0, b""))
    if call.now < fresh_until:
        return answer
    rows = _rows(emulator, call, days)
    count, rows = _shown(call, rows, limit)
    if not rows and not count:
        message = f"History not found for the past {days} days."
        raise refuse(Problem(400, 221, message, "get"), "history")
    kept_seconds = emulator.config.history_cache_seconds if limit > _UNCACHED_ROWS else 0.0
    answer = _history_answer(call, rows, count, kept_seconds)
    if kept_seconds:
        emulator.history_answers[cache_key] = (call.now + kept_seconds, answer)
    return answer


def _rows(emulator: Emulator, call: Call, days: int) -> list[Json]:
    networks = {value for name, value in call.query.items() if name.startswith("platforms")}
    if networks and "pinterest" not in networks:
        return []
    status = call.query.get("status")
    since = call.time("startDate", call.now - days * DAY_SECONDS if days else 0.0)
    until = call.time("endDate", call.now)
    posts = [pin for pin in emulator.pins.newest_first(call.account) if since <= int(pin.created) <= until]
    rows = [pin.history_row(call.now) for pin in posts]
    return [row for row in rows if status in {None, row["status"]}]


def _shown(call: Call, rows: list[Json], limit: int) -> tuple[int, list[Json]]:
    """Return the `count` and the rows of an answer: `short_history` shows fewer than there are."""
    fault = call.fault
    if fault is None or fault.fault != "short_history":
        rows = rows[:limit]
        return len(rows), rows
    shown = rows[: min(limit, fault.rows)]
    return len(rows) if fault.counts_all else len(shown), shown


def native_history(emulator: Emulator, call: Call) -> bytes:
    """List the account's live pins as Pinterest has them, newest first; the shape is a guess."""
    call.account.insist_on_quota(call.now, emulator.config)
    limit, start = call.number("limit", 100, 500), call.number("cursor", 0, 1_000_000, smallest=0)
    pins = [pin for pin in emulator.pins.newest_first(call.account) if pin.status(call.now) == "success"]
    rows = [pin.native_row() for pin in pins[start : start + limit]]
    if call.query.get("skipAnalytics") != "true":
        shown = zip(rows, pins[start:], strict=False)
        rows = [row | {"analytics": pin_metrics(emulator.config.seed, pin, call.now)} for row, pin in shown]
    answer: Json = {"posts": rows, "status": "success"}
    if start + limit < len(pins):
        answer["pagination"] = {"hasMore": True, "nextCursor": str(start + limit)}
    return msgspec.json.encode(answer)


def _history_answer(call: Call, rows: list[Json], count: int, kept_seconds: float) -> bytes:
    return msgspec.json.encode(
        {
            "history": rows,
            "refId": call.account.identity.ref_id,
            "count": count,
            "lastUpdated": iso_millis(call.now),
            "nextUpdate": iso_millis(call.now + kept_seconds),
        }
    )


def _burn_key(emulator: Emulator, call: Call, body: Json) -> None:
    # Before any check: a post that fails for whatever reason has used up its key.
    key = body.get("idempotencyKey")
    if isinstance(key, str) and not emulator.pins.burn(call.account, key):
        raise _post_refusal(call, _KEY_USED, body)


def _parsed(call: Call, body: Json) -> PostRequest:
    try:
        return parse_post(body)
    except InvalidPostError as error:
        raise _post_refusal(call, parameters(str(error), "post"), body) from error


def _new_pin(emulator: Emulator, call: Call, request: PostRequest) -> Pin:
    post_id, pin_id = emulator.pins.new_ids()
    fault, planned = call.fault, request.schedule_date
    slow = fault is not None and fault.fault == "processing"
    return Pin(
        id=post_id,
        pin_id=pin_id,
        profile=call.account.title,
        ref_id=call.account.identity.ref_id,
        text=request.post,
        title=request.pinterest_options.title,
        media_urls=request.media_urls,
        notes=request.notes,
        idempotency_key=request.idempotency_key,
        created=call.now,
        due=max(call.now, planned.timestamp()) if planned else call.now,
        processing_seconds=fault.seconds or 0.0 if fault is not None and slow else 0.0,
    )


def _failure(call: Call) -> Problem | None:
    fault = call.fault
    if fault is None or fault.fault != "post_error":
        return call.link_problem()
    message = fault.message or "Pinterest refused the pin."
    extra = {"retryAvailable": True} if fault.retry_available else {}
    return Problem(fault.status or 400, fault.code or 138, message, "post", extra)


def _published(pin: Pin, now: float) -> Json:
    status = pin.status(now)
    answer: Json = {"status": "scheduled" if status == "pending" else status, "errors": [], "postIds": []}
    if status == "pending":
        answer["scheduleDate"] = iso_seconds(pin.due)
    elif status == "processing":
        answer["postIds"] = [{"status": "processing", "id": "", "platform": "pinterest"}]
    else:
        answer["postIds"] = pin.post_ids(now)
    return answer | {"id": pin.id, "refId": pin.ref_id, "post": pin.text}


def _wrapped(call: Call, answer: Json, status: str) -> Json:
    """Wrap an answer in `posts` if a Profile-Key was sent."""
    if not call.keyed:
        return answer
    outer = "error" if status == "error" else "success"
    return {"status": outer, "posts": [{**answer, "profileTitle": call.account.title}], "validate": True}


def _partial(call: Call, pin: Pin, others: list[str]) -> RefusalError:
    """Refuse the other networks after the pin was published: both `errors` and `postIds` are filled."""
    failures = [
        {"action": "post", "status": "error", "code": 156, "message": f"{name} is not linked.", "platform": name}
        for name in others
    ]
    answer = _published(pin, call.now) | {"status": "error", "errors": failures}
    return RefusalError(400, _wrapped(call, answer, "error"))


def _post_refusal(call: Call, problem: Problem, body: Json, pin: Pin | None = None) -> RefusalError:
    failure = problem.body() | {"action": "post", "platform": "pinterest"}
    answer: Json = {"status": "error", "errors": [failure], "postIds": []}
    if pin is not None:
        answer["id"] = pin.id
    answer |= {"refId": call.account.identity.ref_id, "post": body.get("post", "")}
    return RefusalError(problem.http_status, _wrapped(call, answer, "error"))


def _accepted(pin: Pin) -> AcceptedPost:
    return AcceptedPost(
        profile=pin.profile,
        id=pin.id,
        pin_id=pin.pin_id,
        notes=pin.notes,
        idempotency_key=pin.idempotency_key,
        time=iso_millis(pin.created),
        post=pin.text,
    )
