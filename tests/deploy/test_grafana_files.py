"""The Grafana files fit together, whether imported, provisioned, or found by a sidecar."""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import yaml

from aiops.model import Anomaly, Incident, SeriesKey
from aiops.notifiers._region import regions_of

GRAFANA = Path(__file__).parent.parent.parent / "deploy" / "grafana"
DASHBOARD = json.loads((GRAFANA / "dashboards" / "aiops.json").read_text())
PANELS = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]


def test_the_dashboard_keeps_its_address_and_asks_for_its_prometheus():
    assert DASHBOARD["uid"] == "aiops-oncall"
    assert [given["name"] for given in DASHBOARD["__inputs"]] == ["DS_PROMETHEUS"]
    # Files and sidecars fill in no inputs: there the variable of the same name does.
    (variable,) = [v for v in DASHBOARD["templating"]["list"] if v["type"] == "datasource"]
    assert (variable["name"], variable["query"]) == ("DS_PROMETHEUS", "prometheus")
    used = [panel["datasource"]["uid"] for panel in PANELS] + [
        t["datasource"]["uid"] for p in PANELS for t in p["targets"]
    ]
    assert set(used) == {"${DS_PROMETHEUS}"}


def test_panels_have_names_of_their_own_and_do_not_lie_over_each_other():
    assert len({panel["id"] for panel in DASHBOARD["panels"]}) == len(DASHBOARD["panels"])
    assert len({panel["title"] for panel in DASHBOARD["panels"]}) == len(DASHBOARD["panels"])
    cells = [
        (x, y)
        for place in (panel["gridPos"] for panel in DASHBOARD["panels"])
        for x, y in itertools.product(
            range(place["x"], place["x"] + place["w"]), range(place["y"], place["y"] + place["h"])
        )
    ]
    assert len(cells) == len(set(cells))
    assert max(x for x, _ in cells) < 24


def test_its_annotations_are_those_that_the_notifier_writes():
    anomaly = Anomaly(
        *("a", SeriesKey("error_ratio", "cart"), "errors", "ratio", "up", True, 1, 2, None),
        *(0.5, 0.0, 0.0, 0.1, 9.0, 2.0),
    )
    incident = Incident("i", "open", "cart: errors", "critical", 1, 1, services=("cart",), anomalies=(anomaly,))
    written = [set(region.tags) for region in regions_of(incident, (), "")]
    assert DASHBOARD["annotations"]["list"]
    for wanted in DASHBOARD["annotations"]["list"]:
        assert wanted["datasource"] == {"type": "grafana", "uid": "-- Grafana --"}
        assert not wanted["target"]["matchAny"]
        assert sum(set(wanted["target"]["tags"]) <= tags for tags in written) == 1


def test_the_provisioned_folder_is_where_the_page_says_the_dashboard_goes():
    (provider,) = yaml.safe_load((GRAFANA / "provisioning/dashboards/aiops.yaml").read_text())["providers"]
    page = (GRAFANA.parent.parent / "docs" / "grafana.md").read_text()
    assert provider["type"] == "file"
    assert f"`{provider['options']['path']}`" in page
    (source,) = yaml.safe_load((GRAFANA / "provisioning/datasources/aiops.yaml").read_text())["datasources"]
    assert source["type"] == "prometheus"


def test_the_config_map_has_the_dashboard_and_the_label_that_sidecars_look_for():
    (made,) = yaml.safe_load((GRAFANA / "kustomization.yaml").read_text())["configMapGenerator"]
    assert [GRAFANA / name for name in made["files"]] == [GRAFANA / "dashboards" / "aiops.json"]
    assert made["options"]["labels"] == {"grafana_dashboard": "1"}
