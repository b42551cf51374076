"""``collector pins``: the queue."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import BinaryIO
from zoneinfo import ZoneInfo

import click
import msgspec

from collector.app.on_demand import boards_of, check_pins
from collector.app.storage import open_storage
from collector.cli.execute import execute, settings_for_command
from collector.cli.format import as_json_text, as_text, bad_lines, part_of, print_csv, print_table, when
from collector.cli.media import check_media, look_first, media_problems
from collector.cli.option import Day, Form, TimeZone, Whole, in_format
from collector.cli.plan import show_dry_run
from collector.cli.results import times, top
from collector.cli.story import pin_story
from collector.errors import BadLinesError, PinError
from collector.models.pin import Board, NewPin, Override, PinContent, PinState
from collector.models.plan import Planned
from collector.publish.operator import Evidence, FoundPin, PinOperator, Retry
from collector.publish.table import publish_time, scan_pins
from collector.store.listing import ListedPin, Listing, PinFilter, PinSort
from collector.store.pin import PinStore
from collector.store.pin_check import CheckStore
from collector.store.pin_import import Hints, Imported, PinImporter
from collector.store.pool import Database
from collector.store.profile import ProfileStore
from collector.store.top_pin import TopPinStore
from collector.table.moment import DateFormat, MomentHints, Moments


@click.group()
def pins() -> None:
    """Queue pins, see and change what is queued, and see how published ones do.

    The daemon publishes a pin when it is due, one of a profile at a time, and never sends one again whose fate it does
    not know. Such a pin is `unknown` and is looked for in Ayrshare's history.
    """


pins.add_command(top)
pins.add_command(times)

_OVERRIDES = {
    Override.PAST: "--past allows it",
    Override.CHECK_MEDIA: "--check-media none queues it all the same",
}
_OF_TIMES = MomentHints(
    zone=", or --timezone", forms={form: f", or --date-format {form}" for form in (DateFormat.GERMAN, DateFormat.US)}
)
_IN_A_TABLE = Hints(past=f"; {_OVERRIDES[Override.PAST]}", replace="; --replace changes it")


@contextmanager
def _options_told() -> Iterator[None]:
    """Add to what is wrong with a pin which options or commands help."""
    try:
        yield
    except PinError as error:
        hints = [_OVERRIDES[each.override] for each in error.problems if each.override is not None]
        if any(each.field == "board_id" for each in error.problems):
            hints.append("`collector pins boards` lists them")
        raise PinError("; ".join([str(error), *dict.fromkeys(hints)])) from None


_PAST = click.option("--past", is_flag=True, help="Allow a time more than a day past; such a pin goes out at once.")


def _content_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options of what a pin holds; None is an option that was not given."""
    options = (
        click.option(
            "--media-url",
            "media_urls",
            multiple=True,
            help="https address of the image or video; two to five images make a carousel.",
        ),
        click.option("--description", help="Up to 500 characters."),
        click.option("--title", help="Up to 100 characters."),
        click.option("--link", help="Where a click leads."),
        click.option("--board-id", help="A number; `collector pins boards` lists them. Unset: the account's default."),
        click.option("--alt-text", "alt_texts", multiple=True, help="One for each image, in order."),
        click.option("--carousel", help='Texts of the images: a JSON list of {"title", "link", "description"}.'),
        click.option("--thumbnail-url", help="Cover image; a video needs one."),
        click.option("--note", help="Private note, up to 1,000 characters."),
        click.option("--publish-at", help="Time with its zone, like 2026-12-24T18:00:00Z. Unset, or past: at once."),
        _PAST,
    )
    for option in reversed(options):
        command = option(command)
    return command


