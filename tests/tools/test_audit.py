"""``make audit`` never takes what it could not ask for good news."""

import msgspec
import pytest

from tools.audit import Report, verdict

CLEAN = {"name": "a", "version": "1", "vulns": []}
SKIPPED = {"name": "b", "skip_reason": "not found"}
FLAWED = {
    "name": "c",
    "version": "2",
    "vulns": [{"id": "PYSEC-1", "fix_versions": ["3"], "aliases": ["CVE-1"], "description": "bad"}],
}


@pytest.mark.parametrize(
    ("dependencies", "code", "said"),
    [
        ([CLEAN], 0, "nothing is known against the 1 packages"),
        ([CLEAN, SKIPPED], 2, "not looked up, so nothing is known of them: b"),
        ([CLEAN, SKIPPED, FLAWED], 1, "c 2: PYSEC-1, CVE-1; mended in 3"),
    ],
)
def test_the_verdict(dependencies: list[dict[str, object]], code: int, said: str) -> None:
    ended, lines = verdict(msgspec.convert({"dependencies": dependencies}, Report))
    assert ended == code
    assert said in "\n".join(lines)
