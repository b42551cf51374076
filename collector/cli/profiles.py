"""``collector profiles ...``: the registry. Keys are read from standard input or a file, never from an argument."""

import sys
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import BinaryIO, TextIO, TypeVar

import click
import msgspec
from pydantic import SecretStr

from collector.app.on_demand import try_profile_key
from collector.app.storage import key_ring, open_storage
from collector.app.upstream import make_gate, open_ayrshare
from collector.cli import profile_page, removal
from collector.cli.encryption import rotate_encryption
from collector.cli.execute import execute, settings_for_command
from collector.cli.format import ago, as_json_text, bad_lines, part_of, print_csv, print_table, when
from collector.cli.option import Day, Form, Whole, in_format
from collector.cli.plan import done, refused, sentence, show_dry_run, trial_summary
from collector.cli.profile_page import ProfilePage
from collector.crypto import KeyRing, fingerprint, refuse_readable_by_others
from collector.errors import BadLinesError, CollectorError, RegistryError
from collector.models.plan import Planned
from collector.models.profile import ProfileState
from collector.registry.register import Comparison, compare, insist, register
from collector.registry.table import scan_profiles
from collector.registry.trial import Standing, Trial, try_keys
from collector.registry.validate import Registration, checked_key, checked_text, registration
from collector.store.fleet import FleetStore
from collector.store.listing import Listing, ProfileFilter, ProfileSort
from collector.store.profile import ProfileStore, RegisteredProfile
from collector.store.profile_page import missing_days_of, particulars_of
from collector.store.profile_plan import ProfileChange


@click.group()
def profiles() -> None:
    """Register, show and change client profiles.

    A profile key is shown by Ayrshare once, when the profile is made. It is read here from standard input (or a file),
    so that it does not end in the shell's history, and stored encrypted.
    """


profiles.add_command(rotate_encryption)


@asynccontextmanager
async def _registry() -> AsyncIterator[ProfileStore]:
    async with open_storage(settings_for_command()) as database:
        yield ProfileStore(database)


@asynccontextmanager
async def _registry_and_keys(*, create: bool = False) -> AsyncIterator[tuple[ProfileStore, KeyRing]]:
    settings = settings_for_command(keys=True)
    async with open_storage(settings, create=create) as database:
        yield ProfileStore(database), key_ring(settings)


_Command = TypeVar("_Command", bound=Callable[..., None])


def _check(*, default: bool) -> Callable[[_Command], _Command]:
    return click.option(
        "--check/--no-check",
        default=default,
        show_default=True,
        help="Ask Ayrshare whether the key is valid and Pinterest linked. An invalid one is refused.",
    )


@profiles.command()
@click.argument("name")
@click.option("--client", required=True, help="The client that the profile belongs to; alerts are grouped by it.")
@click.option("--ref-id", default="", help="Ayrshare's refId of the profile, for `discover`.")
@click.option("--tags", default="", help="Tags, separated by commas.")
@click.option("--key-file", type=click.File(), default="-", help="File with the profile key. Default: standard input.")
@_check(default=True)
def add(name: str, client: str, ref_id: str, tags: str, key_file: TextIO, *, check: bool) -> None:
    """Register one profile; its key is read from standard input, and tried."""
    key = _read_key(key_file)
    profile = registration(name=name, client=client, profile_key=key, ref_id=ref_id, tags=tags)

    async def work() -> str:
        async with _registry_and_keys(create=True) as (store, keys):
            if any(row.name == profile.name for row in await store.all()):
                raise RegistryError(f"{profile.name} is registered already; `profiles rotate-key` changes its key")
            finding = await _tried(profile.profile_key, check=check)
            insist(await register([profile], store, keys, only_new=True))
            return finding

    finding = execute(work())
    click.echo(f"{profile.name} added; it is polled next{finding}")


async def _tried(key: SecretStr | None, *, check: bool) -> str:
    """Try a key; return what was found, as the end of a sentence. Raises ``RegistryError`` for an invalid one."""
    if key is None or not check:
        return ""
    trial = await try_profile_key(settings_for_command(), key)
    if trial.standing is Standing.INVALID:
        raise RegistryError(f"the profile key is {trial}; nothing was changed. --no-check takes it all the same")
    return f". Its key was {trial}" if trial.standing is Standing.UNTRIED else f". Its key works: {trial}"


