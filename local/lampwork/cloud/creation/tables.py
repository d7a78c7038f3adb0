from collections.abc import Mapping
from typing import Any, Final

from lampwork.cloud.creation.made import Made
from lampwork.cloud.in_process import Client, Clients
from lampwork.cloud.moto_seam.dynamodb import Destination, set_destination
from lampwork.events.dynamodb_streams import MICROSECOND
from lampwork.stack.model import CloudResource

# These properties are the same in CloudFormation and in CreateTable.
# https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-dynamodb-table.html
SAME: Final = (
    *("AttributeDefinitions", "BillingMode", "DeletionProtectionEnabled", "KeySchema"),
    *("LocalSecondaryIndexes", "ProvisionedThroughput"),
)
OF_AN_INDEX: Final = ("IndexName", "KeySchema", "Projection", "ProvisionedThroughput")


def create_table(clients: Clients, resource: CloudResource) -> Made:
    """Create a table, or add the missing indexes, stream and expiry to an existing one."""
    dynamodb, properties = clients("dynamodb"), resource.properties
    indexes = [
        {name: index[name] for name in OF_AN_INDEX if name in index}
        for index in properties.get("GlobalSecondaryIndexes", [])
    ]
    stream = properties.get("StreamSpecification", {}).get("StreamViewType")
    wanted = {"StreamEnabled": True, "StreamViewType": stream} if stream else None
    if resource.name in dynamodb.list_tables()["TableNames"]:
        _add_indexes(dynamodb, resource, indexes)
        _set_stream(dynamodb, resource.name, wanted)
    else:
        arguments = {name: properties[name] for name in SAME if name in properties}
        if indexes:
            arguments["GlobalSecondaryIndexes"] = indexes
        if wanted:
            arguments["StreamSpecification"] = wanted
        dynamodb.create_table(TableName=resource.name, **arguments)
    _set_destination(clients, resource)
    # The requests that look up and set the expiry also store the destination.
    _set_expiry(dynamodb, resource.name, properties.get("TimeToLiveSpecification"))
    return {}


def _add_indexes(
    dynamodb: Client, resource: CloudResource, indexes: list[dict[str, object]]
) -> None:
    table = dynamodb.describe_table(TableName=resource.name)["Table"]
    present = {index["IndexName"] for index in table.get("GlobalSecondaryIndexes", [])}
    for index in indexes:
        if index["IndexName"] not in present:
            dynamodb.update_table(
                TableName=resource.name,
                AttributeDefinitions=resource.properties["AttributeDefinitions"],
                GlobalSecondaryIndexUpdates=[{"Create": index}],
            )


def _set_stream(dynamodb: Client, table: str, wanted: Mapping[str, Any] | None) -> None:
    present = dynamodb.describe_table(TableName=table)["Table"].get("StreamSpecification")
    if wanted and wanted != present:
        dynamodb.update_table(TableName=table, StreamSpecification=wanted)


def _set_destination(clients: Clients, resource: CloudResource) -> None:
    """Set the stream of Kinesis that gets the table's changes, or none.

    moto has no EnableKinesisStreamingDestination.
    """
    wanted = resource.properties.get("KinesisStreamSpecification")
    destination = None
    if wanted:
        stream = wanted["StreamArn"].rpartition("/")[2]
        clients("kinesis").describe_stream_summary(StreamName=stream)  # is refused without it
        precision = wanted.get("ApproximateCreationDateTimePrecision", MICROSECOND)
        destination = Destination(stream, precision)
    set_destination(clients.region, resource.name, destination)


def _set_expiry(dynamodb: Client, table: str, wanted: Mapping[str, Any] | None) -> None:
    present = dynamodb.describe_time_to_live(TableName=table)["TimeToLiveDescription"]
    enabled = present["TimeToLiveStatus"] == "ENABLED"
    if wanted and bool(wanted.get("Enabled", True)) != enabled:
        dynamodb.update_time_to_live(TableName=table, TimeToLiveSpecification=wanted)
