"""The Kubernetes manifests fit together, and with the image, the settings and the routes of the service."""

from __future__ import annotations

import re
from pathlib import Path, PurePosixPath

import yaml

from aiops import config
from aiops.web._base import WebSettings
from aiops.web.app import build_app
from tests.deploy.test_compose import parsed
from tests.web.conftest import FakeBackend

DEPLOY = Path(__file__).parents[2] / "deploy"
FOLDER = DEPLOY / "kubernetes"
DOCKERFILE = (DEPLOY / "Dockerfile").read_text(encoding="utf-8")
KUSTOMIZATION = yaml.safe_load((FOLDER / "kustomization.yaml").read_text(encoding="utf-8"))
SERVICE, SET = yaml.safe_load_all((FOLDER / "service.yaml").read_text(encoding="utf-8"))
POD = SET["spec"]["template"]["spec"]
(CONTAINER,) = POD["containers"]
SETTINGS = config.load(FOLDER / "aiops.yaml", {})


def test_the_settings_are_where_the_command_looks_for_them():
    (generated,) = KUSTOMIZATION["configMapGenerator"]
    (mount,) = [one for one in CONTAINER["volumeMounts"] if one["name"] == "settings"]
    (volume,) = [one for one in POD["volumes"] if one["name"] == "settings"]
    assert volume["configMap"]["name"] == generated["name"]
    assert str(parsed(CONTAINER["args"])["config"]) in {f"{mount['mountPath']}/{name}" for name in generated["files"]}
    assert all((FOLDER / name).is_file() for name in [*generated["files"], *KUSTOMIZATION["resources"]])


def test_ports_and_labels_lead_from_the_service_to_the_process():
    (port,) = CONTAINER["ports"]
    assert port["containerPort"] == SETTINGS.listen.port
    assert [one["targetPort"] for one in SERVICE["spec"]["ports"]] == [port["name"]]
    assert SETTINGS.listen.host == "0.0.0.0", "reached from other pods"  # noqa: S104 in a pod of its own
    labels = SET["spec"]["template"]["metadata"]["labels"]
    assert SERVICE["spec"]["selector"] == SET["spec"]["selector"]["matchLabels"] == labels
    assert SET["spec"]["serviceName"] == SERVICE["metadata"]["name"]


def test_probes_ask_routes_that_answer_without_a_token_whatever_the_data():
    routes = {route.path for route in build_app(FakeBackend(), WebSettings()).routes}  # type: ignore[arg-type, attr-defined]
    for name in ("startupProbe", "readinessProbe", "livenessProbe"):
        asked = CONTAINER[name]["httpGet"]
        assert asked == {"path": "/-/healthy", "port": CONTAINER["ports"][0]["name"]}, name
        assert asked["path"] in routes


def test_one_process_has_the_store_and_what_it_writes_is_on_a_volume():
    assert SET["spec"]["replicas"] == 1
    mounts = {one["mountPath"]: one["name"] for one in CONTAINER["volumeMounts"]}
    assert mounts[str(PurePosixPath(SETTINGS.store.path).parent)] == "state"
    (written,) = re.findall(r"install --directory --owner=aiops (.*)$", DOCKERFILE, re.MULTILINE)
    assert set(written.split()) | {"/tmp"} == set(mounts) - {"/etc/aiops"}  # noqa: S108 a volume
    claimed = {one["metadata"]["name"] for one in SET["spec"]["volumeClaimTemplates"]}
    assert set(mounts.values()) == claimed | {one["name"] for one in POD["volumes"]}


def test_the_process_is_allowed_nothing_that_it_does_not_need():
    (uid,) = re.findall(r"useradd --uid (\d+)", DOCKERFILE)
    assert POD["securityContext"]["runAsUser"] == POD["securityContext"]["fsGroup"] == int(uid)
    assert POD["securityContext"]["runAsNonRoot"]
    assert not POD["automountServiceAccountToken"]
    assert CONTAINER["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }


def test_the_image_is_the_one_that_is_named_for_your_registry():
    assert [one["name"] for one in KUSTOMIZATION["images"]] == [CONTAINER["image"]]
