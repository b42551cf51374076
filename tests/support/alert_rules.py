"""Reads the alert rules and the metrics that they may use, and runs the checkers of Prometheus and Alertmanager."""

import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from collector.fleet.page import FAMILIES
from collector.telemetry import REGISTRY
from tests.support.paths import ROOT

FOLDER = ROOT / "prometheus"
RULE_FILES = sorted(FOLDER.glob("rules/*.yml"))


def loaded(path: Path) -> dict[str, Any]:
    document: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return document


RULES = [rule for path in RULE_FILES for group in loaded(path)["groups"] for rule in group["rules"]]


def tool(name: str, *arguments: str | Path) -> None:
    """Run a checker of Prometheus or Alertmanager; an error fails the test with its text."""
    if shutil.which(name) is None:
        pytest.skip(f"{name} is not installed; .ci/servers installs it")
    ended = subprocess.run([name, *arguments], check=False, capture_output=True, text=True, timeout=100)
    assert ended.returncode == 0, ended.stdout + ended.stderr


def exported() -> set[str]:
    process = {f"{metric.name}_total" if metric.type == "counter" else metric.name for metric in REGISTRY.collect()}
    drops = {"pinterest_engagement_drop_info", "pinterest_fleet_drop", "pinterest_fleet_drop_info"}
    return process | {family.name for family in FAMILIES} | {"collector_profile_state"} | drops
