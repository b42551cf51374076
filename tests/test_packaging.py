"""The files around the code agree with it: Compose file, constraints, documents."""

import re
import shlex
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import click
import pytest
import yaml
from prometheus_client import Metric

from collector.cli import main, settings_help
from collector.cli.group import LazyCommand
from collector.config import Settings
from collector.fleet.page import FAMILIES
from collector.setting_file import PREFIX
from collector.store.role import DAEMON, GRAFANA
from collector.telemetry import REGISTRY
from tests.support.paths import ROOT

DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")])
VARIABLES = {f"{PREFIX}{name.upper()}" for name in Settings.model_fields}
# No field of the settings; it is read to find them.
LOCATIONS = {f"{PREFIX}SECRETS_DIR"}

_VARIABLE = re.compile(rf"\b{PREFIX}[A-Z][A-Z_]*[A-Z]\b")
_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
_COLLECTOR = re.compile(r"(?:^|\s)(?:\S*/)?collector (?=[a-z-])")


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


def compose() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))
    return loaded


def service(name: str) -> dict[str, Any]:
    found: dict[str, Any] = compose()["services"][name]
    return found


@pytest.mark.parametrize("path", ["docker-compose.yml", ".env.example", "Dockerfile"])
def test_every_variable_of_a_file_is_a_setting(path: str) -> None:
    used = set(_VARIABLE.findall((ROOT / path).read_text(encoding="utf-8")))
    assert used
    assert used <= VARIABLES


@pytest.mark.parametrize("document", DOCUMENTS, ids=name_of)
def test_every_variable_in_a_document_is_a_setting(document: Path) -> None:
    assert set(_VARIABLE.findall(document.read_text(encoding="utf-8"))) <= VARIABLES | LOCATIONS


def test_every_secret_of_the_compose_file_is_in_the_example() -> None:
    wanted = set(re.findall(r"\$\{(\w+)", (ROOT / "docker-compose.yml").read_text(encoding="utf-8")))
    example = (ROOT / ".env.example").read_text(encoding="utf-8")
    given = dict(re.findall(r"^(\w+)=(.*)$", example, re.MULTILINE))
    assert wanted == set(given)
    assert set(given.values()) == {""}


def test_the_compose_services_wait_for_each_other() -> None:
    assert set(compose()["services"]) == {
        "timescaledb", "migrate", "collector", "prometheus", "alertmanager", "grafana",
    }  # fmt: skip
    for name in ("timescaledb", "prometheus", "alertmanager"):
        assert "depends_on" not in service(name)
    assert service("migrate")["depends_on"] == {"timescaledb": {"condition": "service_healthy"}}
    for name in ("collector", "grafana"):
        assert service(name)["depends_on"] == {"migrate": {"condition": "service_completed_successfully"}}


def test_the_compose_services_tell_their_health() -> None:
    assert "pg_isready" in service("timescaledb")["healthcheck"]["test"]
    assert "/readyz" in " ".join(service("collector")["healthcheck"]["test"])
    for name in ("prometheus", "alertmanager"):
        assert "/-/ready" in service(name)["healthcheck"]["test"][-1]
    assert service("grafana")["healthcheck"]["test"][-1].endswith(":3000/api/health")
    # The image's own check would ask pages that a one-shot does not have.
    assert service("migrate")["healthcheck"] == {"disable": True}


def test_the_services_run_confined_and_are_reached_from_this_machine_only() -> None:
    for name in ("migrate", "collector", "prometheus", "alertmanager", "grafana"):
        assert service(name)["read_only"] is True
        assert service(name)["cap_drop"] == ["ALL"]
        assert service(name)["security_opt"] == ["no-new-privileges:true"]
    for name in ("collector", "prometheus", "alertmanager", "grafana"):
        assert [port.partition(":")[0] for port in service(name)["ports"]] == ["127.0.0.1"]
    assert "ports" not in service("timescaledb")


def test_everything_that_the_compose_file_mounts_is_there() -> None:
    named = set(compose()["volumes"])
    for name in compose()["services"]:
        for volume in service(name).get("volumes", []):
            source = volume.partition(":")[0]
            assert source in named or (ROOT / source).exists()


@pytest.mark.parametrize("name", ["prometheus", "alertmanager"])
def test_what_a_service_is_told_to_read_is_mounted_and_cannot_be_written(name: str) -> None:
    [config] = [option.partition("=")[2] for option in service(name)["command"] if option.startswith("--config.file=")]
    files = [volume.split(":") for volume in service(name)["volumes"] if volume.startswith("./")]
    assert config in [target for _, target, _ in files]
    assert {mode for _, _, mode in files} == {"ro"}


