"""The names of moto that this folder's other modules use, for the check at start-up."""

from typing import Final

from lampwork.seams import Seam, Specimen
from lampwork.stack.model import ACCOUNT_ID

REGION: Final = "us-east-1"


OF_A_MESSAGE: Final = (
    *("approximate_receive_count", "body", "deduplication_id", "delayed", "delayed_until"),
    *("group_id", "id", "message_attributes", "sent_timestamp", "sequence_number"),
    *("system_attributes", "visible", "visible_at"),
)
OF_A_QUEUE: Final = (
    *("_messages", "_messages_lock", "_pending_messages", "dead_letter_queue", "deleted_messages"),
    *("fifo_queue", "messages", "name", "pending_messages", "queue_arn", "redrive_policy"),
    *("region", "tags", "visibility_timeout"),
)
OF_A_POOL: Final = (
    *("arn", "clients", "extended_config", "id", "json_web_key", "region", "users"),
)
OF_A_CLIENT: Final = ("extended_config", "generate_secret", "id", "secret")
OF_A_USER: Final = ("attribute_lookup", "groups", "id", "password", "status", "username")
OF_A_SUBSCRIPTION: Final = ("_filter_policy_matcher", "arn", "endpoint", "protocol", "topic_arn")
OF_A_KEY: Final = (
    *("_value_buffer", "checksum_algorithm", "checksum_parts", "checksum_type", "checksum_value"),
    *("contentsize", "encryption", "etag", "kms_key_id", "last_modified", "lock", "metadata"),
    *("name", "size", "storage_class", "value", "version_id", "website_redirect_location"),
)
OF_A_RECORD: Final = ("created_at", "data", "partition_key", "sequence_number")
OF_A_TABLE: Final = (
    *("account_id", "attr", "has_range_key", "hash_key_attr", "items", "name", "range_key_attr"),
    *("region_name", "schema", "stream_shard", "stream_specification", "ttl"),
)

A_BACKEND: Final = Specimen("moto.sns.models.SNSBackend", (REGION, ACCOUNT_ID), ("topics",))
A_TOPIC: Final = Specimen("moto.sns.models.Topic", ("", A_BACKEND), ("sent_notifications",))
KEY_SCHEMA: Final = [{"AttributeName": "id", "KeyType": "HASH"}]
KEY_TYPES: Final = [{"AttributeName": "id", "AttributeType": "S"}]
NO_SCHEDULE: Final[tuple[object, ...]] = (None, {}, {}, None, None, None, None, None)
OF_A_SCHEDULE: Final = (
    *("action_after_completion", "arn", "creation_date", "end_date", "group_name", "name"),
    *("schedule_expression", "schedule_expression_timezone", "start_date", "state", "target"),
)
NO_RULE: Final = (None, None, None, None, "default", None)