@profiles.command("import")
@click.argument("file", type=click.File("rb"))
@click.option("--dry-run", is_flag=True, help="Show what would be done with each line, and change nothing.")
@click.option("--clear-empty", is_flag=True, help="Empty cells of ref_id and tags clear what is registered.")
@_check(default=False)
def import_(file: BinaryIO, *, dry_run: bool, clear_empty: bool, check: bool) -> None:
    """Register and change many profiles by a CSV, or a workbook (.xlsx) of which the first sheet is read.

    Columns: name[,client,profile_key,ref_id,tags]. A new profile needs a client and a profile_key. Of one that is
    registered, what has no column, or an empty cell, stays as it is. All or nothing, and an import can be repeated.
    FILE may be - for standard input. Several tags are separated by |.
    """
    try:
        table = scan_profiles(file.read(), clear_empty=clear_empty)
    except BadLinesError as error:
        raise RegistryError(bad_lines(error)) from None

    async def work(*, only_look: bool) -> list[Planned]:
        async with _registry_and_keys(create=not only_look) as (store, keys):
            return await register([profile for _, profile in table.rows], store, keys, dry_run=only_look)

    def planned(*, only_look: bool) -> list[tuple[int, Planned]]:
        outcomes = execute(work(only_look=only_look))
        return [(line, each) for (line, _), each in zip(table.rows, outcomes, strict=True)]

    if check and (dry_run or not table.bad):
        table.bad.extend(_try_lines(table.rows))
    if table.bad and not dry_run:
        # Of the other lines the database may refuse some, if there is one already.
        with suppress(CollectorError):
            table.bad.extend(refused(planned(only_look=True)))
        raise RegistryError(bad_lines(BadLinesError(sorted(table.bad))))
    lines = planned(only_look=dry_run)
    if dry_run:
        show_dry_run(lines, table.bad)
    elif wrong := refused(lines):
        raise RegistryError(bad_lines(BadLinesError(wrong)))
    else:
        click.echo(done(lines))


def _try_lines(rows: Sequence[tuple[int, Registration]]) -> list[tuple[int, str]]:
    """Try the keys of a table, print what was found, and return the lines whose keys are invalid."""
    settings = settings_for_command(api_key=True)
    keys = {profile.name: profile.profile_key for _, profile in rows if profile.profile_key is not None}

    async def work() -> dict[str, Trial]:
        gate = make_gate(settings)
        async with open_ayrshare(settings, gate) as client:
            return await try_keys(client, gate, keys, concurrency=settings.poll_concurrency)

    trials = execute(work())
    lines = [(line, trials[profile.name]) for line, profile in rows if profile.name in trials]
    click.echo(trial_summary(lines), err=True)
    return [(line, f"the profile key is {trial}") for line, trial in lines if trial.standing is Standing.INVALID]


@profiles.command()
@click.argument("name")
@click.option("--client", help="The client that the profile belongs to from now on.")
@click.option("--ref-id", help="Ayrshare's refId of the profile; an empty one clears it.")
@click.option("--tags", help="All tags, separated by commas; an empty text clears them.")
def edit(name: str, client: str | None, ref_id: str | None, tags: str | None) -> None:
    """Change a profile's client, refId or tags; its key and its data stay."""
    if client is None and ref_id is None and tags is None:
        raise click.UsageError("say what to change: --client, --ref-id or --tags")
    wanted = registration(name=name, client=client, ref_id=ref_id, tags=tags)

    async def work() -> Planned:
        async with _registry() as store:
            await store.named([wanted.name])
            change = ProfileChange(name=wanted.name, client=wanted.client, ref_id=wanted.ref_id, tags=wanted.tags)
            [planned] = await store.put([change])
            insist([planned])
            return planned

    click.echo(sentence(execute(work())))


