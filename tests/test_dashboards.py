"""The dashboards: what is committed is what the builder makes, and Grafana's own types read it back."""

from grafana.builder.__main__ import FOLDER, files


def test_the_committed_dashboards_are_those_that_the_builder_makes() -> None:
    committed = {path.name: path.read_text(encoding="utf-8") for path in FOLDER.glob("*.json")}
    assert committed == files(), "run `make dashboards`"
