"""What the template asks of those who deploy it, and what it lets its functions do."""

import json
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import trustme

from lampwork.template.source.document import read_document
from local import rds_authorities, secret
from shared.database import RDS_AUTHORITIES
from shared.process.safety import FUNCTIONS_WITH_A_DATABASE
from shared.security.keys import read_keys
from tests.conftest import ROOT

NEEDED = {"DATABASE_URL": "postgresql+asyncpg://db", "REDIS_URL": "rediss://cache"}


@pytest.fixture(scope="module")
def template() -> Any:
    return read_document(ROOT / "template.yaml")


def of_type(template: Any, kind: str) -> dict[str, Any]:
    found = template.resources.items()
    return {name: each for name, each in found if each["Type"] == kind}


def test_no_parameter_is_a_secret_and_each_says_what_it_takes(template):
    for name, parameter in template.content["Parameters"].items():
        assert "NoEcho" not in parameter, name
        assert parameter.keys() & {"AllowedPattern", "AllowedValues", "MinValue"}, name
        assert "Default" in parameter, name


def test_sam_asks_nothing_about_access_to_the_api(template):
    """It asks for each function whose API has no Auth."""
    (api,) = of_type(template, "AWS::Serverless::HttpApi").values()

    assert api["Properties"]["Auth"]


def test_every_function_may_read_the_secret(template):
    functions = of_type(template, "AWS::Serverless::Function")

    roles = template.resources["SecretAccess"]["Properties"]["Roles"]
    assert roles == [{"Ref": f"{name}Role"} for name in functions]


def test_safety_counts_the_functions_that_may_hold_a_connection(template):
    handlers = {
        each["Properties"]["Handler"]
        for each in of_type(template, "AWS::Serverless::Function").values()
    }

    without = {"functions.auth.jwks.handler", "functions.docs.openapi.handler"}
    assert len(handlers - without) == FUNCTIONS_WITH_A_DATABASE


def test_each_statement_allows_one_action_on_named_things(template):
    """An action may be many functions' own; none is a pattern, and no statement is for all."""
    for name, function in of_type(template, "AWS::Serverless::Function").items():
        for policy in function["Properties"].get("Policies", ()):
            for statement in policy["Statement"]:
                assert "*" not in statement["Action"], name
                assert statement["Resource"] != "*", name


def test_no_alarm_is_without_advice():
    alarms = {
        name
        for file in ("template.yaml", "deploy/alarms.yaml", "deploy/data.yaml")
        for name in of_type(read_document(ROOT / file), "AWS::CloudWatch::Alarm")
    }
    advice = (ROOT / "docs/operations.md").read_text()

    for name in alarms:
        assert f"### {name}\n" in advice, name


def test_the_edge_keeps_no_error_and_encrypts_as_of_today(template):
    config = template.resources["Distribution"]["Properties"]["DistributionConfig"]
    errors = config["CustomErrorResponses"]

    assert {each["ErrorCachingMinTTL"] for each in errors} == {0}
    assert {500, 501, 502, 503, 504, 404, 405, 414} <= {each["ErrorCode"] for each in errors}
    certificate = config["ViewerCertificate"]["Fn::If"]
    assert certificate[1]["MinimumProtocolVersion"] == "TLSv1.2_2021"
    for origin in config["Origins"]:
        assert origin["CustomOriginConfig"]["OriginSSLProtocols"] == ["TLSv1.2"]


def test_access_logs_hold_no_query_string(template):
    (api,) = of_type(template, "AWS::Serverless::HttpApi").values()
    shown = json.loads(api["Properties"]["AccessLogSettings"]["Format"])

    assert all("path" not in value and "uery" not in value for value in shown.values())


def test_routes_that_hash_passwords_are_throttled(template):
    (api,) = of_type(template, "AWS::Serverless::HttpApi").values()

    hashing = {
        f"{route['Properties']['Method']} {route['Properties']['Path']}"
        for function in of_type(template, "AWS::Serverless::Function").values()
        if function["Properties"].get("MemorySize") == 1024
        for route in function["Properties"]["Events"].values()
    }
    assert set(api["Properties"]["RouteSettings"]) == hashing


def test_the_text_of_a_secret_has_keys_and_passes_on_what_is_given():
    made = json.loads(secret.text({**NEEDED, "GENERATOR_API_KEY": "k", "SENTRY_DSN": "", "X": "y"}))

    read_keys(json.dumps(made.pop("KEYS_JSON")))
    assert made.pop("ORIGIN_SECRET") == made.pop("ORIGIN_SECRETS")
    assert made == {**NEEDED, "GENERATOR_API_KEY": "k"}


def test_a_secret_is_never_written_over_another(tmp_path):
    file = tmp_path / "secret.json"
    command = [sys.executable, "-m", "local.secret", str(file)]
    made = [
        subprocess.run(command, cwd=ROOT, env=NEEDED, capture_output=True, text=True)
        for _ in range(2)
    ]

    assert [each.returncode for each in made] == [0, 1]
    assert made[1].stderr == f"{file}: File exists\n"
    assert file.stat().st_mode & 0o777 == 0o600


def test_a_secret_without_an_address_is_not_made(tmp_path):
    command = [sys.executable, "-m", "local.secret", str(tmp_path / "secret.json")]
    made = subprocess.run(command, cwd=ROOT, env={}, capture_output=True, text=True)

    assert made.returncode == 1
    assert "DATABASE_URL is not set" in made.stderr


def test_valid_roots_are_kept_of_a_text_with_certificates():
    root = trustme.CA()
    between = root.create_child_ca()
    text = (root.cert_pem.bytes() + between.cert_pem.bytes()).decode()
    as_javascript = "exports.ca = ['" + text.strip().replace("\n", "\\n' +\n    '") + "'];"
    now = datetime.now(UTC)

    for each in (text, as_javascript):
        (kept,) = rds_authorities.roots(each, now)
        assert kept.subject == kept.issuer
        assert list(rds_authorities.roots(each, now + timedelta(days=365 * 1000))) == []


def test_the_authorities_of_rds_that_are_shipped_are_roots_for_years_to_come():
    shipped = RDS_AUTHORITIES.read_text()

    assert len(rds_authorities.roots(shipped, datetime(2060, 1, 1, tzinfo=UTC))) > 80
