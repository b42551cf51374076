"""All scenarios."""

from tests.chaos import answers, api, doors, operator, outages, pages, pins, processes
from tests.chaos.scenario import Scenario

# Those that wait longest are the first, so that the others are played meanwhile.
SCENARIOS: tuple[Scenario, ...] = (
    *api.SCENARIOS,
    *pins.SCENARIOS,
    *processes.SCENARIOS,
    *outages.SCENARIOS,
    *answers.SCENARIOS,
    *operator.SCENARIOS,
    *pages.SCENARIOS,
    *doors.SCENARIOS,
)
