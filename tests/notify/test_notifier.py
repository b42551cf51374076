"""Events are found, grouped, and told once to each target, whatever the receivers and the replicas do."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from signal import SIGKILL

import pytest

from collector.models.notice import NoticeKind
from collector.notify.deliver import open_deliverer
from collector.notify.notifier import Notifier
from collector.notify.targets import load_targets
from collector.store.drop_list import DropList
from collector.store.event import EventStore
from collector.store.notice import NoticeStore
from collector.store.pool import Database
from tests.support.drops import fill, stored_drop
from tests.support.profiles import registered, remove
from tests.support.program import PATIENCE_SECONDS, Program
from tests.support.receivers import Mailbox, Receiver, mail_server, receiver

HOOK = """
[[target]]
name = "hook"
kind = "webhook"
url = { file = "hook.url" }
secret = { file = "hook.secret" }
"""
UNLINK = "UPDATE profile SET state = 'unlinked', state_since = clock_timestamp() WHERE name = ANY ($1::text[])"


@pytest.fixture
async def hook() -> AsyncIterator[Receiver]:
    async with receiver() as made:
        write("hook.url", made.url)
        write("hook.secret", "sesame")
        yield made


@pytest.fixture
async def mailbox() -> AsyncIterator[Mailbox]:
    async with mail_server() as box:
        yield box


def mail_target(box: Mailbox, more: str = "") -> str:
    server = f"""
[smtp]
host = "127.0.0.1"
port = {box.port}
tls = "none"
from = "Collector <collector@example.com>"
"""
    return (
        server
        + f"""
