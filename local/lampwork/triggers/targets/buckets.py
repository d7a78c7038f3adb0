import uuid
from collections.abc import Iterator
from typing import Any, Final

from lampwork.events.s3 import Bucket, S3Object, s3_event
from lampwork.stack.model import CloudResource
from lampwork.stack.narrowing import Keeps
from lampwork.triggers.samples import REGION, Option, Sample, Service
from lampwork.triggers.targets.target_source import Target, TargetSource, list_of, with_property

NOTIFICATIONS: Final = "NotificationConfiguration"
TO_FUNCTIONS: Final = "LambdaConfigurations"
S3: Final = Service("s3", "Buckets.")
OBJECT: Final = (Option("bucket", "my-bucket"), Option("key", "folder/picture.png"))


def make_put(*, bucket: str, key: str, size: int, region: str) -> dict[str, Any]:
    return _event("s3:ObjectCreated:Put", bucket, key, size, region)


def make_delete(*, bucket: str, key: str, region: str) -> dict[str, Any]:
    return _event("s3:ObjectRemoved:Delete", bucket, key, 0, region)


def _event(name: str, bucket: str, key: str, size: int, region: str) -> dict[str, Any]:
    changed = S3Object(key, size, uuid.uuid4().hex)
    return s3_event(name, Bucket(bucket, region), changed, "lampwork")


class BucketSource(TargetSource):
    """Buckets of S3, with their notifications."""

    kind = "bucket"
    types = ("AWS::S3::Bucket",)
    samples = (
        Sample(
            *((S3,), "put", "An object was put into a bucket.", make_put),
            (*OBJECT, Option("size", 1024), REGION),
        ),
        Sample((S3,), "delete", "An object was deleted.", make_delete, (*OBJECT, REGION)),
    )

    def targets(self, resource: CloudResource) -> Iterator[Target]:
        for each in list_of(resource.properties.get(NOTIFICATIONS) or {}, TO_FUNCTIONS):
            yield f"{resource.name}  {each.get('Event')}", str(each.get("Function"))

    def with_targets(self, resource: CloudResource, keeps: Keeps) -> CloudResource:
        notifications = resource.properties.get(NOTIFICATIONS) or {}
        if not (present := list_of(notifications, TO_FUNCTIONS)):
            return resource
        kept = [each for each in present if keeps(str(each.get("Function")))]
        return with_property(resource, NOTIFICATIONS, {**notifications, TO_FUNCTIONS: kept})
