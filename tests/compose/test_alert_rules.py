import re
import subprocess
from typing import Any

import pytest
import yaml

from shared.models.user import Plan
from tests.conftest import ROOT

PROMETHEUS = ROOT / "local" / "monitoring" / "prometheus"
RUNBOOKS = "docs/operations.md"


def alerts() -> list[dict[str, Any]]:
    files = [yaml.safe_load(file.read_text()) for file in PROMETHEUS.glob("rules/*.yml")]
    rules = [rule for file in files for group in file["groups"] for rule in group["rules"]]
    return [rule for rule in rules if "alert" in rule]


def test_every_alert_fires_when_it_should_and_only_then():
    cases = sorted(PROMETHEUS.glob("tests/*.yml"))
    finished = subprocess.run(["promtool", "test", "rules", *cases], capture_output=True, text=True)

    assert finished.returncode == 0, finished.stdout + finished.stderr


def test_every_alert_has_a_case_that_fires_and_one_that_does_not():
    files = [yaml.safe_load(file.read_text()) for file in PROMETHEUS.glob("tests/*.yml")]
    expected = {
        (check["alertname"], bool(check["exp_alerts"]))
        for file in files
        for case in file["tests"]
        for check in case["alert_rule_test"]
    }

    names = [rule["alert"] for rule in alerts()]
    assert expected == {(name, fires) for name in names for fires in (True, False)}


def test_every_alert_leads_to_what_is_to_be_done():
    headings = re.findall(r"^#+ (\w+)$", (ROOT / RUNBOOKS).read_text(), re.MULTILINE)

    for rule in alerts():
        assert rule["annotations"]["runbook_url"] == f"{RUNBOOKS}#{rule['alert'].lower()}"
        assert headings.count(rule["alert"]) == 1, rule["alert"]


def test_the_database_is_asked_for_the_tasks_of_every_plan():
    queries = (ROOT / "local/monitoring/postgres-exporter/queries.yml").read_text()
    (named,) = re.findall(r"\(VALUES (.*?)\) AS plans", queries)

    assert re.findall(r"'(\w+)'", named) == [plan.value for plan in Plan]


@pytest.mark.parametrize("dashboard", ["objectives", "overview", "functions", "tasks", "streams"])
def test_a_dashboard_reads_the_provisioned_source_and_its_ids_are_unique(dashboard):
    path = ROOT / "local" / "monitoring" / "grafana" / "dashboards" / f"{dashboard}.json"
    parsed = yaml.safe_load(path.read_text())

    assert parsed["uid"] == f"lampwork-{dashboard}"
    assert {panel["datasource"]["uid"] for panel in parsed["panels"]} == {"prometheus"}
    identifiers = [panel["id"] for panel in parsed["panels"]]
    assert len(set(identifiers)) == len(identifiers)
