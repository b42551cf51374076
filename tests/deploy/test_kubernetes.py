"""deploy/kubernetes: every object is valid, confined, and fits the program and the others."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from collector import __version__
from collector.config import Role, Settings, load_settings
from collector.setting_file import PREFIX
from grafana.builder.__main__ import FOLDER as DASHBOARDS
from tests.support.manifests import FOLDER, OVERLAYS, Object, check, is_builtin, objects, of_kind, pods, rendered
from tests.support.paths import ROOT
from tools import prometheus_rule

VARIABLES = {f"{PREFIX}{name.upper()}" for name in Settings.model_fields}
DOCUMENT = (ROOT / "docs/deploy.md").read_text(encoding="utf-8")

both = pytest.mark.parametrize("overlay", OVERLAYS)


def whole_files() -> list[Path]:
    """Return the files that are objects and not patches of others."""
    files = [path for path in FOLDER.rglob("*.yaml") if path.name != "kustomization.yaml"]
    patches = {
        (path.parent / patch["path"]).resolve()
        for path in FOLDER.rglob("kustomization.yaml")
        for patch in objects(path.read_text(encoding="utf-8"))[0].get("patches", [])
    }
    return sorted(path for path in files if path.resolve() not in patches)


@pytest.mark.parametrize("path", whole_files(), ids=lambda path: str(path.relative_to(FOLDER)))
def test_a_file_holds_valid_objects(path: Path) -> None:
    for thing in objects(path.read_text(encoding="utf-8")):
        check(thing)


@both
def test_what_an_overlay_makes_is_valid(overlay: str) -> None:
    for thing in rendered(overlay):
        if is_builtin(thing):
            check(thing)


@both
@pytest.mark.parametrize(
    "kind", ["Cluster", "ImageCatalog", "Pooler", "PrometheusRule", "ServiceMonitor", "ScrapeConfig"]
)
def test_what_an_overlay_makes_for_operators_is_valid(overlay: str, kind: str) -> None:
    for thing in of_kind(overlay, kind).values():
        check(thing)


def test_a_field_that_there_is_not_is_found() -> None:
    with pytest.raises(jsonschema.ValidationError, match="replica"):
        check({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "x"}, "spec": {"replica": 1}})


@both
def test_every_container_is_confined(overlay: str) -> None:
    for template in pods(overlay).values():
        pod = template["spec"]
        assert pod["automountServiceAccountToken"] is False
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        for container in pod["containers"]:
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }
            assert {"cpu", "memory"} == set(container["resources"]["requests"])
            assert container["resources"]["limits"]["memory"]
            assert container["image"] == f"pinterest-collector:{__version__}"


@both
def test_containers_run_as_the_user_of_the_image(overlay: str) -> None:
    [user] = re.findall(r"^USER (\d+):(\d+)$", (ROOT / "Dockerfile").read_text(encoding="utf-8"), re.MULTILINE)
    for template in pods(overlay).values():
        context = template["spec"]["securityContext"]
        assert (str(context["runAsUser"]), str(context["runAsGroup"])) == user


@both
def test_every_variable_is_a_setting_and_defined_before_it_is_used(overlay: str) -> None:
    for template in pods(overlay).values():
        for container in template["spec"]["containers"]:
            known: set[str] = set()
            for variable in container["env"]:
                assert set(re.findall(r"\$\((\w+)\)", variable.get("value", ""))) <= known
                known.add(variable["name"])
            assert {name for name in known if name.startswith(PREFIX)} <= VARIABLES
    for name, made in of_kind(overlay, "ConfigMap").items():
        if not name.startswith("collector-dashboard-"):
            assert {name for name in made["data"] if name.startswith(PREFIX)} <= VARIABLES


@both
def test_every_role_runs_somewhere(overlay: str) -> None:
    running: set[str] = set()
    for template in pods(overlay).values():
        [container] = template["spec"]["containers"]
        chosen = {each["name"]: each.get("value") for each in container["env"]}.get("COLLECTOR_ROLES")
        if container["args"] == ["run"]:
            running |= set(chosen.split(",")) if chosen else {role.value for role in Role}
    assert running == {role.value for role in Role}


def test_only_pods_that_call_ayrshare_or_show_the_console_have_the_keys() -> None:
    having = {name for name, template in pods("large").items() if "collector-keys" in set(secrets(template))}
    assert having == {f"collector-{role}" for role in (Role.POLLER, Role.PUBLISHER, Role.TRACKER, Role.EXPORTER)}


@both
def test_secrets_are_referred_to_and_the_document_makes_them(overlay: str) -> None:
    assert of_kind(overlay, "Secret") == {}
    made = set(re.findall(r"kubectl create secret \w+ ([\w-]+)", DOCUMENT))
    # The operator makes that one.
    assert set(secrets(rendered(overlay))) <= made | {"collector-database-ca"}


def secrets(value: Any) -> Iterator[str]:
    if isinstance(value, list):
        for each in value:
            yield from secrets(each)
    if isinstance(value, dict):
        for name, each in value.items():
            if name in {"secretKeyRef", "passwordSecret", "credentials"} or (name == "secret" and "name" in each):
                yield each["name"]
            elif name == "secretName":
                yield each
            else:
                yield from secrets(each)


@both
def test_what_selects_pods_finds_some(overlay: str) -> None:
    labels = [template["metadata"]["labels"] for template in pods(overlay).values()]
    selectors = [each["spec"]["selector"] for each in of_kind(overlay, "Service").values()]
    selectors += [each["spec"]["selector"]["matchLabels"] for each in of_kind(overlay, "PodDisruptionBudget").values()]
    for selector in selectors:
        assert any(selector.items() <= each.items() for each in labels), selector
    for name, made in of_kind(overlay, "HorizontalPodAutoscaler").items():
        assert made["spec"]["scaleTargetRef"]["name"] in of_kind(overlay, "Deployment"), name
    assert len(of_kind(overlay, "PodDisruptionBudget")) == len(of_kind(overlay, "Deployment"))


@both
def test_prometheus_finds_both_pages_under_the_names_of_the_rules(overlay: str) -> None:
    [monitor] = of_kind(overlay, "ServiceMonitor").values()
    [service] = [
        each
        for each in of_kind(overlay, "Service").values()
        if monitor["spec"]["selector"]["matchLabels"].items() <= each["metadata"].get("labels", {}).items()
    ]
    assert service["spec"]["ports"][0]["name"] == monitor["spec"]["endpoints"][0]["port"]
    [fleet] = of_kind(overlay, "ScrapeConfig").values()
    pages = of_kind(overlay, "Service")["collector"]
    [target] = {target for each in fleet["spec"]["staticConfigs"] for target in each["targets"]}
    assert target == f"collector.{pages['metadata']['namespace']}.svc:{pages['spec']['ports'][0]['port']}"
    jobs = {relabel["replacement"] for relabel in monitor["spec"]["endpoints"][0]["relabelings"]}
    jobs.add(fleet["spec"]["jobName"])
    config = yaml.safe_load((ROOT / "prometheus/prometheus.yml").read_text(encoding="utf-8"))
    assert jobs == {job["job_name"] for job in config["scrape_configs"]}


def test_the_parts_of_the_fleet_page_are_all_of_it_and_told_apart_only_in_the_scrape() -> None:
    [fleet] = of_kind("large", "ScrapeConfig").values()
    shards = [each["labels"]["__param_shard"] for each in fleet["spec"]["staticConfigs"]]
    assert shards == [f"{part}/{len(shards)}" for part in range(1, len(shards) + 1)]
    assert fleet["spec"]["metricRelabelings"] == [{"regex": "shard", "action": "labeldrop"}]
    assert {"sourceLabels": ["__param_shard"], "targetLabel": "shard"} in fleet["spec"]["relabelings"]


def test_the_rules_for_the_operator_are_those_of_prometheus() -> None:
    assert prometheus_rule.FILE.read_text(encoding="utf-8") == prometheus_rule.text(), "run `make manifests`"


def test_every_dashboard_is_a_config_map() -> None:
    made = yaml.safe_load((DASHBOARDS / "kustomization.yaml").read_text(encoding="utf-8"))
    files = [name for each in made["configMapGenerator"] for name in each["files"]]
    assert sorted(files) == sorted(path.name for path in DASHBOARDS.glob("*.json"))


@both
def test_the_database_lets_in_who_logs_in(overlay: str) -> None:
    [cluster] = of_kind(overlay, "Cluster").values()
    users = {re.search(r"//(\w+):", url)[1] for url in urls(rendered(overlay))}  # type: ignore[index]  # or it fails
    managed = {role["name"] for role in cluster["spec"]["managed"]["roles"]}
    assert users == {cluster["spec"]["bootstrap"]["initdb"]["owner"], "collector_daemon"}
    assert managed == {"collector_daemon", "grafana_reader"}


def test_the_daemons_of_large_go_through_a_pooler_whose_name_the_certificate_has() -> None:
    [cluster] = of_kind("large", "Cluster").values()
    [settings] = [made["data"] for made in of_kind("large", "ConfigMap").values() if "DATABASE_HOST" in made["data"]]
    pooler = of_kind("large", "Pooler")[settings["DATABASE_HOST"]]
    assert pooler["spec"]["type"] == "rw"
    assert pooler["spec"]["pgbouncer"]["poolMode"] == "transaction"
    assert settings["DATABASE_OPTIONS"].endswith("&pooler=transaction")
    [exporter] = of_kind("large", "Deployment")["collector-exporter"]["spec"]["template"]["spec"]["containers"]
    [reading] = [each["value"] for each in exporter["env"] if each["name"] == "COLLECTOR_DATABASE_READ_URL"]
    [host] = re.findall(r"@([\w-]+):5432/", reading)
    assert of_kind("large", "Pooler")[host]["spec"]["type"] == "ro"
    assert set(of_kind("large", "Pooler")) == set(cluster["spec"]["certificates"]["serverAltDNSNames"])


@both
def test_the_address_of_the_database_is_one(overlay: str) -> None:
    [settings] = [made["data"] for made in of_kind(overlay, "ConfigMap").values() if "DATABASE_HOST" in made["data"]]
    for url in urls(rendered(overlay)):
        for name in re.findall(r"\$\((\w+)\)", url):
            url = url.replace(f"$({name})", settings.get(name, "secret"))  # noqa: PLW2901 -- piece by piece
        loaded = load_settings(database_url=url, encryption_keys=())
        assert loaded.database_url is not None


def urls(made: list[Object]) -> Iterator[str]:
    for thing in made:
        if thing["kind"] in {"Deployment", "Job"}:
            [container] = thing["spec"]["template"]["spec"]["containers"]
            yield from (each["value"] for each in container["env"] if each["name"] == "COLLECTOR_DATABASE_URL")
