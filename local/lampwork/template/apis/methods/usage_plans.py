from collections.abc import Iterator
from typing import Final, cast

from lampwork.stack.rest_methods import ApiKey, Period, UsagePlan
from lampwork.template.resource import Resource
from lampwork.template.source.values import Section

PLAN: Final = "AWS::ApiGateway::UsagePlan"
KEY: Final = "AWS::ApiGateway::ApiKey"
PLAN_KEY: Final = "AWS::ApiGateway::UsagePlanKey"
PERIODS: Final = ("DAY", "WEEK", "MONTH")


def read_usage_plans(api: Resource, stage: str) -> tuple[UsagePlan, ...]:
    """The usage plans of one stage of a REST API, with their keys.

    Raises:
        TemplateError: a value cannot be resolved or is of the wrong kind.
    """
    return tuple(
        _plan(plan, each)
        for plan in api.template.of_type(PLAN)
        for each in plan.sections("ApiStages")
        if each.text("ApiId") == api.identity.reference and each.text("Stage") == stage
    )


def _plan(plan: Resource, stage: Section) -> UsagePlan:
    if stage.section("Throttle"):
        plan.ignore("Throttle of single methods", "the plan's own throttle holds for all of them")
    throttle, quota = plan.section("Throttle"), plan.section("Quota")
    period = quota.text("Period") or "DAY"
    if period not in PERIODS:
        problem = f"the Period of {plan.logical_id} must be DAY, WEEK or MONTH, not {period!r}."
        raise plan.error(problem, "Quota")
    rate = throttle.scalar("RateLimit")
    return UsagePlan(
        plan_id=plan.identity.id,
        keys=tuple(_keys(plan)),
        rate=None if rate is None else _number(throttle, rate),
        burst=throttle.optional_integer("BurstLimit"),
        quota=quota.optional_integer("Limit"),
        period=cast(Period, period),
        offset=quota.integer("Offset", 0),
    )


def _number(throttle: Section, text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise throttle.error(f"the RateLimit must be a number, not {text!r}.") from None


def _keys(plan: Resource) -> Iterator[ApiKey]:
    keys = {key.identity.reference: key for key in plan.template.of_type(KEY)}
    for connection in plan.template.of_type(PLAN_KEY):
        if connection.get("UsagePlanId") == plan.identity.reference:
            key = keys.get(connection.required("KeyId"))
            if key is None:
                connection.ignore(connection.type, "its KeyId is not a key of this template")
            else:
                yield _key(key)


def _key(key: Resource) -> ApiKey:
    """A key of the template. CloudFormation's keys are disabled unless `Enabled` is true."""
    return ApiKey(
        logical_id=key.logical_id,
        key_id=key.identity.id,
        name=key.identity.name,
        value=key.text("Value") or key.identity.api_key_value,
        enabled=key.truth("Enabled"),
    )