[[target]]
name = "anna"
kind = "email"
to = ["anna@example.com", "ben@example.com"]
{more}
"""
    )


def write(name: str, text: str) -> None:
    Path(name).write_text(text, encoding="utf-8")


@asynccontextmanager
async def notifier(
    database: Database, text: str, *, owner: str = "me", lease: float = 60.0, group: str = "0s"
) -> AsyncIterator[Notifier]:
    write("notify.toml", f'group = "{group}"\n{text}')
    targets = load_targets(Path("notify.toml"))
    async with open_deliverer(targets) as deliverer:
        store = NoticeStore(database, owner=owner, seconds=lease)
        yield Notifier(EventStore(database), store, targets, deliverer, "https://pins.example.com")


async def names(database: Database, count: int) -> list[str]:
    made = [f"p{place:03d}" for place in range(count)]
    await registered(database, {name: f"AAAA-BBBB-{name}" for name in made})
    return made


async def test_what_was_there_before_a_target_is_not_told_and_what_comes_is_once(
    database: Database, hook: Receiver
) -> None:
    old, new = await names(database, 2)
    await database.execute(UNLINK, [old])
    async with notifier(database, HOOK) as telling:
        assert await telling.run_once() == 0
        await database.execute(UNLINK, [new])
        assert await telling.run_once() == 1
        assert await telling.run_once() == 0
    async with notifier(database, HOOK, owner="restarted") as telling:
        assert await telling.run_once() == 0

    [body] = hook.bodies
    [event] = body["events"]
    assert (event["kind"], event["profile"], event["client"]) == ("profile_unlinked", new, "acme")
    assert event["link"].startswith("https://pins.example.com/profiles/")
    headers, _ = hook.requests[0]
    assert headers["webhook-id"] == body["id"]
    assert headers["webhook-signature"].startswith("v1,")


async def test_sixty_profiles_are_one_message(database: Database, hook: Receiver, mailbox: Mailbox) -> None:
    sixty = await names(database, 60)
    async with notifier(database, HOOK + mail_target(mailbox)) as telling:
        await telling.run_once()
        await database.execute(UNLINK, sixty)
        assert await telling.run_once() == 2

    [body] = hook.bodies
    assert len(body["events"]) == 60
    [mail] = mailbox.mails
    assert mail["Subject"] == "Pinterest is not linked any more (60)"
    assert mailbox.recipients == [["anna@example.com", "ben@example.com"]]
    plain = mail.get_body(("plain",))
    assert plain is not None
    assert all(name in plain.get_content() for name in sixty)


async def test_what_happens_within_the_window_waits_for_the_others(database: Database, hook: Receiver) -> None:
    one, two = await names(database, 2)
    async with notifier(database, HOOK, group="10m") as telling:
        await telling.run_once()
        await database.execute(UNLINK, [one])
        assert await telling.run_once() == 0
        await database.execute(UNLINK, [two])
        assert await telling.run_once() == 0
        await database.execute("UPDATE notice_telling SET due_at = now() WHERE notice_id = 1")
        assert await telling.run_once() == 1

    [body] = hook.bodies
    assert [event["profile"] for event in body["events"]] == [one, two]


async def test_a_clients_manager_is_told_of_that_client_only(database: Database, mailbox: Mailbox) -> None:
    await names(database, 3)
    await database.execute("UPDATE profile SET client = 'other' WHERE name = 'p002'")
    async with notifier(database, mail_target(mailbox, 'clients = ["other"]')) as telling:
        await telling.run_once()
        await database.execute(UNLINK, ["p000", "p001", "p002"])
        assert await telling.run_once() == 1

    [mail] = mailbox.mails
    assert mail["Subject"] == "Pinterest is not linked any more: p002 (other)"


async def test_a_daily_digest_waits_for_its_hour(database: Database, mailbox: Mailbox) -> None:
    [name] = await names(database, 1)
    async with notifier(database, mail_target(mailbox, 'send = "daily"')) as telling:
        await telling.run_once()
        await database.execute(UNLINK, [name])
        assert await telling.run_once() == 0
        [due] = await database.fetch("SELECT due_at FROM notice_telling")
        assert (due["due_at"].hour, due["due_at"].minute) == (8, 0)
        await database.execute("UPDATE notice_telling SET due_at = now()")
        assert await telling.run_once() == 1


async def test_a_drop_that_is_dismissed_while_it_waits_is_not_told(database: Database, hook: Receiver) -> None:
    await names(database, 3)
    drops = DropList(database)
    async with notifier(database, HOOK, group="10m") as telling:
        await telling.run_once()
        mistaken, _ = [await stored_drop(database, profile_id) for profile_id in (1, 2)]
        assert await telling.run_once() == 0
        await drops.dismiss(mistaken, "a holiday", "anna")
        await database.execute("UPDATE notice_telling SET due_at = now()")
        assert await telling.run_once() == 1
        alone = await stored_drop(database, 3)
        assert await telling.run_once() == 0
        await drops.dismiss(alone, "a holiday", "anna")
        await database.execute("UPDATE notice_telling SET due_at = now()")
        assert await telling.run_once() == 0, "nothing is left to tell"

    [body] = hook.bodies
    assert [event["profile"] for event in body["events"]] == ["p001"]


async def test_every_kind_of_event_is_found(database: Database, hook: Receiver) -> None:
    await names(database, 6)
    await fill(database, "dropping")
    async with notifier(database, HOOK) as telling:
        await telling.run_once()
        for name, state in (("p000", "unlinked"), ("p001", "suspended"), ("p002", "key_invalid")):
            await database.execute("UPDATE profile SET state = $2, state_since = now() WHERE name = $1", name, state)
        await database.execute("UPDATE profile SET last_success_at = now() - interval '27 hours' WHERE name = 'p003'")
        await database.execute(_PINS)
        await database.execute(_DROPS)
        await database.execute(_REPORT)
        await database.execute(
            "UPDATE profile SET last_day = current_date - 88, window_days = 90 WHERE name = 'dropping'"
        )
        telling._losses_at = 0.0
        await telling.run_once()
        await database.execute("UPDATE drop_episode SET closed_on = current_date, close_reason = 'recovered'")
        await telling.run_once()

    told = {event["kind"]: event for body in hook.bodies for event in body["events"]}
    assert set(told) == {kind.value for kind in NoticeKind}
    assert told["pin_failed"]["sentence"] == "A pin of p004 was not published: Spring: too small"
    assert told["fleet_drop"]["profile"] is None
    assert sum(len(body["events"]) for body in hook.bodies) == len(NoticeKind)


_PINS = """
INSERT INTO pin (profile_id, client_ref, media_urls, title, state, state_since, last_error)
SELECT id, 'r', '{https://images.example.com/a.jpg}', 'Spring', CASE name WHEN 'p004' THEN 'failed' ELSE 'unknown' END,
    now(), CASE name WHEN 'p004' THEN 'too small' END
