import subprocess

import pytest
import yaml

from tests.conftest import ROOT

PROMETHEUS = ROOT / "local" / "monitoring" / "prometheus"


def test_every_alert_fires_when_it_should_and_only_then():
    cases = PROMETHEUS / "tests" / "lampwork_test.yml"
    finished = subprocess.run(["promtool", "test", "rules", cases], capture_output=True, text=True)

    assert finished.returncode == 0, finished.stdout + finished.stderr


def test_every_alert_has_a_case_that_fires_and_one_that_does_not():
    rules = yaml.safe_load((PROMETHEUS / "rules" / "lampwork.yml").read_text())
    cases = yaml.safe_load((PROMETHEUS / "tests" / "lampwork_test.yml").read_text())["tests"]
    expected = {
        (check["alertname"], bool(check["exp_alerts"]))
        for case in cases
        for check in case["alert_rule_test"]
    }

    alerts = [rule["alert"] for group in rules["groups"] for rule in group["rules"]]
    assert expected == {(alert, fires) for alert in alerts for fires in (True, False)}


@pytest.mark.parametrize("dashboard", ["overview", "functions", "tasks", "streams"])
def test_a_dashboard_reads_the_provisioned_source_and_its_ids_are_unique(dashboard):
    path = ROOT / "local" / "monitoring" / "grafana" / "dashboards" / f"{dashboard}.json"
    parsed = yaml.safe_load(path.read_text())

    assert parsed["uid"] == f"lampwork-{dashboard}"
    assert {panel["datasource"]["uid"] for panel in parsed["panels"]} == {"prometheus"}
    identifiers = [panel["id"] for panel in parsed["panels"]]
    assert len(set(identifiers)) == len(identifiers)
