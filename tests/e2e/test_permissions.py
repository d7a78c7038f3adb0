"""What functions ask of AWS in a running product, beside what the template lets them do."""

import json
import subprocess
import sys

import pytest

from tests.conftest import ROOT
from tests.waiting import until

pytestmark = pytest.mark.parametrize("product", ["sqs"], indirect=True, scope="package")
EXPECTED = {
    ("TasksCreate", "sqs:SendMessage"),
    ("TasksGenerate", "s3:PutObject"),
    ("Health", "s3:ListBucket"),
}


def test_functions_ask_of_aws_nothing_that_their_policies_do_not_allow(product, ada):
    task = ada.submit("a quiet harbour", width=64, height=64)
    until(lambda: ada.client.get(f"/tasks/{task['id']}").json()["terminal"])
    ada.client.get(f"{product.origin}/api/health").raise_for_status()

    command = [sys.executable, "-m", "lampwork", "policies", "--check", "--json"]
    checked = subprocess.run(
        [*command, "--data", product.data], cwd=ROOT, capture_output=True, text=True, check=False
    )

    functions = json.loads(checked.stdout)
    asked = {(each["function"], need["action"]) for each in functions for need in each["asked"]}
    assert checked.returncode == 0, checked.stdout
    assert asked >= EXPECTED
