"""deploy/systemd: the units are valid, confined, and fit the program and the document."""

import re
import shutil
import subprocess
from collections import defaultdict
from pathlib import Path

import pytest

from collector.cli import main
from collector.config import Settings
from collector.setting_file import PREFIX
from tests.support.paths import ROOT

FOLDER = ROOT / "deploy" / "systemd"
UNITS = sorted(FOLDER.glob("*.service"))
# Of ten: what is left is the network, and files that everybody may read.
MOST_EXPOSED = 1.5
PROGRAM = "/opt/collector/bin/collector"

each_unit = pytest.mark.parametrize("unit", UNITS, ids=lambda path: path.stem)


def entries(unit: Path) -> dict[str, list[str]]:
    found = defaultdict(list)
    for name, value in re.findall(r"^(\w+)=(.*)$", unit.read_text(encoding="utf-8"), re.MULTILINE):
        found[name].append(value)
    return found


def analyzed(unit: Path, folder: Path, *arguments: str) -> str:
    """Run systemd-analyze on a unit, with a program that is there in place of ours."""
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not installed")
    for each in UNITS:
        text = each.read_text(encoding="utf-8").replace(PROGRAM, "/bin/true")
        (folder / each.name).write_text(text, encoding="utf-8")
    command = ["systemd-analyze", *arguments, str(folder / unit.name)]
    ended = subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout + ended.stderr


@each_unit
def test_systemd_understands_every_line(unit: Path, tmp_path: Path) -> None:
    assert analyzed(unit, tmp_path, "verify", "--man=no") == ""


@each_unit
def test_a_unit_is_confined(unit: Path, tmp_path: Path) -> None:
    told = analyzed(unit, tmp_path, "security", "--offline=true", "--no-pager")
    exposure = re.search(r"Overall exposure level for \S+: ([\d.]+)", told)
    assert exposure is not None
    assert float(exposure[1]) <= MOST_EXPOSED


@each_unit
def test_a_unit_runs_a_command_of_the_program_with_settings_that_there_are(unit: Path) -> None:
    found = entries(unit)
    [program, command] = found["ExecStart"][0].split()
    assert program == PROGRAM
    assert command in main.commands
    given = {word.partition("=")[0] for line in found["Environment"] for word in line.split()}
    given |= {credential.partition(":")[0].upper() for credential in found["LoadCredential"]}
    assert given <= {f"{PREFIX}{name.upper()}" for name in Settings.model_fields} | {f"{PREFIX}SECRETS_DIR"}


def test_the_daemon_cannot_log_in_as_the_owner() -> None:
    daemon, owner = (set(map(source, entries(FOLDER / name)["LoadCredential"])) for name in
                     ("collector.service", "collector-migrate.service"))  # fmt: skip
    assert daemon.isdisjoint(owner)


def test_the_document_makes_every_secret() -> None:
    document = (ROOT / "docs/deploy.md").read_text(encoding="utf-8")
    for unit in UNITS:
        for credential in entries(unit)["LoadCredential"]:
            assert source(credential) in document


def source(credential: str) -> str:
    return credential.partition(":")[2]
