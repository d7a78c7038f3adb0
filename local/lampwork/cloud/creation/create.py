"""Creates a template's resources with the same calls that CloudFormation would make."""

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final, TypedDict

from botocore.exceptions import BotoCoreError, ClientError

from lampwork.cloud import kinesis_streams, table_streams
from lampwork.cloud.creation import (
    api_keys,
    buckets,
    messaging,
    secrets,
    state_machines,
    tables,
    user_pools,
)
from lampwork.cloud.creation.made import Made
from lampwork.cloud.in_process import Clients
from lampwork.cloud.persistence.state_file import StateFile
from lampwork.stack.model import CloudResource

PREFIX: Final = "template/"

Create = Callable[[Clients, CloudResource], Made]
"""Creates or updates a resource. Returns the names and ARNs that `Remove` needs."""

Remove = Callable[[Clients, Made], None]


class Record(TypedDict):
    """What is stored about a resource. The digest shows whether the template has changed it."""

    type: str
    digest: str
    made: Made


def create_reader(clients: Clients, resource: CloudResource) -> Made:
    """Create the queue of what reads the stream of a table, or of Kinesis."""
    if "Stream" in resource.properties:
        return kinesis_streams.create_reader(clients, resource)
    return table_streams.create_reader(clients, resource)


# The order matters: a resource comes after the resources that it may need.
CREATE: Final[Mapping[str, Create]] = {
    "AWS::SSM::Parameter": secrets.put_parameter,
    "AWS::SecretsManager::Secret": secrets.create_secret,
    "AWS::SQS::Queue": messaging.create_queue,
    "AWS::Kinesis::Stream": kinesis_streams.create_stream,
    "AWS::DynamoDB::Table": tables.create_table,
    "AWS::Lambda::EventSourceMapping": create_reader,
    "AWS::SNS::Topic": messaging.create_topic,
    "AWS::SNS::Subscription": messaging.subscribe,
    "AWS::S3::Bucket": buckets.create_bucket,
    "AWS::SES::ConfigurationSet": messaging.create_configuration_set,
    "AWS::SES::EmailIdentity": messaging.create_email_identity,
    "AWS::StepFunctions::Activity": state_machines.create_activity,
    "AWS::StepFunctions::StateMachine": state_machines.create_state_machine,
    "AWS::Events::EventBus": messaging.create_event_bus,
    "AWS::Events::Connection": messaging.create_connection,
    "AWS::Events::ApiDestination": messaging.create_api_destination,
    "AWS::Events::Rule": messaging.put_rule,
    "AWS::Scheduler::Schedule": messaging.put_schedule,
    "AWS::ApiGateway::ApiKey": api_keys.create_key,
    "AWS::ApiGateway::UsagePlan": api_keys.create_plan,
    "AWS::ApiGateway::UsagePlanKey": api_keys.connect,
    "AWS::Cognito::UserPool": user_pools.create_pool,
    "AWS::Cognito::UserPoolResourceServer": user_pools.create_resource_server,
    "AWS::Cognito::UserPoolIdentityProvider": user_pools.create_identity_provider,
    "AWS::Cognito::UserPoolClient": user_pools.create_client,
    "AWS::Cognito::UserPoolDomain": user_pools.create_domain,
    "AWS::Cognito::UserPoolGroup": user_pools.create_group,
    "AWS::Cognito::UserPoolUser": user_pools.create_user,
    "AWS::Cognito::UserPoolUserToGroupAttachment": user_pools.add_to_group,
    "AWS::Cognito::IdentityPool": user_pools.create_identity_pool,
}
# Resources that only connect others are removed when they leave the template. Resources that may
# hold data stay.
REMOVE: Final[Mapping[str, Remove]] = {
    "AWS::Lambda::EventSourceMapping": table_streams.remove_reader,
    "AWS::SNS::Subscription": messaging.unsubscribe,
    "AWS::StepFunctions::Activity": state_machines.delete_activity,
    "AWS::StepFunctions::StateMachine": state_machines.delete_state_machine,
    "AWS::Events::Rule": messaging.delete_rule,
    "AWS::ApiGateway::ApiKey": api_keys.delete_key,
    "AWS::ApiGateway::UsagePlan": api_keys.delete_plan,
    "AWS::ApiGateway::UsagePlanKey": api_keys.take_out,
    "AWS::Scheduler::Schedule": messaging.delete_schedule,
}


def create(resources: Sequence[CloudResource], clients: Clients, state: StateFile) -> Iterator[str]:
    """Create what is new or changed in the template; remove what left it and is in `REMOVE`.

    Yields one line of text for each resource that AWS would refuse to create or to remove. A
    resource that the template has not changed stays as its users have left it.
    """
    kept: dict[str, Record] = {
        logical_id: json.loads(value) for logical_id, value in state.read(PREFIX)
    }
    yield from _remove(kept, {each.logical_id for each in resources}, clients, state)
    order = list(CREATE)
    # A queue may name another queue for its dead letters, so queues that name none come first.
    for resource in sorted(resources, key=lambda each: (order.index(each.type), _redrives(each))):
        digest = hashlib.sha256(json.dumps(resource.properties).encode()).hexdigest()
        record = kept.get(resource.logical_id)
        if record is not None and record["digest"] == digest:
            continue
        try:
            made = CREATE[resource.type](clients, resource)
        except (BotoCoreError, ClientError) as error:
            yield f"{resource.logical_id} (line {resource.line}) is refused: {error}"
            continue
        record = Record(type=resource.type, digest=digest, made=made)
        state.write({PREFIX + resource.logical_id: json.dumps(record).encode()})


def _remove(
    kept: Mapping[str, Record], present: set[str], clients: Clients, state: StateFile
) -> Iterator[str]:
    for logical_id in kept.keys() - present:
        record = kept[logical_id]
        if remove := REMOVE.get(record["type"]):
            try:
                remove(clients, record["made"])
            except (BotoCoreError, ClientError) as error:
                yield f"{logical_id} cannot be removed: {error}"
        state.write({PREFIX + logical_id: None})


def _redrives(resource: CloudResource) -> bool:
    return "RedrivePolicy" in resource.properties.get("Attributes", {})
