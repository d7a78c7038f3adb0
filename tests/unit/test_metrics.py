import json
import os
import re
import subprocess
import sys

import pytest

from lampwork.metrics.embedded import EmbeddedMetrics
from local.worker_metrics import prometheus_name
from shared.process import metrics
from shared.process.entry_point import entry_point
from shared.process.metrics import METRICS, Unit
from shared.queues.doorbells import GENERATE
from tests.conftest import ROOT

WORDS = {"Status": "failed", "Outcome": "failed", "Queue": GENERATE}


@pytest.fixture(autouse=True)
def nothing_recorded():
    metrics.use(metrics.EmbeddedRecorder())


def lines(printed):
    return [json.loads(line) for line in printed.readouterr().out.splitlines()]


def record_everything():
    for metric in METRICS:
        metrics.record(metric, 1.5, **{name: WORDS.get(name, "x") for name in metric.dimensions})


def test_the_documented_metrics_match_the_code():
    text = (ROOT / "docs/metrics.md").read_text()
    rows = re.findall(r"^\| `(\w+)` \| (\w+) \| (.*?) \|", text, re.MULTILINE)

    documented = [
        (name, unit, re.findall(r"`(\w+)`", dimensions)) for name, unit, dimensions in rows
    ]

    assert documented == [(each.name, each.unit.value, [*each.dimensions]) for each in METRICS]


def test_an_invocation_prints_all_it_recorded_in_one_line(capsys):
    @entry_point
    def handler(event, context):
        metrics.record(metrics.TASKS_SUBMITTED)
        metrics.record(metrics.TASKS_SUBMITTED)
        metrics.record(metrics.TASKS_FINISHED, Status="failed")
        for seconds in (0.5, 2.0):
            metrics.record(metrics.TASK_QUEUE_WAIT, seconds)

    handler({}, None)

    (line,) = lines(capsys)
    assert (line["TasksSubmitted"], line["TaskQueueWait"]) == (2, [0.5, 2.0])
    assert (line["TasksFinished"], line["Status"]) == (1, "failed")
    directives = line["_aws"]["CloudWatchMetrics"]
    assert [each["Dimensions"] for each in directives] == [[[]], [["Status"]]]
    assert {each["Namespace"] for each in directives} == {"Lampwork"}
    assert {"Name": "TasksSubmitted", "Unit": "Count"} in directives[0]["Metrics"]


def test_a_failing_invocation_prints_what_it_recorded(capsys):
    @entry_point
    def handler(event, context):
        metrics.record(metrics.SWEEPS)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        handler({}, None)

    assert [line["Sweeps"] for line in lines(capsys)] == [1]


def test_nothing_is_printed_when_nothing_was_recorded(capsys):
    entry_point(lambda event, context: None)({}, None)

    assert capsys.readouterr().out == ""


def test_two_values_of_one_dimension_take_two_lines(capsys):
    metrics.record(metrics.TASKS_FINISHED, Status="failed")
    metrics.record(metrics.TASKS_FINISHED, 2, Status="completed")
    metrics.flush()

    printed = [(line["Status"], line["TasksFinished"]) for line in lines(capsys)]
    assert printed == [("failed", 1), ("completed", 2)]


def test_no_line_has_more_values_of_a_metric_than_the_format_allows(capsys):
    for _ in range(250):
        metrics.record(metrics.TASK_QUEUE_WAIT, 1.0)
    metrics.flush()

    assert [len(line["TaskQueueWait"]) for line in lines(capsys)] == [100, 100, 50]


def test_the_emulator_and_a_worker_use_the_same_name_for_every_metric(capsys):
    shown = EmbeddedMetrics()
    record_everything()
    metrics.flush()

    assert all(shown.record_line(line) for line in capsys.readouterr().out.splitlines())

    kinds = {metric.name: metric.type for metric in shown.collect()}
    assert kinds == {
        prometheus_name(each): "counter" if each.unit is Unit.COUNT else "summary"
        for each in METRICS
    }


def test_a_missing_dimension_is_an_error():
    with pytest.raises(KeyError):
        metrics.record(metrics.TASKS_FINISHED)


def test_a_worker_shows_prometheus_what_its_processes_recorded(tmp_path):
    script = """
from dramatiq.brokers.stub import StubBroker
from local.worker_metrics import middleware
from shared.process import metrics
from shared.settings import MetricsFormat
StubBroker(middleware=middleware(MetricsFormat.PROMETHEUS)).emit_after("process_boot")
metrics.record(metrics.TASKS_FINISHED, 3, Status="failed")
from prometheus_client import CollectorRegistry, generate_latest, multiprocess
registry = CollectorRegistry()
multiprocess.MultiProcessCollector(registry)
print(generate_latest(registry).decode())
"""
    environment = {**os.environ, "dramatiq_prom_db": str(tmp_path)}
    finished = subprocess.run(
        [sys.executable, "-c", script],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )

    assert 'lampwork_tasks_finished_total{status="failed"} 3.0' in finished.stdout
