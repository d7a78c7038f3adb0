import json
from collections.abc import Collection, Iterator, Mapping
from typing import Final

from lampwork.cloud.creation.made import Made
from lampwork.cloud.in_process import Client, Clients
from lampwork.stack.model import CloudResource, parted_attributes

OF_A_TOPIC: Final = ("ContentBasedDeduplication", "DisplayName", "FifoTopic")
# The scope comes first, because a policy is read with the scope that is set at that moment.
OF_A_SUBSCRIPTION: Final = (
    *("FilterPolicyScope", "FilterPolicy", "RawMessageDelivery", "RedrivePolicy"),
)
WHEN: Final = ("EventPattern", "ScheduleExpression")
OF_A_SCHEDULE: Final = (
    *("ScheduleExpression", "ScheduleExpressionTimezone", "StartDate", "EndDate", "State"),
    *("FlexibleTimeWindow", "Target"),
)
OF_A_CONNECTION: Final = ("AuthParameters", "AuthorizationType", "Description")
OF_AN_API_DESTINATION: Final = (
    *("ConnectionArn", "Description", "HttpMethod", "InvocationEndpoint"),
    "InvocationRateLimitPerSecond",
)
OF_A_TARGET: Final = (
    *("Arn", "HttpParameters", "Id", "Input", "InputPath", "InputTransformer"),
    "KinesisParameters",
    *("DeadLetterConfig", "RetryPolicy", "SqsParameters"),
)


def create_queue(clients: Clients, resource: CloudResource) -> Made:
    sqs = clients("sqs")
    at_creation, settable = parted_attributes(resource.properties["Attributes"])
    url = sqs.create_queue(QueueName=resource.name, Attributes=at_creation)["QueueUrl"]
    if settable:
        sqs.set_queue_attributes(QueueUrl=url, Attributes=settable)
    return {}


def create_topic(clients: Clients, resource: CloudResource) -> Made:
    sns, properties = clients("sns"), resource.properties
    attributes = dict(_texts(properties, OF_A_TOPIC))
    topic = sns.create_topic(Name=resource.name, Attributes=attributes)["TopicArn"]
    for each in properties.get("Subscription", []):
        sns.subscribe(TopicArn=topic, Protocol=each["Protocol"], Endpoint=each["Endpoint"])
    return {}


def subscribe(clients: Clients, resource: CloudResource) -> Made:
    sns, properties = clients("sns"), resource.properties
    attributes = dict(_texts(properties, OF_A_SUBSCRIPTION))
    arn = sns.subscribe(
        TopicArn=properties["TopicArn"],
        Protocol=properties["Protocol"],
        Endpoint=properties["Endpoint"],
        ReturnSubscriptionArn=True,
    )["SubscriptionArn"]
    for name, value in attributes.items():
        sns.set_subscription_attributes(
            SubscriptionArn=arn, AttributeName=name, AttributeValue=value
        )
    return {"arn": arn}


def unsubscribe(clients: Clients, made: Made) -> None:
    clients("sns").unsubscribe(SubscriptionArn=made["arn"])


def create_event_bus(clients: Clients, resource: CloudResource) -> Made:
    events = clients("events")
    if resource.name not in {bus["Name"] for bus in events.list_event_buses()["EventBuses"]}:
        events.create_event_bus(Name=resource.name)
    return {}


def create_email_identity(clients: Clients, resource: CloudResource) -> Made:
    """Create an address or a domain from which mails can be sent.

    On AWS its owner has to confirm it first. Here it counts as confirmed at once.
    """
    if "@" in resource.name:
        clients("ses").verify_email_identity(EmailAddress=resource.name)
    else:
        clients("ses").verify_domain_identity(Domain=resource.name)
    return {}


def create_configuration_set(clients: Clients, resource: CloudResource) -> Made:
    ses = clients("ses")
    present = {each["Name"] for each in ses.list_configuration_sets()["ConfigurationSets"]}
    if resource.name not in present:
        ses.create_configuration_set(ConfigurationSet={"Name": resource.name})
    return {}


def create_connection(clients: Clients, resource: CloudResource) -> Made:
    events = clients("events")
    present = {each["Name"] for each in events.list_connections()["Connections"]}
    put = events.update_connection if resource.name in present else events.create_connection
    put(**_named(resource, OF_A_CONNECTION))
    return {}


def create_api_destination(clients: Clients, resource: CloudResource) -> Made:
    events = clients("events")
    present = {each["Name"] for each in events.list_api_destinations()["ApiDestinations"]}
    exists = resource.name in present
    put = events.update_api_destination if exists else events.create_api_destination
    put(**_named(resource, OF_AN_API_DESTINATION))
    return {}


def _named(resource: CloudResource, names: Collection[str]) -> dict[str, object]:
    given = {name: each for name, each in resource.properties.items() if name in names}
    return {"Name": resource.name, **given}


def put_rule(clients: Clients, resource: CloudResource) -> Made:
    events, properties = clients("events"), resource.properties
    rule = {"Rule": resource.name, "EventBusName": properties.get("EventBusName", "default")}
    events.put_rule(
        Name=rule["Rule"],
        EventBusName=rule["EventBusName"],
        State=properties.get("State", "ENABLED"),
        **{name: properties[name] for name in WHEN if name in properties},
    )
    targets = [
        {name: target[name] for name in OF_A_TARGET if name in target}
        for target in properties.get("Targets", [])
    ]
    _remove_targets(events, rule, keeping={target["Id"] for target in targets})
    if targets:
        events.put_targets(**rule, Targets=targets)
    return rule


def delete_rule(clients: Clients, made: Made) -> None:
    events = clients("events")
    _remove_targets(events, made)
    events.delete_rule(Name=made["Rule"], EventBusName=made["EventBusName"])


def put_schedule(clients: Clients, resource: CloudResource) -> Made:
    """Create or change a schedule of the Scheduler's default group."""
    scheduler = clients("scheduler")
    wanted = {
        name: resource.properties[name] for name in OF_A_SCHEDULE if name in resource.properties
    }
    present = scheduler.list_schedules(NamePrefix=resource.name)["Schedules"]
    exists = resource.name in {each["Name"] for each in present}
    (scheduler.update_schedule if exists else scheduler.create_schedule)(
        Name=resource.name, **wanted
    )
    return {"name": resource.name}


def delete_schedule(clients: Clients, made: Made) -> None:
    clients("scheduler").delete_schedule(Name=made["name"])


def _remove_targets(events: Client, rule: Made, keeping: Collection[str] = frozenset()) -> None:
    present = {target["Id"] for target in events.list_targets_by_rule(**rule)["Targets"]}
    if gone := sorted(present.difference(keeping)):
        events.remove_targets(**rule, Ids=gone)


def _texts(properties: Mapping[str, object], names: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    """The properties with these names as attributes of an API that takes only strings."""
    for name in names:
        value = properties.get(name)
        if isinstance(value, bool):
            yield name, str(value).lower()
        elif isinstance(value, str):
            yield name, value
        elif value is not None:
            yield name, json.dumps(value)
