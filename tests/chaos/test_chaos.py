"""The short forms of some scenarios, and what the table says of them; ``make chaos`` plays all of them at length."""

from pathlib import Path

import msgspec
import pytest
import pytest_asyncio

from tests.chaos.everything import SCENARIOS
from tests.chaos.run import play, table
from tests.chaos.scenario import Scenario
from tests.chaos.server import PASSWORD, prepare
from tests.chaos.stage import Stage

SHORT = [scenario for scenario in SCENARIOS if scenario.short is not None]


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("chaos") / "prepared"
    await prepare(folder)
    return folder


@pytest.mark.parametrize("scenario", SHORT, ids=lambda scenario: scenario.name)
async def test_nothing_is_lost_doubled_leaked_or_held(scenario: Scenario, prepared: Path, tmp_path: Path) -> None:
    verdict = await play(scenario, prepared, tmp_path, short=True)
    assert verdict.good, msgspec.structs.asdict(verdict)


async def _damage(stage: Stage) -> None:
    """Do what no scenario may end with: lose days, double and lose pins, and write a secret."""
    owner, [post, *_] = stage.server.owner, stage.emulator.record.posts
    await owner.execute("UPDATE profile SET state = 'paused'")
    await owner.execute("DELETE FROM daily_metric WHERE day = (SELECT max(day) FROM daily_metric)")
    await owner.execute("UPDATE profile SET next_poll_at = NULL, last_error = $1", PASSWORD)
    await stage.ayrshare.publish(index=7, notes=post.notes or "")


async def test_what_is_lost_doubled_or_leaked_is_counted(prepared: Path, tmp_path: Path) -> None:
    scenario = Scenario(name="damage", injected="everything", play=_damage, daemons=("poller,publisher",), patience=2)
    verdict = await play(scenario, prepared, tmp_path)
    assert verdict.days_lost >= 8
    assert (verdict.pins_doubled, verdict.keys_leaked, verdict.good) == (1, 1, False)
    assert any("a table has a secret" in complaint for complaint in verdict.complaints)
    assert not any(PASSWORD in complaint for complaint in verdict.complaints)
    assert table([verdict]).splitlines()[-1].endswith("| BAD     |")


def test_every_scenario_has_a_name_of_its_own() -> None:
    names = [scenario.name for scenario in SCENARIOS]
    assert len(set(names)) == len(names)
