"""The Dockerfile passes its linter, and what it makes runs as nobody."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.paths import ROOT

FILE = ROOT / "Dockerfile"


def test_the_linter_finds_nothing() -> None:
    hadolint = shutil.which("hadolint", path=str(Path(sys.executable).parent)) or shutil.which("hadolint")
    if hadolint is None:
        pytest.skip("hadolint is not installed: there is no wheel for this machine")
    ended = subprocess.run([hadolint, FILE], check=False, capture_output=True, text=True, timeout=60)
    assert ended.returncode == 0, ended.stdout + ended.stderr


def test_the_last_user_is_a_number_and_not_root() -> None:
    users = re.findall(r"^USER (\S+)$", FILE.read_text(encoding="utf-8"), re.MULTILINE)
    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", users[-1])


def test_both_stages_are_of_one_base_that_the_builder_may_pin() -> None:
    text = FILE.read_text(encoding="utf-8")
    assert set(re.findall(r"^FROM (\S+)", text, re.MULTILINE)) == {"${PYTHON}"}
    assert re.search(r"^ARG PYTHON=python:\d+\.\d+\.?\d*-slim-\w+(@sha256:[0-9a-f]{64})?$", text, re.MULTILINE)
