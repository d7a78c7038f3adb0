from collections.abc import Iterator
from ipaddress import ip_network
from typing import Final, cast, get_args

from lampwork.stack.function_names import FunctionNames
from lampwork.stack.load_balancers import (
    Action,
    Condition,
    Field,
    FixedResponse,
    FunctionTarget,
    Listener,
    ListenerRule,
    Redirect,
)
from lampwork.template.resource import Resource, Template
from lampwork.template.source.values import Section

LISTENER: Final = "AWS::ElasticLoadBalancingV2::Listener"
RULE: Final = "AWS::ElasticLoadBalancingV2::ListenerRule"
TARGET_GROUP: Final = "AWS::ElasticLoadBalancingV2::TargetGroup"
MULTI_VALUE: Final = "lambda.multi_value_headers.enabled"
FIELDS: Final = get_args(Field)
CONFIGS: Final = {
    "path-pattern": "PathPatternConfig",
    "host-header": "HostHeaderConfig",
    "http-request-method": "HttpRequestMethodConfig",
    "source-ip": "SourceIpConfig",
}


def read_load_balancers(template: Template, functions: FunctionNames) -> tuple[Listener, ...]:
    """The listeners of load balancers that lead to functions.

    Raises:
        TemplateError: a value cannot be resolved or is of the wrong kind.
    """
    groups = dict(_groups(template, functions))
    return tuple(
        each
        for listener in template.of_type(LISTENER)
        if (each := _listener(listener, groups)) is not None
    )


def _groups(template: Template, functions: FunctionNames) -> Iterator[tuple[str, FunctionTarget]]:
    """The target groups of functions by their ARNs."""
    for group in template.of_type(TARGET_GROUP):
        targets = list(group.sections("Targets"))
        attributes = {
            each.text("Key"): each.scalar("Value")
            for each in group.sections("TargetGroupAttributes")
        }
        if group.text("TargetType") != "lambda" or not targets:
            continue
        function = functions.find(targets[0].text("Id"))
        if function is None:
            group.ignore(group.type, "it leads to no function that runs here")
            continue
        if group.truth("HealthCheckEnabled"):
            group.ignore("HealthCheckEnabled", "no health checks are sent")
        arn = group.identity.arn
        multi_value = attributes.get(MULTI_VALUE) == "true"
        yield arn, FunctionTarget(arn, function.logical_id, multi_value)


def _listener(listener: Resource, groups: dict[str, FunctionTarget]) -> Listener | None:
    rules = [
        (rule.integer("Priority", 0), each)
        for rule in listener.template.of_type(RULE)
        if rule.get("ListenerArn") == listener.identity.reference
        and (each := _rule(rule, groups)) is not None
    ]
    default = _action(listener, "DefaultActions", groups)
    ordered = [rule for _, rule in sorted(rules, key=lambda each: each[0])]
    if default is not None:
        ordered.append(ListenerRule(default))
    found = Listener(listener.logical_id, listener.identity.id, tuple(ordered))
    if found.functions:
        return found
    listener.ignore(listener.type, "it leads to no function that runs here")
    return None


def _rule(rule: Resource, groups: dict[str, FunctionTarget]) -> ListenerRule | None:
    action = _action(rule, "Actions", groups)
    if action is None:
        rule.ignore(rule.type, "it leads to no function that runs here")
        return None
    conditions = []
    for each in rule.sections("Conditions"):
        if each.text("Field") not in FIELDS or "RegexValues" in str(each.content):
            rule.ignore(rule.type, f"its condition {each.text('Field')} is not known here")
            return None
        conditions.append(_condition(rule, each))
    return ListenerRule(action, tuple(conditions))


def _condition(rule: Resource, given: Section) -> Condition:
    field = cast(Field, given.required("Field"))
    if field == "query-string":
        pairs = given.section("QueryStringConfig").sections("Values")
        return Condition(
            field, pairs=tuple((each.text("Key") or "", each.text("Value") or "") for each in pairs)
        )
    if field == "http-header":
        header = given.section("HttpHeaderConfig")
        return Condition(
            field, header.texts("Values"), name=header.required("HttpHeaderName").lower()
        )
    values = given.section(CONFIGS[field]).texts("Values") or given.texts("Values")
    if field == "source-ip":
        for value in values:
            _check_network(rule, value)
    return Condition(field, values)


def _check_network(rule: Resource, value: str) -> None:
    try:
        ip_network(value, strict=False)
    except ValueError as error:
        problem = f"{value!r} in the source-ip of {rule.logical_id} is no range of addresses."
        raise rule.error(problem, "Conditions") from error


def _action(resource: Resource, name: str, groups: dict[str, FunctionTarget]) -> Action | None:
    """The action that answers, which is the last one; None where none does so here."""
    found: Action | None = None
    for given in sorted(resource.sections(name), key=lambda each: each.integer("Order", 0)):
        match given.text("Type"):
            case "forward":
                found = _forward(resource, given, groups)
            case "fixed-response":
                fixed = given.section("FixedResponseConfig")
                found = FixedResponse(
                    fixed.integer("StatusCode", 200, range(200, 600)),
                    fixed.text("ContentType") or "text/plain",
                    fixed.text("MessageBody") or "",
                )
            case "redirect":
                found = _redirect(given.section("RedirectConfig"))
            case other:
                resource.ignore(f"action {other}", "everybody may pass")
    return found


def _forward(
    resource: Resource, given: Section, groups: dict[str, FunctionTarget]
) -> FunctionTarget | None:
    weighted = list(given.section("ForwardConfig").sections("TargetGroups"))
    if len(weighted) > 1:
        resource.ignore("weights of target groups", "the group with the greatest weight gets all")
    weighted.sort(key=lambda each: -each.integer("Weight", 1))
    arns = [given.text("TargetGroupArn"), *(each.text("TargetGroupArn") for each in weighted)]
    return next((groups[arn] for arn in arns if arn in groups), None)


def _redirect(given: Section) -> Redirect:
    status = (given.text("StatusCode") or "HTTP_302").removeprefix("HTTP_")
    usual = Redirect(302)
    return Redirect(
        301 if status == "301" else 302,
        given.text("Protocol") or usual.protocol,
        given.text("Host") or usual.host,
        given.scalar("Port") or usual.port,
        given.text("Path") or usual.path,
        usual.query if (query := given.text("Query")) is None else query,
    )
