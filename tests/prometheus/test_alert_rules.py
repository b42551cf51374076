"""The alert rules and their routes are valid, complete, documented and tested."""

import re
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from collector.config import Role
from collector.console.words import LOOPS
from collector.store.pool import Database
from collector.telemetry import LOOP_FAILURES
from tests.support.alert_rules import FOLDER, RULE_FILES, RULES, exported, loaded, tool
from tests.support.ayrshare import Ayrshare
from tests.support.daemon import daemon
from tests.support.paths import ROOT

TEST_FILES = sorted(FOLDER.glob("tests/*.yml"))

_METRIC = re.compile(r"(?<![\w:$.])(?:pinterest|collector)_\w+")
_ALERT = re.compile(r"(Pinterest\w+)(\.\+)?")
# Alertmanager's default retention: it repeats notifications that it sent longer ago.
_RETENTION_HOURS = 120


ALERTS = [rule for rule in RULES if "alert" in rule]
NAMES = {rule["alert"] for rule in ALERTS}


def title(rule: dict[str, Any]) -> str:
    return f"{rule['alert']}-{rule['labels']['severity']}"


def test_prometheus_accepts_its_configuration() -> None:
    tool("promtool", "check", "config", FOLDER / "prometheus.yml")


def test_prometheus_accepts_the_rules() -> None:
    tool("promtool", "check", "rules", *RULE_FILES)


def test_alertmanager_accepts_its_configuration() -> None:
    tool("amtool", "check-config", FOLDER / "alertmanager.yml")


_DROP = ("alertname=PinterestEngagementDrop", "severity=warning")
_UNLINKED = ("alertname=PinterestProfileUnlinked", "severity=warning")


@pytest.mark.parametrize(
    ("labels", "receivers"),
    [
        ((*_DROP, "client=example-client"), "example-client,operations"),
        ((*_UNLINKED, "client=example-client"), "example-client,operations"),
        ((*_UNLINKED, "client=acme"), "operations"),
        (("alertname=PinterestDataLossImminent", "severity=critical", "client=example-client"), "operations"),
        (("alertname=PinterestCollectorDown", "severity=critical"), "operations"),
        (("alertname=PinterestFleetDropBegan", "severity=none"), "nobody"),
    ],
)
def test_alertmanager_routes_each_alert_to_its_receivers(labels: tuple[str, ...], receivers: str) -> None:
    config = f"--config.file={FOLDER / 'alertmanager.yml'}"
    tool("amtool", "config", "routes", "test", config, f"--verify.receivers={receivers}", *labels)


@pytest.mark.parametrize("path", TEST_FILES, ids=lambda path: path.stem)
def test_alerts_fire_and_keep_silent_as_they_should(path: Path) -> None:
    tool("promtool", "test", "rules", path)


def test_every_rule_file_is_loaded() -> None:
    [pattern] = loaded(FOLDER / "prometheus.yml")["rule_files"]
    assert sorted(FOLDER.glob(pattern)) == RULE_FILES
    assert [path.stem for path in RULE_FILES] == [path.stem for path in TEST_FILES]


@pytest.mark.parametrize("rule", ALERTS, ids=title)
def test_an_alert_has_a_description_and_a_runbook(rule: dict[str, Any]) -> None:
    assert rule["labels"]["severity"] in {"critical", "warning", "info", "none"}
    assert "for" in rule
    annotations = rule["annotations"]
    assert set(annotations) == {"summary", "description", "runbook_url"}
    assert annotations["summary"].endswith((".", "}}.", "}}"))
    assert annotations["runbook_url"].endswith(f"docs/runbooks.md#{rule['alert'].lower()}")


def test_every_alert_has_its_runbook_and_every_runbook_its_alert() -> None:
    text = (ROOT / "docs/runbooks.md").read_text(encoding="utf-8")
    entries = dict(re.findall(r"^## (\w+)\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL))
    assert set(entries) == NAMES
    parts = ("**Meaning.**", "**Impact.**", "**Look at.**", "**Do.**")
    assert [name for name, entry in entries.items() if not all(part in entry for part in parts)] == []


async def test_every_loop_is_explained(database: Database, dsn: str, ayrshare: Ayrshare) -> None:
    LOOP_FAILURES.clear()  # of loops that other tests made
    async with (
        daemon(database, dsn, ayrshare, *Role) as target,
        aiohttp.request("GET", f"http://{target}/metrics") as page,
    ):
        loops = set(re.findall(r'collector_loop_failures_total{loop="(\w+)"}', await page.text()))
    assert {"poller", "publisher", "exporter", "detector"} <= loops
    runbook = (ROOT / "docs/runbooks.md").read_text(encoding="utf-8")
    [entry] = re.findall(r"^## PinterestLoopStuck\n(.*?)(?=^## |\Z)", runbook, re.MULTILINE | re.DOTALL)
    assert (loops | set(LOOPS)) - set(re.findall(r"^\| `(\w+)` \|", entry, re.MULTILINE)) == set()


@pytest.mark.parametrize("rule", ALERTS, ids=title)
def test_an_alert_is_seen_firing_and_seen_silent(rule: dict[str, Any]) -> None:
    expected = [
        check["exp_alerts"]
        for path in TEST_FILES
        for case in loaded(path)["tests"]
        for check in case["alert_rule_test"]
        if check["alertname"] == rule["alert"]
    ]
    severities = [alert["exp_labels"]["severity"] for alerts in expected for alert in alerts]
    assert rule["labels"]["severity"] in severities, "no test sees it firing"
    assert [] in expected, "no test sees it silent"


def test_every_inhibition_and_route_names_alerts_that_exist() -> None:
    named = _ALERT.findall((FOLDER / "alertmanager.yml").read_text(encoding="utf-8"))
    unknown = [name for name, pattern in named if name not in NAMES and not pattern]
    unknown += [name for name, pattern in named if pattern and not any(alert.startswith(name) for alert in NAMES)]
    assert unknown == []


def test_a_notification_is_not_repeated_because_alertmanager_has_forgotten_it() -> None:
    text = (FOLDER / "alertmanager.yml").read_text(encoding="utf-8")
    hours = [int(n) * {"d": 24, "h": 1}[unit] for n, unit in re.findall(r"repeat_interval: (\d+)([dh])", text)]
    assert max(hours) < _RETENTION_HOURS


def used() -> set[str]:
    """Return the metrics of the rules' expressions and of the queries in their annotations."""
    texts = [rule["expr"] for rule in RULES] + [rule["annotations"]["description"] for rule in ALERTS]
    return {name for text in texts for name in _METRIC.findall(text)}


def test_the_rules_use_metrics_that_the_program_exports() -> None:
    assert used() - exported() == set()


def test_the_rules_use_metrics_that_are_documented() -> None:
    documented = set(
        re.findall(r"^\| `(\w+)` \|", (ROOT / "docs/metrics.md").read_text(encoding="utf-8"), re.MULTILINE)
    )
    assert used() - documented == set()
