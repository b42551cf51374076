"""Asks PyPI what is known to be wrong with the versions of constraints.txt, and says what could not be asked.

Exits with 0 where nothing is known against any, with 1 where something is, with 2 where some were not looked up.
"""

import subprocess
import sys
from pathlib import Path

import msgspec

_CONSTRAINTS = Path(__file__).parents[1] / "constraints.txt"
# The versions are exact, so nothing has to be resolved or downloaded.
_COMMAND = ("-m", "pip_audit", "--format=json", "--progress-spinner=off", "--no-deps", "--disable-pip")


class Flaw(msgspec.Struct, frozen=True):
    """A known vulnerability of one version."""

    id: str
    fix_versions: list[str] = []
    aliases: list[str] = []


class Dependency(msgspec.Struct, frozen=True):
    """A package of constraints.txt; ``skip_reason`` says why nothing is known of it, good or bad."""

    name: str
    version: str = ""
    vulns: list[Flaw] = []
    skip_reason: str | None = None


class Report(msgspec.Struct, frozen=True):
    """What pip-audit found out."""

    dependencies: list[Dependency]


def verdict(report: Report) -> tuple[int, list[str]]:
    """Return the exit code, and a line for each flaw and for what could not be asked."""
    flawed = [each for each in report.dependencies if each.vulns]
    skipped = [each.name for each in report.dependencies if each.skip_reason is not None]
    lines = [_line(each, flaw) for each in flawed for flaw in each.vulns]
    looked_up = len(report.dependencies) - len(skipped)
    if skipped:
        lines.append(f"not looked up, so nothing is known of them: {', '.join(skipped)}")
    if not flawed:
        lines.append(f"nothing is known against the {looked_up} packages that were looked up")
    return (1 if flawed else 2 if skipped else 0), lines


def _line(dependency: Dependency, flaw: Flaw) -> str:
    names = ", ".join([flaw.id, *flaw.aliases])
    mend = f"mended in {', '.join(flaw.fix_versions)}" if flaw.fix_versions else "not mended yet"
    return f"{dependency.name} {dependency.version}: {names}; {mend}"


def main() -> int:
    command = [sys.executable, *_COMMAND, f"--requirement={_CONSTRAINTS}"]
    ended = subprocess.run(command, check=False, capture_output=True, text=True)
    try:
        code, lines = verdict(msgspec.json.decode(ended.stdout, type=Report))
    except msgspec.DecodeError:
        last = ended.stderr.strip().rpartition("\n")[2]
        code, lines = 2, [f"PyPI could not be asked, so nothing is known: {last}"]
    print("\n".join(lines))
    return code


if __name__ == "__main__":
    sys.exit(main())
