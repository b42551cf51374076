"""Writes the dashboards' JSON: ``python -m grafana.builder``."""

import json
from pathlib import Path

from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.dashboard import Dashboard

from grafana.builder import client, fleet, operations, publishing

FOLDER = Path(__file__).parents[1] / "dashboards"


def dashboards() -> list[Dashboard]:
    """Return all dashboards."""
    return [fleet.dashboard(), client.dashboard(), publishing.dashboard(), operations.dashboard()]


def files() -> dict[str, str]:
    """Return the content of the files by their names."""
    return {
        f"{str(made.uid).removeprefix('pinterest-')}.json": json.dumps(
            made, cls=JSONEncoder, indent=2, ensure_ascii=False
        )
        + "\n"
        for made in dashboards()
    }


def main() -> None:
    """Write the files, and delete those of dashboards that no longer exist."""
    wanted = files()
    for path in FOLDER.glob("*.json"):
        if path.name not in wanted:
            path.unlink()
    for name, text in wanted.items():
        (FOLDER / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
