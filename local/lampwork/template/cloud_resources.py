import json
from collections.abc import Iterator
from typing import Final

from lampwork.events.filter_policies import refusal
from lampwork.events.target_input import (
    TARGET_SERVICES,
    service_of,
    takes_events,
    unknown_placeholder,
)
from lampwork.stack.model import CloudResource
from lampwork.template.custom_resources import bucket_notifications
from lampwork.template.language.identity import OF_COGNITO
from lampwork.template.resource import Resource, Template, read_each
from lampwork.template.source.coverage import CREATED
from lampwork.template.source.values import Section
from lampwork.template.state_machines import has_definition, state_machine_properties
from lampwork.template.streams.mappings import check_pattern
from lampwork.template.triggers import queue_attributes

WITHOUT_PAGES: Final = {
    "AWS::Cognito::UserPoolDomain": "its pages and OAuth endpoints are not served; sign in by API",
    "AWS::Cognito::UserPoolIdentityProvider": "nobody can sign in through it here",
}
SENDERS: Final = frozenset(("CustomEmailSender", "CustomSMSSender"))
CONNECTION: Final = "AWS::Events::Connection"
SUBSCRIPTION: Final = "AWS::SNS::Subscription"
RULE: Final = "AWS::Events::Rule"
SCHEDULE: Final = "AWS::Scheduler::Schedule"
STATE_MACHINE: Final = "AWS::StepFunctions::StateMachine"


def read_resources(template: Template) -> tuple[CloudResource, ...]:
    """What the template defines of AWS's services beside functions and their APIs.

    Raises:
        TemplateError: a property cannot be resolved, or AWS would refuse a pattern.
    """
    made = (each for each in template if each.type in (*CREATED, RULE, SCHEDULE))
    return tuple(read_each(made, _resource))


def _resource(resource: Resource) -> Iterator[CloudResource]:
    _check(resource)
    _name_what_is_missing(resource)
    if _is_here(resource) and (properties := _properties(resource)) is not None:
        yield CloudResource(
            type=resource.type,
            logical_id=resource.logical_id,
            name=resource.identity.name,
            properties=properties,
            line=resource.line,
        )


def _check(resource: Resource) -> None:
    """
    Raises:
        TemplateError: AWS would refuse a subscription's filter policy or a target's template.
    """
    if resource.type == SUBSCRIPTION:
        policy = _parsed(resource.get("FilterPolicy"))
        problem = refusal(policy, resource.text("FilterPolicyScope")) if policy else None
        if problem:
            whose = f"the filter policy of {resource.logical_id}"
            raise resource.error(f"SNS refuses {whose}: {problem}", "FilterPolicy")
    elif resource.type == RULE:
        for target in resource.sections("Targets"):
            if name := unknown_placeholder(target.section("InputTransformer").content):
                raise target.error(
                    f"the InputTemplate of a target of {resource.logical_id} has the placeholder"
                    f" <{name}>, which its InputPathsMap does not have."
                )


def _parsed(policy: object) -> dict[str, object] | None:
    """A policy, which may also be written in JSON."""
    if isinstance(policy, str):
        try:
            policy = json.loads(policy)
        except ValueError:
            return None
    return policy if isinstance(policy, dict) else None


def _name_what_is_missing(resource: Resource) -> None:
    """Name what Cognito does with a resource and nobody does here."""
    if reason := WITHOUT_PAGES.get(resource.type):
        resource.ignore(resource.type, reason)
    if resource.type == "AWS::Cognito::UserPool":
        for sender in SENDERS & set(resource.section("LambdaConfig")):
            resource.ignore(f"trigger {sender}", "no message is sent from here")
    if resource.type == "AWS::S3::Bucket" and _ends_only_uploads(resource):
        resource.heed("LifecycleConfiguration")


def _ends_only_uploads(bucket: Resource) -> bool:
    """Whether objects stay for ever. An upload that was never finished is gone when Lampwork
    ends."""
    rules = bucket.section("LifecycleConfiguration").get("Rules")
    harmless = {"Id", "Status", "AbortIncompleteMultipartUpload"}
    return isinstance(rules, list) and all(
        isinstance(rule, dict) and rule.keys() <= harmless for rule in rules
    )


def _properties(resource: Resource) -> dict[str, object] | None:
    """What the embedded AWS is to have of a resource; None for one that it need not have."""
    match resource.type:
        case "AWS::SQS::Queue":
            return {"Attributes": dict(queue_attributes(resource))}
        case "AWS::S3::Bucket" if more := bucket_notifications(resource):
            return _bucket_with(resource, more)
        case "AWS::Events::Rule" if resource.get("EventPattern") is not None:
            return _rule_with_pattern(resource)
        case "AWS::Events::Rule":
            targets = [each.content for each in resource.sections("Targets") if _is_for_aws(each)]
            return {**resource.properties(), "Targets": targets} if targets else None
        case "AWS::Scheduler::Schedule":
            return resource.properties() if _is_for_aws(resource.section("Target")) else None
        case kind if kind == STATE_MACHINE:
            return state_machine_properties(resource)
        case "AWS::ApiGateway::ApiKey":
            value = resource.text("Value") or resource.identity.api_key_value
            return {**resource.properties(), "Id": resource.identity.id, "Value": value}
        case "AWS::ApiGateway::UsagePlan":
            return {**resource.properties(), "Id": resource.identity.id}
        case kind if kind in OF_COGNITO:
            of_cognito = resource.identity
            ids = {"Id": of_cognito.cognito_id, "Secret": of_cognito.client_secret}
            return {**resource.properties(), **ids}
        case _:
            return resource.properties()


def _is_here(resource: Resource) -> bool:
    """Whether the template holds all of it. A definition in a real account's bucket is not here,
    nor are the tokens of another company's server."""
    if resource.type == CONNECTION and "OAuthParameters" in resource.section("AuthParameters"):
        resource.ignore(resource.type, "no token is fetched with OAuth")
        return False
    if resource.type != STATE_MACHINE or has_definition(resource):
        return True
    resource.ignore(resource.written_type, "its definition is an object in S3; name a file here")
    return False


def _rule_with_pattern(rule: Resource) -> dict[str, object]:
    properties = rule.properties()
    pattern = _as_json(properties["EventPattern"])
    check_pattern(pattern, rule, "EventPattern")
    for target in rule.sections("Targets"):
        arn = target.required("Arn")
        if service_of(arn) not in TARGET_SERVICES:
            rule.ignore(rule.type, f"nothing here takes its events for {arn}")
    properties.pop("ScheduleExpression", None)
    return {**properties, "EventPattern": pattern}


def _is_for_aws(target: Section) -> bool:
    """Whether the embedded AWS itself delivers to a schedule's target: it is no function."""
    return takes_events(target.text("Arn") or "")


def _bucket_with(bucket: Resource, more: dict[str, list[dict[str, object]]]) -> dict[str, object]:
    """A bucket with these notifications beside its own."""
    own = bucket.section("NotificationConfiguration")
    notifications = {
        **{name: own.get(name) for name in own},
        **{name: [*_list(own, name), *added] for name, added in more.items()},
    }
    return {**bucket.properties(), "NotificationConfiguration": notifications}


def _list(values: Section, name: str) -> list[object]:
    value = values.get(name)
    return value if isinstance(value, list) else []


def _as_json(value: object) -> str:
    """A property of CloudFormation's type Json, which may also be a text in JSON."""
    return value if isinstance(value, str) else json.dumps(value)