SPECIMENS: Final = (
    A_BACKEND,
    A_TOPIC,
    Specimen(
        "moto.sns.models.Subscription", (ACCOUNT_ID, A_TOPIC, "", "lambda"), OF_A_SUBSCRIPTION
    ),
    Specimen("moto.apigateway.models.ApiKey", ("",), ("id",)),
    Specimen("moto.apigateway.models.UsagePlan", ("",), ("id",)),
    Specimen(
        "moto.apigateway.models.APIGatewayBackend",
        (REGION, ACCOUNT_ID),
        ("keys", "usage_plan_keys", "usage_plans"),
    ),
    Specimen(
        "moto.sns.utils.FilterPolicyMatcher",
        ({}, None),
        ("filter_policy", "filter_policy_scope"),
    ),
    Specimen("moto.sqs.models.Message", ("", ""), OF_A_MESSAGE),
    Specimen("moto.sqs.models.Queue", ("specimen", REGION, ACCOUNT_ID), OF_A_QUEUE),
    Specimen("moto.sqs.models.SQSBackend", (REGION, ACCOUNT_ID), ("queues", "region_name")),
    Specimen("moto.kinesis.models.Record", ("", "", 1, ""), OF_A_RECORD),
    Specimen("moto.kinesis.models.Shard", (0, 0, 1), ("records", "shard_id")),
    Specimen(
        "moto.kinesis.models.Stream",
        ("", 1, None, None, ACCOUNT_ID, REGION),
        ("region", "shards", "stream_name"),
    ),
    Specimen("moto.kinesis.models.KinesisBackend", (REGION, ACCOUNT_ID), ("streams",)),
    Specimen("moto.events.models.EventPatternParser", (None,), ("pattern",)),
    Specimen(
        "moto.events.models.Rule",
        ("", ACCOUNT_ID, REGION, *NO_RULE),
        ("arn", "event_pattern", "name", "scheduled_expression", "state", "targets"),
    ),
    Specimen(
        "moto.events.models.EventsBackend",
        (REGION, ACCOUNT_ID),
        ("connections", "destinations", "event_buses"),
    ),
    Specimen(
        "moto.events.models.Connection",
        ("specimen", ACCOUNT_ID, REGION, "", "", {}),
        ("auth_parameters",),
    ),
    Specimen(
        "moto.events.models.Destination",
        ("", ACCOUNT_ID, REGION, "", "", "", "", ""),
        ("connection_arn", "http_method", "invocation_endpoint"),
    ),
    Specimen("moto.events.models.EventBus", (ACCOUNT_ID, REGION, ""), ("rules",)),
    Specimen(
        "moto.scheduler.models.EventBridgeSchedulerBackend",
        (REGION, ACCOUNT_ID),
        ("schedule_groups",),
    ),
    Specimen("moto.scheduler.models.ScheduleGroup", (REGION, ACCOUNT_ID, ""), ("schedules",)),
    Specimen(
        "moto.scheduler.models.Schedule",
        (REGION, ACCOUNT_ID, "default", "", None, "rate(1 hour)", *NO_SCHEDULE),
        OF_A_SCHEDULE,
    ),
    Specimen("moto.iam.models.IAMBackend", ("aws", ACCOUNT_ID), ("access_keys",)),
    Specimen("moto.iam.models.AccessKey", (None, "AKIA", ACCOUNT_ID), ("secret_access_key",)),
    Specimen(
        "moto.s3.models.FakeBucket",
        ("", ACCOUNT_ID, REGION),
        ("acl", "keys", "multiparts", "policy"),
    ),
    Specimen("moto.s3.models.FakeAcl", (), ("grants",)),
    Specimen("moto.s3.models.FakeKey", ("", b"", ACCOUNT_ID, "aws"), OF_A_KEY),
    Specimen(
        "moto.dynamodb.models.table.Table",
        ("", ACCOUNT_ID, REGION, KEY_SCHEMA, KEY_TYPES),
        OF_A_TABLE,
    ),
    Specimen("moto.cognitoidp.models.CognitoIdpUserPool", (ACCOUNT_ID, REGION, "", {}), OF_A_POOL),
    Specimen("moto.cognitoidp.models.CognitoIdpUserPoolClient", ("", True, {}), OF_A_CLIENT),
    Specimen(
        "moto.cognitoidentity.models.CognitoIdentityPool",
        (REGION, "specimen"),
        ("identity_pool_id",),
    ),
    Specimen(
        "moto.cognitoidentity.models.CognitoIdentityBackend",
        (REGION, ACCOUNT_ID),
        ("identity_pools",),
    ),
    Specimen("moto.cognitoidp.models.CognitoIdpUser", ("", "", "", "CONFIRMED", []), OF_A_USER),
    Specimen("moto.cognitoidp.models.CognitoIdpBackend", (REGION, ACCOUNT_ID), ("user_pools",)),
    Specimen("moto.utilities.tagging_service.TaggingService", (), ("tags",)),
)