@profiles.command()
@click.argument("name")
@click.argument("new_name")
def rename(name: str, new_name: str) -> None:
    """Give a profile another name; its key, its data and its pins stay. Prometheus begins new series."""
    new = checked_text("name", new_name)

    async def work() -> None:
        async with _registry() as store:
            await store.rename(name, new)

    execute(work())
    click.echo(f"{name} is called {new} now")


@profiles.command("list")
@click.option("--client", help="Only profiles of this client.")
@click.option("--state", type=click.Choice([each.value for each in ProfileState]), help="Only profiles in this state.")
@click.option("--tag", help="Only profiles with this tag.")
@click.option("--text", help="Only profiles with this in their name, client or refId, in any case.")
@click.option("--since", type=Day(), help="Only profiles read on this day (UTC) or later.")
@click.option("--until", type=Day(), help="Only profiles read before this day (UTC), or never.")
@click.option("--sort", type=click.Choice([each.value for each in ProfileSort]), default="name", show_default=True)
@click.option("--limit", type=Whole(1, 1_000_000), help="At most so many. Unset: all.")
@in_format
def list_(*, sort: str, limit: int | None, form: str, **wanted: object) -> None:
    """List profiles: all, or those that every filter lets through."""

    async def work() -> tuple[list[RegisteredProfile], int]:
        async with open_storage(settings_for_command()) as database:
            listing, chosen = Listing(database), msgspec.convert(wanted, ProfileFilter)
            found = await listing.profiles(chosen, ProfileSort(sort), limit)
            return found, await listing.count_profiles(chosen) if len(found) == limit else len(found)

    found, total = execute(work())
    match Form(form):
        case Form.JSON:
            click.echo(as_json_text([_as_dict(profile) for profile in found]))
        case Form.CSV:
            print_csv(RegisteredProfile, found)
        case Form.TABLE:
            titles = ("profile", "client", "state", "last read (UTC)", "next poll", "tags")
            print_table(titles, [_cells(profile) for profile in found])
            click.echo(part_of(len(found), total, "profile"))


@profiles.command()
@click.argument("name")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def show(name: str, *, as_json: bool) -> None:
    """Show one profile: its state, its newest numbers, its gaps, and its last polls."""

    async def work() -> ProfilePage:
        async with open_storage(settings_for_command()) as database:
            [profile] = await ProfileStore(database).named([name])
            fleet = FleetStore(database)
            [status] = await fleet.status_of([profile.id])
            return ProfilePage(
                status,
                await particulars_of(database, profile.id),
                await missing_days_of(database, profile.id),
                await fleet.recent_polls(profile.id, 10),
            )

    page = execute(work())
    click.echo(profile_page.as_json(page) if as_json else profile_page.as_page(page))


@profiles.command()
@click.argument("names", nargs=-1, required=True)
@click.option("--reason", default="by the operator", help="Shown by `profiles show`.")
def pause(names: tuple[str, ...], reason: str) -> None:
    """Stop polling profiles; their data stays."""
    why = checked_text("reason", reason)

    async def work() -> None:
        async with _registry() as store:
            await store.pause(names, why)

    execute(work())
    click.echo(f"{len(set(names))} paused")


@profiles.command()
@click.argument("names", nargs=-1, required=True)
def resume(names: tuple[str, ...]) -> None:
    """Poll profiles again, at once, whatever had stopped it."""

    async def work() -> None:
        async with _registry() as store:
            await store.resume(names)

    execute(work())
    click.echo(f"{len(set(names))} resumed; they are polled next")


@profiles.command()
@click.argument("names", nargs=-1, required=True)
def accept(names: tuple[str, ...]) -> None:
    """Accept that profiles show another Pinterest account, as `status` asks. Drops are judged by its own days.

    Where it is the wrong account, link the right one at Ayrshare, or give the profile its key by `rotate-key`.
    """

    async def work() -> list[RegisteredProfile]:
        async with _registry() as store:
            return await store.accept(names)

    for profile in execute(work()):
        account = profile.account_name or "the present account"
        click.echo(f"{profile.name} accepted; its days from {profile.seam_day} on are those of {account}")


