"""Renders deploy/kubernetes and checks objects against the schemas of their kinds."""

import os
import shutil
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import kubernetes_validate
import pytest
import yaml

from tests.support.paths import ROOT

FOLDER = ROOT / "deploy" / "kubernetes"
OVERLAYS = ("small", "large")
_KUBERNETES = "1.37"
# A folder with the CustomResourceDefinitions of CloudNativePG and of Prometheus's operator; CONTRIBUTING.md says whose.
_DEFINITIONS = os.environ.get("CRD_FOLDER")

# A hundred times the speed, where PyYAML was built with it.
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

Object = dict[str, Any]


def objects(text: str) -> list[Object]:
    return [each for each in yaml.load_all(text, _LOADER) if each is not None]


@cache
def rendered(overlay: str) -> list[Object]:
    """Return the objects of an overlay; skips the test where there is neither kustomize nor kubectl."""
    program = ["kustomize", "build"] if shutil.which("kustomize") else ["kubectl", "kustomize"]
    if shutil.which(program[0]) is None:
        pytest.skip("neither kustomize nor kubectl is installed")
    ended = subprocess.run(
        [*program, FOLDER / "overlays" / overlay], check=False, capture_output=True, text=True, timeout=60
    )
    assert ended.returncode == 0, ended.stderr
    return objects(ended.stdout)


def of_kind(overlay: str, kind: str) -> dict[str, Object]:
    return {each["metadata"]["name"]: each for each in rendered(overlay) if each["kind"] == kind}


def pods(overlay: str) -> dict[str, Object]:
    """Return by name what describes the pods of an overlay's Deployments and Jobs."""
    found = of_kind(overlay, "Deployment") | of_kind(overlay, "Job")
    return {name: each["spec"]["template"] for name, each in found.items()}


def is_builtin(thing: Object) -> bool:
    group = thing["apiVersion"].partition("/")[0]
    return "." not in group or group.endswith(".k8s.io")


def check(thing: Object) -> None:
    """Fail the test where an object is not of its kind; a field that the kind does not have is an error too."""
    if is_builtin(thing):
        kubernetes_validate.validate(thing, _KUBERNETES, strict=True)
    else:
        jsonschema.Draft7Validator(_definition(thing["apiVersion"], thing["kind"])).validate(thing)


@cache
def _definition(version: str, kind: str) -> Object:
    if _DEFINITIONS is None:
        pytest.skip("CRD_FOLDER does not name a folder with the CustomResourceDefinitions")
    for path in Path(_DEFINITIONS).glob("*.yaml"):
        for made in objects(path.read_text(encoding="utf-8")):
            spec = made["spec"]
            for each in spec["versions"]:
                if (f"{spec['group']}/{each['name']}", spec["names"]["kind"]) == (version, kind):
                    strict: Object = _strict(each["schema"]["openAPIV3Schema"])
                    return strict | {"additionalProperties": True}
    pytest.fail(f"{_DEFINITIONS} has no {kind} of {version}")


def _strict(schema: Any) -> Any:
    """Let a schema refuse what it does not name, as the server's validation of fields does."""
    if isinstance(schema, list):
        return [_strict(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    made = {name: _strict(each) for name, each in schema.items()}
    if isinstance(made.get("properties"), dict) and not made.get("x-kubernetes-preserve-unknown-fields"):
        made.setdefault("additionalProperties", False)
    return made