def test_prometheus_finds_the_services_by_their_names() -> None:
    config = yaml.safe_load((ROOT / "prometheus/prometheus.yml").read_text(encoding="utf-8"))
    jobs = [*config["scrape_configs"], *config["alerting"]["alertmanagers"]]
    targets = {target for job in jobs for static in job["static_configs"] for target in static["targets"]}
    assert targets == {"collector:9470", "alertmanager:9093"}
    assert {target.partition(":")[0] for target in targets} <= set(compose()["services"])


def test_prometheus_may_scrape_the_collector_that_the_compose_file_protects() -> None:
    environment = service("collector")["environment"]
    assert "COLLECTOR_API_TOKEN" in environment
    assert set(environment["COLLECTOR_HTTP_OPEN"].split(",")) == {"health", "metrics"}
    config = yaml.safe_load((ROOT / "prometheus/prometheus.yml").read_text(encoding="utf-8"))
    assert {job.get("metrics_path", "/metrics") for job in config["scrape_configs"]} == {
        "/metrics",
        "/metrics/profiles",
    }


def provisioned(kind: str) -> dict[str, Any]:
    text = (ROOT / f"grafana/provisioning/{kind}/pinterest.yml").read_text(encoding="utf-8")
    loaded: dict[str, Any] = yaml.safe_load(text)
    return loaded


def test_grafana_reads_with_the_password_that_the_migration_sets() -> None:
    environment = service("grafana")["environment"]
    [database] = [each for each in provisioned("datasources")["datasources"] if each["type"] != "prometheus"]
    variable = database["secureJsonData"]["password"].removeprefix("$")
    assert environment[variable] == service("migrate")["environment"]["COLLECTOR_GRAFANA_PASSWORD"]
    assert database["user"] == GRAFANA


def test_the_daemon_logs_in_with_the_password_that_the_migration_sets_and_is_not_the_owner() -> None:
    url = service("collector")["environment"]["COLLECTOR_DATABASE_URL"]
    password = service("migrate")["environment"]["COLLECTOR_DAEMON_PASSWORD"]
    assert url.startswith(f"postgresql://{DAEMON}:{password}@")
    owner = service("timescaledb")["environment"]["POSTGRES_USER"]
    assert service("migrate")["environment"]["COLLECTOR_DATABASE_URL"].startswith(f"postgresql://{owner}:")


def test_grafana_finds_the_services_by_their_names() -> None:
    hosts = {urlsplit(f"//{each['url'].partition('//')[2] or each['url']}").hostname
             for each in provisioned("datasources")["datasources"]}  # fmt: skip
    assert hosts == {"timescaledb", "prometheus"}
    assert service("timescaledb")["environment"]["POSTGRES_DB"] == "collector"


def test_grafana_shows_the_dashboards_to_those_who_log_in_and_lets_nobody_edit_them() -> None:
    environment = service("grafana")["environment"]
    mounts = {
        target: source for source, target, _ in (v.split(":") for v in service("grafana")["volumes"] if "./" in v)
    }
    [provider] = provisioned("dashboards")["providers"]
    folder = mounts[provider["options"]["path"]]
    home = Path(environment["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"])
    assert (ROOT / folder / home.name).is_file()
    assert str(home.parent) == provider["options"]["path"]
    assert provider["allowUiUpdates"] is False
    assert all(each["editable"] is False for each in provisioned("datasources")["datasources"])
    assert environment["GF_AUTH_ANONYMOUS_ENABLED"] == "false"
    assert environment["GF_SECURITY_ADMIN_PASSWORD"].startswith("${GRAFANA_ADMIN_PASSWORD:?")
    assert {v.rpartition(":")[2] for v in service("grafana")["volumes"] if v.startswith("./")} == {"ro"}


@pytest.mark.parametrize("name", ["migrate", "collector"])
def test_a_compose_command_is_one_of_the_program(name: str) -> None:
    assert problem_of(service(name)["command"]) is None


def test_everything_that_the_image_copies_is_there_and_not_ignored() -> None:
    allowed = re.findall(r"^!(.+)$", (ROOT / ".dockerignore").read_text(encoding="utf-8"), re.MULTILINE)
    copied = [
        source
        for line in re.findall(
            r"^COPY (?!--from)(.+)$", (ROOT / "Dockerfile").read_text(encoding="utf-8"), re.MULTILINE
        )
        for source in line.split()[:-1]
    ]
    assert sorted(copied) == sorted(allowed)
    assert all((ROOT / source).exists() for source in copied)