@pins.command()
@click.argument("profile")
@click.option(
    "--client-ref",
    required=True,
    help="Your own name for the pin. The same one again changes nothing, so a command can be repeated safely.",
)
@_content_options
@check_media
def add(
    *,
    profile: str,
    client_ref: str,
    publish_at: str | None,
    carousel: str | None,
    past: bool,
    media: str,
    **content: object,
) -> None:
    """Queue a pin of PROFILE."""
    given = {name: value for name, value in content.items() if value is not None}
    pin = NewPin(
        profile=profile,
        client_ref=client_ref.strip(),
        publish_at=publish_time(publish_at) if publish_at is not None else None,
        content=msgspec.convert({**given, "carousel": _json(carousel)}, PinContent),
    )

    async def work() -> str:
        async with open_storage(settings_for_command()) as database:
            queued = await _operator(database).add(pin, past=past, look=partial(look_first, which=media))
            if queued.created:
                return f"pin {queued.id} queued"
            known, _ = await PinStore(database).story(queued.id)
            there = f"{profile} has this client_ref already: pin {known.id}, {known.state}"
            if not queued.differs:
                return f"{there}; nothing was changed"
            mend = f"`collector pins edit {known.id}` changes it" if known.state is PinState.QUEUED else "it stays so"
            raise PinError(f"{there}, with another {', '.join(queued.differs)}; nothing was changed; {mend}")

    with _options_told():
        click.echo(execute(work()))


@pins.command()
@click.argument("pin_id", metavar="ID", type=int)
@_content_options
@check_media
def edit(
    *, pin_id: int, publish_at: str | None, carousel: str | None, past: bool, media: str, **content: object
) -> None:
    """Change a queued pin: what is given, and nothing else. An empty text takes a value away."""
    given = {name: value for name, value in content.items() if value not in (None, ())}
    if carousel is not None:
        given["carousel"] = _json(carousel) if carousel else None
    if not given and publish_at is None:
        raise click.UsageError("nothing to change; name at least one option")
    moment = publish_time(publish_at) if publish_at is not None else None

    async def work() -> None:
        changes = {name: _emptied(name, value) for name, value in given.items()}
        async with open_storage(settings_for_command()) as database:
            look = partial(look_first, which=media)
            await _operator(database).edit(pin_id, changes, moment, past=past, look=look)

    with _options_told():
        execute(work())
    changed = [name for name in PinContent.__struct_fields__ if name in given]
    changed += ["publish_at"] if moment is not None else []
    click.echo(f"pin {pin_id} changed: {', '.join(changed)}")


def _emptied(name: str, value: object) -> object:
    """Return what an option sets: an empty text is no value, an empty entry no entry."""
    if isinstance(value, tuple):
        return tuple(text for text in value if text)
    return None if value == "" and name != "description" else value


@pins.command()
@click.argument("profile")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def boards(profile: str, *, as_json: bool) -> None:
    """List the boards of PROFILE's Pinterest account with their ids, where Ayrshare tells them."""
    settings = settings_for_command()

    async def work() -> list[Board]:
        async with open_storage(settings) as database:
            return await boards_of(settings, database, profile)

    found = execute(work())
    if as_json:
        click.echo(as_json_text(found))
        return
    print_table(("board_id", "name"), [(board.board_id, board.name) for board in found])
    click.echo(f"{len(found)} boards" if found else "Ayrshare names no boards of this account")


def _json(text: str | None) -> str | None:
    if text is not None:
        try:
            msgspec.json.decode(text)
        except (msgspec.DecodeError, UnicodeEncodeError, RecursionError) as error:
            raise PinError(f"--carousel is not JSON: {error}; nothing was queued") from None
    return text


