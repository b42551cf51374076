"""Reads what PostgreSQL's EXPLAIN says."""

from typing import Any


def scans_of(node: dict[str, Any]) -> list[tuple[str, str]]:
    """Return the scans of a plan, each with its index or table."""
    here = (str(node["Node Type"]), str(node.get("Index Name") or node.get("Relation Name")))
    return [here, *(scan for below in node.get("Plans", []) for scan in scans_of(below))]