def test_constraints_are_versions_only() -> None:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    assert [line for line in lines if not re.fullmatch(r"[A-Za-z0-9._-]+==[A-Za-z0-9.+!]+", line)] == []


def test_the_configuration_document_is_current() -> None:
    assert (ROOT / "docs/configuration.md").read_text(encoding="utf-8") == settings_help.markdown(), "run `make docs`"


@pytest.mark.parametrize("document", DOCUMENTS, ids=name_of)
def test_relative_links_lead_somewhere(document: Path) -> None:
    assert [target for target in links(document) if not leads_somewhere(document, target)] == []


def test_the_architecture_has_the_layers_of_the_import_contract() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    [contract] = [each for each in project["tool"]["importlinter"]["contracts"] if each["type"] == "layers"]
    rows = re.findall(r"^\| \d+ \| (.+?) \|", (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert [set(re.findall(r"`(\w+)`", row)) for row in rows] == [set(each.split(" | ")) for each in contract["layers"]]


def links(document: Path) -> list[str]:
    text = _FENCE.sub("", document.read_text(encoding="utf-8"))
    return [target for target in _LINK.findall(text) if "://" not in target and not target.startswith("mailto:")]


def leads_somewhere(document: Path, target: str) -> bool:
    path, _, anchor = unquote(target).partition("#")
    file = document.parent / path if path else document
    if not file.exists():
        return False
    return not anchor or anchor in anchors(file)


def anchors(document: Path) -> set[str]:
    titles = re.findall(r"^#+ (.+)$", document.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("document", DOCUMENTS, ids=name_of)
def test_every_documented_command_exists(document: Path) -> None:
    problems = {text: problem_of(shlex.split(text, comments=True)) for text in commands(document)}
    assert {text: problem for text, problem in problems.items() if problem is not None} == {}


def test_the_tests_that_the_security_document_names_are_there() -> None:
    text = (ROOT / "docs/security.md").read_text(encoding="utf-8")
    files = {path.name: path.read_text(encoding="utf-8") for path in ROOT.glob("tests/**/test_*.py")}
    for file, test in re.findall(r"`(test_\w+\.py)(?:::(test_\w+))?`", text):
        assert f"def {test or 'test_'}" in files[file]


def test_the_readme_documents_every_command() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert [name for name in main.commands if f"`collector {name}" not in text] == []


def commands(document: Path) -> Iterator[str]:
    """Yield the words after ``collector`` in the document's shell blocks and code spans."""
    text = document.read_text(encoding="utf-8")
    shell = [line for kind, block in _FENCE.findall(text) if kind in {"sh", "console"} for line in block.splitlines()]
    spans = re.findall(r"`([^`\n]+)`", _FENCE.sub("", text))
    for line in shell + [span for span in spans if span.startswith("collector ")]:
        for match in _COLLECTOR.finditer(line):
            rest = re.split(r"[|<>;&()`]", line[match.end() :])[0]
            # `docker compose exec collector collector status`, `kubectl exec deploy/collector -- collector status`: the
            # first is where it runs.
            yield rest.removeprefix("-- ").removeprefix("collector ")


def problem_of(words: list[str]) -> str | None:
    """Return what is wrong with a command line, None when its commands and options exist."""
    command: click.Command = main
    for word in words:
        if word.startswith("-"):
            if word.partition("=")[0] not in options(command):
                return f"{command.name} has no option {word}"
        elif isinstance(command, click.Group):
            if word not in command.commands:
                return f"{command.name} has no command {word}"
            command = command.commands[word]
            command = command.load() if isinstance(command, LazyCommand) else command
    return None


def options(command: click.Command) -> set[str]:
    return {name for parameter in command.params for name in parameter.opts} | {"--help", "-h"}


def test_the_metrics_document_names_every_metric() -> None:
    text = (ROOT / "docs/metrics.md").read_text(encoding="utf-8")
    profiles = {family.name for family in FAMILIES} | {"collector_profile_state"}
    process = {exposed_name(metric) for metric in REGISTRY.collect()}
    assert [name for name in sorted(profiles | process) if f"| `{name}` |" not in text] == []


def exposed_name(metric: Metric) -> str:
    return f"{metric.name}_total" if metric.type == "counter" else metric.name