MOTO: Final = Seam(
    package="moto",
    floor="5.2.5",
    ceiling="5.3",
    extras="[s3,server,sqs]",
    calls=(
        "moto.__version__",
        "moto.backends.get_backend(name)",
        "moto.core.base_backend.BaseBackend",
        "moto.core.base_backend.BaseBackend.reset(self)",
        "moto.moto_server.werkzeug_app.DomainDispatcherApplication(create_app)",
        "moto.moto_server.werkzeug_app.create_backend_app(service)",
        "moto.moto_server.werkzeug_app.MotoRequestHandler.make_environ(self)",
        "moto.sqs.models.Message(message_id, body, system_attributes)",
        "moto.sqs.models.Message.mark_sent(self)",
        "moto.sqs.models.Queue(name, region, account_id)",
        "moto.sqs.models.SQSBackend.create_queue(self, name)",
        "moto.sns.models.Subscription._parse_message_structure(self, message, protocol)",
        "moto.sns.exceptions.SNSInvalidParameter",
        "moto.scheduler.models.EventBridgeSchedulerBackend.delete_schedule(self, group_name, name)",
        "moto.events.models.EventPattern.dump(self)",
        "moto.kinesis.models.Record(partition_key, data, sequence_number, explicit_hash_key)",
        "moto.kinesis.models.Shard.get_max_sequence_number(self)",
        "moto.events.exceptions.InvalidEventPatternException(reason)",
        "moto.events.exceptions.ValidationException(message)",
        "moto.events.responses.EventsHandler._get_param(self, param_name)",
        "moto.iam.access_control.IAMPolicy(policy)",
        "moto.iam.access_control.IAMPolicy.is_action_permitted(self, action, resource)",
        "moto.iam.access_control.PermissionResult.PERMITTED",
        "moto.s3.models.FakeBucket.arn",
        "moto.s3.models.FakeBucket.is_versioned",
        "moto.s3.models.FakeKey(*, name, value, account_id, region_name, storage, etag, version_id,"
        " bucket_name)",
        "moto.s3.models.FakeKey.set_metadata(self, metadata)",
        "moto.s3.models.S3Backend.create_bucket(self, bucket_name, region_name)",
        "moto.cognitoidp.models.CognitoIdpBackend._log_user_in(self, user_pool, client, username)",
        "moto.cognitoidp.models.CognitoIdpUserPool.backend",
        "moto.cognitoidp.models.UserStatus.CONFIRMED",
        "moto.cognitoidp.models.UserStatus.UNCONFIRMED",
        "moto.cognitoidp.models.CognitoIdpUserPool._get_user(self, username)",
        "moto.cognitoidp.responses.CognitoIdpJsonWebKeyResponse.json_web_key",
        "moto.utilities.utils.load_resource(resource)",
        "joserfc.jwk.RSAKey.import_key",
        "joserfc.jwt.encode(header, claims, key)",
        "moto.dynamodb.models.table.Table(table_name, account_id, region, schema, attr)",
        "moto.dynamodb.models.table.Table.all_items(self)",
        "moto.dynamodb.models.table.Table.set_stream_specification(self, streams)",
        "moto.dynamodb.models.table.StreamShard(account_id, table)",
    ),
    replaces=(
        "moto.cognitoidp.models.CognitoIdpUserPool.create_jwt(self, client_id, username, token_use,"
        " expires_in, extra_data)",
        "moto.moto_server.werkzeug_app.DomainDispatcherApplication.get_backend_for_host(self,"
        " host)",
        "moto.sqs.models.Queue.add_message(self, message)",
        "moto.sqs.models.unix_time(dt)",
        "moto.sqs.models.unix_time_millis(dt)",
        "moto.sqs.models.SQSBackend.list_queues(self, queue_name_prefix)",
        "moto.sqs.models.SQSBackend.get_queue(self, queue_name)",
        "moto.sns.models.Subscription.publish(self, message, message_id, subject,"
        " message_attributes, group_id, deduplication_id, message_structure)",
        "moto.events.models.EventPattern.matches_event(self, event)",
        "moto.events.models.EventPatternParser.parse(self)",
        "moto.events.responses.EventsHandler.test_event_pattern(self)",
        "moto.sns.models.SNSBackend._validate_filter_policy(self, value, scope)",
        "moto.sns.utils.FilterPolicyMatcher.matches(self, message_attributes, message)",
        "moto.kinesis.models.Shard.put_record(self, partition_key, data, explicit_hash_key)",
        "moto.kinesis.models.Stream.put_record(self, partition_key, explicit_hash_key, data)",
        "moto.events.models.Rule.send_to_targets(self, original_event, transform_input)",
        "moto.events.models.EventsBackend.put_targets(self, name, event_bus_arn, targets)",
        "moto.s3.notifications._invoke_awslambda(account_id, event_body, fn_arn, region_name)",
        "moto.s3.notifications._get_s3_event(event_name, bucket, key, notification_id)",
        "moto.s3.utils._VersionedKeyStore.__setitem__(self, key, value)",
        "moto.s3.utils._VersionedKeyStore.setlist(self, key, list_)",
        "moto.s3.utils._VersionedKeyStore.pop(self, key)",
        "moto.dynamodb.models.table.StreamShard.add(self, old, new)",
        "moto.dynamodb.models.table.Table.get_item(self, hash_key, range_key,"
        " projection_expression)",
        "moto.dynamodb.models.table.Table.delete_item(self, hash_key, range_key)",
        "moto.utilities.tagging_service.TaggingService.delete_all_tags_for_resource(self, arn)",
        "moto.utilities.tagging_service.TaggingService.tag_resource(self, arn, tags)",
        "moto.utilities.tagging_service.TaggingService.untag_resource_using_names(self, arn,"
        " tag_names)",
    ),
    specimens=SPECIMENS,
)
