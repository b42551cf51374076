"""Writes the rules of prometheus/rules into the object that Prometheus's operator takes, for deploy/kubernetes."""

from pathlib import Path

import yaml

_ROOT = Path(__file__).parents[1]
RULES = _ROOT / "prometheus" / "rules"
FILE = _ROOT / "deploy" / "kubernetes" / "base" / "monitoring" / "prometheus-rule.yaml"

_HEAD = "# Written by `make manifests` from prometheus/rules, where each rule is explained. Do not change it by hand.\n"


class _Dumper(yaml.SafeDumper):
    """Writes expressions of several lines as they were written."""


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


_Dumper.add_representer(str, _text)


def text() -> str:
    """Return the content of the file."""
    files = sorted(RULES.glob("*.yml"))
    groups = [group for path in files for group in yaml.safe_load(path.read_text(encoding="utf-8"))["groups"]]
    rule = {
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "PrometheusRule",
        "metadata": {"name": "collector"},
        "spec": {"groups": groups},
    }
    return _HEAD + yaml.dump(rule, Dumper=_Dumper, sort_keys=False, width=110, allow_unicode=True)


if __name__ == "__main__":
    FILE.write_text(text(), encoding="utf-8")