@pins.command("import")
@click.argument("file", type=click.File("rb"))
@click.option("--timezone", type=TimeZone(), help="Zone of times that name none, like Europe/Berlin.")
@click.option(
    "--date-format",
    type=click.Choice([each.value for each in DateFormat]),
    default=DateFormat.ISO.value,
    show_default=True,
    help="How days are written: 2026-12-24, 24.12.2026 (german) or 12/24/2026 (us).",
)
@click.option("--replace", is_flag=True, help="Change pins that are queued already to what their lines say.")
@_PAST
@check_media
@click.option("--dry-run", is_flag=True, help="Show what would be done with each line, and change nothing.")
def import_(
    *,
    file: BinaryIO,
    timezone: ZoneInfo | None,
    date_format: str,
    replace: bool,
    past: bool,
    media: str,
    dry_run: bool,
) -> None:
    """Queue the pins of a table, all or none: a CSV, or a workbook (.xlsx) of which the first sheet is read.

    Columns: profile,client_ref,publish_at,description,media_urls[,title,link,board_id,alt_texts,thumbnail_url,note], in
    any order. Several values in a cell are separated by |. An empty publish_at is at once. An import can be repeated:
    a client_ref that its profile has had changes nothing, and is refused where the line differs from that pin, unless
    --replace is given. FILE may be - for standard input.
    """
    try:
        table = scan_pins(file.read(), Moments(timezone, DateFormat(date_format), _OF_TIMES))
    except BadLinesError as error:
        raise PinError(bad_lines(error)) from None

    bad = [*table.bad, *execute(media_problems(table.rows, media))]

    async def plan() -> list[tuple[int, Planned]]:
        async with open_storage(settings_for_command()) as database:
            return await PinImporter(database).plan(table.rows, past=past, replace=replace, hints=_IN_A_TABLE)

    async def work() -> Imported:
        async with open_storage(settings_for_command()) as database:
            return await PinImporter(database).enqueue_all(
                table.rows, bad=bad, past=past, replace=replace, hints=_IN_A_TABLE
            )

    if dry_run:
        show_dry_run(execute(plan()), bad)
        return
    try:
        done = execute(work())
    except BadLinesError as error:
        raise PinError(bad_lines(error)) from None
    changed = f", {done.replaced} changed" if replace else ""
    click.echo(f"{done.created} queued{changed}, {len(table.rows) - done.created - done.replaced} known already")


@pins.command("list")
@click.option("--profile", help="Only pins of this profile.")
@click.option("--client", help="Only pins of this client.")
@click.option("--state", type=click.Choice([state.value for state in PinState]), help="Only pins in this state.")
@click.option("--tag", help="Only pins of profiles with this tag.")
@click.option("--text", help="Only pins with this in their client_ref, title or description, in any case.")
@click.option("--since", type=Day(), help="Only pins due on this day (UTC) or later.")
@click.option("--until", type=Day(), help="Only pins due before this day (UTC).")
@click.option("--sort", type=click.Choice([each.value for each in PinSort]), default="newest", show_default=True)
@click.option("--limit", default=100, show_default=True, type=Whole(1, 1_000_000), help="At most so many.")
@in_format
def list_(*, sort: str, limit: int, form: str, **wanted: object) -> None:
    """List pins: the newest, or those that every filter lets through."""

    async def work() -> tuple[list[ListedPin], int]:
        async with open_storage(settings_for_command()) as database:
            listing, chosen = Listing(database), msgspec.convert(wanted, PinFilter)
            found = await listing.pins(chosen, PinSort(sort), limit)
            return found, await listing.count_pins(chosen) if len(found) == limit else len(found)

    found, total = execute(work())
    match Form(form):
        case Form.JSON:
            click.echo(as_json_text(found))
        case Form.CSV:
            print_csv(ListedPin, found)
        case Form.TABLE:
            titles = ("pin", "profile", "client_ref", "state", "due (UTC)", "attempts", "result")
            print_table(titles, [_cells(pin) for pin in found])
            click.echo(part_of(len(found), total, "pin", which="newest" if sort == PinSort.NEWEST else "first"))


def _cells(pin: ListedPin) -> tuple[str, ...]:
    until = f" until {as_text(pin.waits_until)}" if pin.waits_until is not None else ""
    waits = f"waits: {pin.waits_for}{until}" if pin.waits_for is not None else None
    result = pin.pin_url or waits or pin.last_error or ""
    return (str(pin.id), pin.profile, pin.client_ref, pin.state, when(pin.publish_at), str(pin.attempts), result[:100])


