"""The document says what the API does: calls that it allows, and calls that it forbids, find nothing else."""

import asyncio
import re
from collections.abc import AsyncIterator, Iterator
from typing import Any

import aiohttp
import pytest
import schemathesis
from _pytest.mark import ParameterSet
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import GenerationMode
from schemathesis.specs.openapi.checks import positive_data_acceptance

from collector.api.route import Route
from collector.store.pin import PinStore
from collector.store.pool import Database
from tests.support.api import FULL, client, routes, served, two_clients
from tests.support.drops import stored_drop
from tests.support.publishing import pin

EXAMPLES = 12
_BOUNDED = settings(
    max_examples=EXAMPLES,
    derandomize=True,
    database=None,
    deadline=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)


@pytest.fixture
async def address(database: Database) -> AsyncIterator[str]:
    """The API, with a profile, a pin and a drop of id 1, which calls with an id are about."""
    ids = await two_clients(database)
    assert await stored_drop(database, ids["a"]) == 1
    await PinStore(database).enqueue(pin("a", "one"))
    async with served(database) as url:
        yield url


def _calls() -> Iterator[ParameterSet]:
    for route in routes():
        # What takes nothing can be given nothing wrong.
        for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE) if route.parts else (GenerationMode.POSITIVE,):
            yield pytest.param(route, mode, id=f"{mode.value} {route.method} {route.path}")


@pytest.mark.parametrize(("route", "mode"), list(_calls()))
async def test_no_call_finds_what_is_not_documented(address: str, route: Route, mode: GenerationMode) -> None:
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"{address}/api/v1/openapi.json", headers={"Authorization": f"Bearer {FULL}"}) as response,
    ):
        document = await response.json()
    await asyncio.to_thread(_call, address, document, route, mode)


def _call(address: str, document: dict[str, Any], route: Route, mode: GenerationMode) -> None:
    schema = schemathesis.openapi.from_dict(document)
    schema.config.update(base_url=f"{address}/api/v1")
    operation = schema[route.path][route.method]

    @_BOUNDED
    @given(case=operation.as_strategy(generation_mode=mode))
    def call(case: Any) -> None:
        if "{id}" in route.path and mode is GenerationMode.POSITIVE:
            case.path_parameters["id"] = 1
        # A schema cannot say all that a name or a pin must be.
        case.call_and_validate(headers={"Authorization": f"Bearer {FULL}"}, excluded_checks=[positive_data_acceptance])

    call()


async def test_the_document_names_every_route_and_nothing_of_the_inside(database: Database) -> None:
    async with client(database) as ask:
        status, document = await ask("GET", "/openapi.json")
        _, headers, page = await ask.raw("GET", "/docs")
    assert status == 200
    told = {(method.upper(), path) for path, operations in document["paths"].items() for method in operations}
    assert told == {(route.method, route.path) for route in routes()}
    assert "key_ciphertext" not in str(document)
    assert all(each.get("type") == "object" or "enum" in each for each in document["components"]["schemas"].values())
    text = page.decode()
    assert headers["Content-Security-Policy"].startswith("default-src 'none'; style-src 'sha256-")
    assert "<script" not in text
    assert not re.search(r'(src|href)="(?!#|/api/v1/)', text)
    for route in routes():
        assert f"<code>/api/v1{route.path}</code>" in text
    links = set(re.findall(r'href="#([^"]+)"', text))
    assert links <= set(re.findall(r'id="([^"]+)"', text))