FROM profile
WHERE name IN ('p004', 'p005')
"""
_REPORT = """
INSERT INTO monthly_report (month, client, file, written_at)
VALUES ('2026-10-01', 'acme', '2026-10/acme 2026-10.html', now())
"""
_DROPS = """
WITH fleet AS (INSERT INTO fleet_drop VALUES (current_date - 4, current_date - 3, 9, 0.9, true, 'Nine dropped.'))
INSERT INTO drop_episode (
    profile_id, metric, detected_day, first_day, last_day, observed, expected, expected_low, score, lost_share,
    inhibited, sentence
)
SELECT
    id, 'engagement', current_date - 4 - place, current_date - 5, current_date - 3, 1, 3, 2, 4, 0.6, place = 1,
    'dropping fell.'
FROM profile
CROSS JOIN generate_series(0, 1) AS place
WHERE name = 'dropping'
"""


async def test_two_replicas_tell_an_event_once(database: Database, hook: Receiver) -> None:
    many = await names(database, 20)
    async with notifier(database, HOOK, owner="a") as one, notifier(database, HOOK, owner="b") as two:
        await asyncio.gather(one.run_once(), two.run_once())
        for name in many:
            await database.execute(UNLINK, [name])
            await asyncio.gather(one.run_once(), two.run_once())
        await asyncio.gather(one.run_once(), two.run_once())

    told = [event["profile"] for body in hook.bodies for event in body["events"]]
    assert sorted(told) == many


async def test_a_receiver_that_was_down_is_told_everything_in_two_messages(database: Database, hook: Receiver) -> None:
    first, *others = await names(database, 5)
    hook.statuses = [503, 503]
    async with notifier(database, HOOK) as telling:
        await telling.run_once()
        await database.execute(UNLINK, [first])
        assert await telling.run_once() == 0
        await database.execute(UNLINK, others)
        # It is not asked again before its time, and nothing new is begun meanwhile.
        assert await telling.run_once() == 0
        assert len(hook.requests) == 1
        await _come_round(database)
        assert await telling.run_once() == 0
        await _come_round(database)
        assert await telling.run_once() == 1
        assert await telling.run_once() == 1

    assert [len(body["events"]) for body in hook.bodies] == [1, 1, 1, 4]
    assert len({body["id"] for body in hook.bodies}) == 2


async def test_a_refusal_for_good_is_given_up_at_once_and_can_be_told_after_all(
    database: Database, hook: Receiver, collector: Program
) -> None:
    [name] = await names(database, 1)
    hook.statuses = [404]
    async with notifier(database, HOOK) as telling:
        await telling.run_once()
        await database.execute(UNLINK, [name])
        await telling.run_once()
        await _come_round(database)
        assert await telling.run_once() == 0
        settings = {"NOTIFY_FILE": "notify.toml"}
        listed = await collector("notify", "list", **settings)
        assert "HTTP 404: no_service" in listed.out
        assert "very-secret-path" not in listed.out
        shown = await collector("status")
        assert "1 message to hook was given up: HTTP 404: no_service" in shown.out
        again = await collector("notify", "retry", **settings)
        assert again.out == "1 event will be told\n"
        assert await telling.run_once() == 1
    assert "given up" not in (await collector("status")).out


async def test_what_cannot_be_told_for_a_day_is_given_up(database: Database, hook: Receiver) -> None:
    [name] = await names(database, 1)
    hook.statuses = [500, 500]
    async with notifier(database, HOOK) as telling:
        await telling.run_once()
        await database.execute(UNLINK, [name])
        await telling.run_once()
        await database.execute("UPDATE notice_message SET created_at = now() - interval '25 hours'")
        await _come_round(database)
        await telling.run_once()
        await _come_round(database)
        assert await telling.run_once() == 0

    assert await database.fetchval("SELECT state FROM notice_message") == "given_up"
    assert len(hook.requests) == 2


async def test_a_daemon_that_is_killed_between_sending_and_recording_tells_again_under_the_same_name(
    database: Database, hook: Receiver, collector: Program
) -> None:
    [name] = await names(database, 1)
    async with notifier(database, HOOK) as telling:
        await telling.run_once()
        await database.execute(UNLINK, [name])
        hook.open.clear()
        settings = {"NOTIFY_FILE": "notify.toml", "ROLES": "notifier", "HTTP_PORT": "0"}
        async with collector.started("run", **settings) as process, asyncio.timeout(PATIENCE_SECONDS):
            await hook.arrived.wait()
            process.send_signal(SIGKILL)
            await process.wait()
        hook.open.set()
        assert await telling.run_once() == 0
        await database.execute("UPDATE notice_message SET lease_until = now()")
        assert await telling.run_once() == 1
        assert await telling.run_once() == 0

    assert [body["id"] for body in hook.bodies] == [hook.bodies[0]["id"]] * 2


async def test_a_daemon_with_a_mistake_in_the_file_does_not_start(collector: Program) -> None:
    write("notify.toml", 'group = "often"\n[[target]]\nname = "a"\nkind = "pigeon"\n')
    refused = await collector("run", NOTIFY_FILE="notify.toml", ROLES="notifier", HTTP_PORT="0")

    assert refused.code == 2
    assert len(refused.err.splitlines()) == 2


async def test_a_message_whose_lease_ran_out_is_not_recorded_by_the_one_who_had_it(
    database: Database, hook: Receiver
) -> None:
    [name] = await names(database, 1)
    async with notifier(database, HOOK) as telling:
        await telling.run_once()
        await database.execute(UNLINK, [name])
        hook.open.clear()
        slow = asyncio.create_task(telling.run_once())
        await hook.arrived.wait()
        await database.execute("UPDATE notice_message SET owner = 'another', attempts = attempts + 1")
        hook.open.set()
        await slow

    assert await database.fetchval("SELECT state FROM notice_message") == "waiting"


async def test_a_slow_receiver_does_not_keep_the_others_waiting(
    database: Database, hook: Receiver, mailbox: Mailbox
) -> None:
    [name] = await names(database, 1)
    async with notifier(database, HOOK + mail_target(mailbox)) as telling:
        await telling.run_once()
        await database.execute(UNLINK, [name])
        hook.open.clear()
        work = asyncio.create_task(telling.run_once())
        async with asyncio.timeout(10.0):
            while not mailbox.mails:
                await asyncio.sleep(0.01)
        assert not work.done()
        hook.open.set()
        assert await work == 2


@pytest.mark.parametrize(("answer", "state"), [("451 try later", "waiting"), ("554 no", "given_up")])
async def test_a_mail_server_that_refuses(database: Database, mailbox: Mailbox, answer: str, state: str) -> None:
    [name] = await names(database, 1)
    mailbox.answers = [answer]
    async with notifier(database, mail_target(mailbox)) as telling:
        await telling.run_once()
        await database.execute(UNLINK, [name])
        assert await telling.run_once() == 0
        [row] = await database.fetch("SELECT state, last_error FROM notice_message")
        assert (row["state"], row["last_error"]) == (state, f"SMTP {answer.replace(' ', ': ', 1)}")


async def test_a_removed_profile_is_not_told_of(database: Database, hook: Receiver) -> None:
    [name] = await names(database, 1)
    async with notifier(database, HOOK, group="1h") as telling:
        await telling.run_once()
        await database.execute(UNLINK, [name])
        await telling.run_once()
        await remove(database, name)
        assert await telling.run_once() == 0
    assert await database.fetchval("SELECT count(*) FROM notice_telling") == 0
    assert hook.requests == []


async def test_the_test_command_sends_to_every_target_and_names_those_that_fail(
    hook: Receiver, mailbox: Mailbox, collector: Program
) -> None:
    write("notify.toml", HOOK + mail_target(mailbox))
    settings = {"NOTIFY_FILE": "notify.toml"}

    both = await collector("notify", "test", **settings)
    assert (both.code, both.out) == (0, "hook: sent\nanna: sent\n")
    assert "This is a test" in hook.bodies[0]["events"][0]["sentence"]
    hook.statuses = [403]
    one = await collector("notify", "test", "--target", "hook", **settings)
    assert (one.code, one.err) == (1, "hook: HTTP 403: no_service\n")
    unknown = await collector("notify", "test", "--target", "nobody", **settings)
    assert unknown.code == 2
    assert "the file has hook, anna" in unknown.err
    write("notify.toml", HOOK + 'clients = ["Nobody"]')
    assert "no such client: Nobody" in (await collector("notify", "list", **settings)).err
    unset = await collector("notify", "list")
    assert (unset.code, unset.err) == (2, "error: COLLECTOR_NOTIFY_FILE is not set: name the file with the targets\n")


async def _come_round(database: Database) -> None:
    await database.execute("UPDATE notice_message SET next_attempt_at = now() WHERE state = 'waiting'")