@pins.command()
@click.argument("pin_id", metavar="ID", type=int)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def show(pin_id: int, *, as_json: bool) -> None:
    """Show the whole story of a pin: each attempt to publish it, and how it did since."""

    async def work() -> str:
        async with open_storage(settings_for_command()) as database:
            pin, attempts = await PinStore(database).story(pin_id)
            return pin_story(pin, attempts, await TopPinStore(database).of_pin(pin_id), as_json=as_json)

    click.echo(execute(work()))


@pins.command()
@click.argument("pin_id", metavar="ID", type=int)
@click.option("--yes", is_flag=True, help="Do not ask.")
def cancel(pin_id: int, *, yes: bool) -> None:
    """Take a queued pin out of the queue, or give an unknown one up."""

    async def find() -> FoundPin:
        async with open_storage(settings_for_command()) as database:
            return await _operator(database).find_cancellable(pin_id)

    async def work() -> None:
        async with open_storage(settings_for_command()) as database:
            await _operator(database).cancel(pin)

    pin = execute(find())
    if pin.state is PinState.UNKNOWN and not yes:
        # Asked outside the event loop, whose signal handlers would swallow a Ctrl-C.
        click.confirm(f"Pin {pin_id} may be live. Stop looking for it?", abort=True)
    execute(work())
    click.echo(f"pin {pin_id} cancelled" + ("; it may be live" if pin.state is PinState.UNKNOWN else ""))


_WARNINGS = {
    Evidence.ABSENT: "Pin {} is not in Ayrshare's history.",
    Evidence.UNASKED: "Nobody has looked whether pin {} is live.",
}


@pins.command()
@click.argument("pin_id", metavar="ID", type=int)
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--without-history", is_flag=True, help="Do not look for it first, where the history cannot be read.")
def retry(pin_id: int, *, yes: bool, without_history: bool) -> None:
    """Send a failed, cancelled or unknown pin again, at once.

    Of an unknown one Ayrshare's history is asked first. If the pin is there, that is recorded and nothing is sent.
    """
    settings = settings_for_command()

    async def prepare() -> Retry:
        async with open_storage(settings) as database:
            check = None if without_history else partial(check_pins, settings, database)
            return await _operator(database).prepare_retry(pin_id, check)

    async def work() -> None:
        async with open_storage(settings) as database:
            await _operator(database).retry(found.pin)

    found = execute(prepare())
    if found.pin.state is PinState.QUEUED:
        click.echo(f"pin {pin_id} queued again")
        return
    if found.evidence is Evidence.SETTLED:
        click.echo(f"pin {pin_id} is in Ayrshare's history: {found.pin.state.value}; nothing was sent")
        return
    if found.may_be_live and not yes:
        click.confirm(f"{_WARNINGS[found.evidence].format(pin_id)} Sent twice it is live twice. Send it?", abort=True)
    execute(work())
    click.echo(f"pin {pin_id} queued again")


def _operator(database: Database) -> PinOperator:
    return PinOperator(PinStore(database), CheckStore(database))


@pins.command()
@click.argument("profiles", nargs=-1, required=True)
def resume(profiles: Sequence[str]) -> None:
    """Let PROFILES publish again at once: after a spam block, without waiting for the end of the cool-down."""

    async def work() -> dict[str, str]:
        async with open_storage(settings_for_command()) as database:
            await ProfileStore(database).named(profiles)
            return await PinStore(database).resume(profiles)

    lanes = execute(work())
    for name in dict.fromkeys(profiles):
        state = lanes.get(name)
        but = "" if state == "active" else f", but the profile is {state}; `collector profiles resume` ends that"
        click.echo(f"{name}: its pins go out now{but}" if state is not None else f"{name}: it never had a pin")