@profiles.command()
@click.argument("names", nargs=-1)
@click.option("--client", help="All profiles of this client.")
@click.option(
    "--erase", is_flag=True, help="Uploads and a client without profiles too, and print what each table had and has."
)
@click.option("--yes", is_flag=True, help="Do not ask.")
def remove(names: tuple[str, ...], client: str | None, *, erase: bool, yes: bool) -> None:
    """Delete profiles with their keys, all their metrics and their pins. `pause` keeps them.

    It may be killed at any time and run again: with --erase, names that are gone already are no error.
    """
    if not names and client is None:
        raise click.UsageError("name profiles, or a --client")
    found = execute(removal.find(names, client, gone_is_fine=erase))
    if not yes:
        # Asked outside the event loop, whose signal handlers would swallow a Ctrl-C.
        click.confirm(removal.question(found), abort=True)
    execute(removal.carry_out(found, client, proven=erase))
    click.echo(f"{len(found.profiles)} removed")


@profiles.command("rotate-key")
@click.argument("name")
@click.option("--key-file", type=click.File(), default="-", help="File with the profile key. Default: standard input.")
@_check(default=True)
def rotate_key(name: str, key_file: TextIO, *, check: bool) -> None:
    """Replace a profile's key, read from standard input and tried; the profile is polled at once."""
    key = checked_key(_read_key(key_file))

    async def work() -> str:
        async with _registry_and_keys() as (store, keys):
            await store.named([name])
            finding = await _tried(key, check=check)
            await store.rotate_key(name, ciphertext=keys.encrypt(key), fingerprint=fingerprint(key))
            return finding

    finding = execute(work())
    click.echo(f"{name} has a new key; it is polled next{finding}")


@profiles.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def discover(*, as_json: bool) -> None:
    """Compare with Ayrshare: which profiles are linked to Pinterest, which are missing here, which are suspended.

    Ayrshare never tells profile keys, so what is missing must be added with its key.
    """

    async def work() -> Comparison:
        settings = settings_for_command(api_key=True)
        async with open_ayrshare(settings, make_gate(settings)) as client, open_storage(settings) as database:
            return compare([entry async for entry in client.profiles()], await ProfileStore(database).all())

    found = execute(work())
    if as_json:
        click.echo(as_json_text(found))
    else:
        _print_comparison(found)


def _read_key(file: TextIO) -> str:
    name = getattr(file, "name", "<stdin>")
    if sys.stdin.isatty() and name == "<stdin>":
        return str(click.prompt("Profile key", hide_input=True))
    if Path(name).is_file():
        refuse_readable_by_others(Path(name))
    try:
        return str(file.read(10_000))
    except UnicodeDecodeError:
        raise RegistryError("the profile key is not text") from None


def _cells(profile: RegisteredProfile) -> tuple[str, ...]:
    read, due = when(profile.last_success_at), ago(profile.next_poll_at) if profile.next_poll_at else "-"
    state = profile.state if profile.account_changed_at is None else f"{profile.state}, account changed?"
    return profile.name, profile.client, state, read, due, ", ".join(profile.tags)


def _as_dict(profile: RegisteredProfile) -> dict[str, object]:
    return {name: value for name, value in msgspec.structs.asdict(profile).items() if name != "id"}


def _print_comparison(found: Comparison) -> None:
    rows = []
    for profile in found.profiles:
        standing = "suspended" if profile.suspended else "linked" if profile.linked else "not linked"
        rows.append((profile.title, profile.name or "-", standing, profile.ref_id or ""))
    print_table(("title", "registered as", "Pinterest", "refId"), rows)
    missing = sum(1 for profile in found.profiles if profile.name is None and profile.linked)
    click.echo(f"{len(found.profiles)} profiles at Ayrshare; {missing} linked to Pinterest and not registered here")
    if found.gone:
        click.echo(f"registered here and unknown to Ayrshare: {', '.join(found.gone)}")
    if found.without_ref_id:
        names = ", ".join(found.without_ref_id)
        click.echo(f"registered without a refId, so they may be any of the above: {names}; an import can add it")
