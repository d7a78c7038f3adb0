"""moto's buckets and objects."""

import json
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from moto.s3 import models, notifications
from moto.s3.models import FakeBucket, FakeKey
from moto.s3.utils import _VersionedKeyStore
from moto.utilities.tagging_service import TaggingService

from lampwork.cloud.moto_seam.backends import backend
from lampwork.stack.model import ACCOUNT_ID

__all__ = ["FakeBucket", "FakeKey"]

PARTITION: Final = "aws"  # moto has one S3 for all regions of a partition
PLAIN_PROPERTIES: Final = (
    *("encryption", "kms_key_id", "website_redirect_location"),
    *("checksum_algorithm", "checksum_value", "checksum_type", "checksum_parts"),
)
# Objects are stored in files. Unfinished uploads are not stored: clients start them again.
NOT_SETTINGS: Final = ("keys", "multiparts")

EVERY_PRINCIPAL: Final = ("*", {"AWS": "*"}, {"AWS": ["*"]})
EVERYBODY: Final = "http://acs.amazonaws.com/groups/global/AllUsers"

Note = Callable[[str, str], None]
StoredObject = tuple[str, dict[str, Any], bytes]
"""The key of an object, its properties and its content."""
Tags = dict[str, str | None]


def buckets() -> dict[str, FakeBucket]:
    """All buckets by name."""
    found: dict[str, FakeBucket] = backend("s3", PARTITION).buckets
    return found


def restore_bucket(name: str) -> None:
    backend("s3", PARTITION).create_bucket(name, "us-east-1")


def policy_permits(bucket: str, name: str, action: str) -> bool:
    """Whether the bucket's policy permits everybody an action such as s3:GetObject on an object, or
    on the bucket if `name` is empty."""
    from moto.iam.access_control import IAMPolicy, PermissionResult  # loads for as long as S3

    found = buckets()[bucket]
    if found.policy is None:
        return False
    statements = json.loads(found.policy).get("Statement", [])
    for_everybody = [
        each
        for each in (statements if isinstance(statements, list) else [statements])
        if each.get("Principal") in EVERY_PRINCIPAL  # moto does not look whom one is for
    ]
    policy = IAMPolicy(json.dumps({"Statement": for_everybody}))
    answer = policy.is_action_permitted(action, f"{found.arn}/{name}" if name else found.arn)
    return bool(answer == PermissionResult.PERMITTED)


def everybody_may(permission: str, bucket: str, name: str) -> bool:
    """Whether an access list grants everybody READ or WRITE: that of an object, or that of the
    bucket if `name` is empty."""
    owner = find_object(bucket, name) if name else buckets()[bucket]
    grants = owner.acl.grants if owner and owner.acl else ()
    return any(
        {permission, "FULL_CONTROL"} & {*grant.permissions}
        and any(grantee.uri == EVERYBODY for grantee in grant.grantees)
        for grant in grants
    )


def settings(bucket: FakeBucket) -> dict[str, Any]:
    return {name: each for name, each in vars(bucket).items() if name not in NOT_SETTINGS}


def restore_settings(bucket: FakeBucket, kept: Mapping[str, Any]) -> None:
    vars(bucket).update(kept)


def find_object(bucket: str, name: str) -> FakeKey | None:
    """The newest version of an object; None if there is none or it marks the object as deleted."""
    found = buckets()[bucket].keys.get(name)
    return found if isinstance(found, FakeKey) else None


def restore_object(bucket: str, name: str, properties: Mapping[str, Any], content: Path) -> None:
    """Put back a stored object. `content` is the file with its bytes."""
    key = _restored(bucket, name, properties, b"")
    key.contentsize = properties["size"]
    keep_in_file(key, content)
    buckets()[bucket].keys.setlist(name, [key])


def stored_objects(bucket: FakeBucket) -> list[StoredObject]:
    """The newest version of each object."""
    found = ((name, find_object(bucket.name, name)) for name in list(dict.keys(bucket.keys)))
    return [(name, properties(key), key.value) for name, key in found if key is not None]


def bring_objects_back(bucket: FakeBucket, stored: list[StoredObject]) -> None:
    """Give a bucket these objects alone. Nobody is told, and no file is touched."""
    keys: Any = bucket.keys
    dict.clear(keys)
    for name, kept, content in stored:
        dict.__setitem__(keys, name, [_restored(bucket.name, name, kept, content)])
    bucket.multiparts.clear()


def _restored(bucket: str, name: str, properties: Mapping[str, Any], value: bytes) -> FakeKey:
    key = FakeKey(
        name=name,
        value=value,
        account_id=ACCOUNT_ID,
        region_name=PARTITION,
        storage=properties["storage_class"],
        etag=properties["etag"],
        version_id="null",
        bucket_name=bucket,
    )
    key.last_modified = datetime.fromisoformat(properties["last_modified"])
    key.set_metadata(dict(properties["metadata"]))
    for plain in PLAIN_PROPERTIES:
        setattr(key, plain, properties[plain])
    return key


def properties(key: FakeKey) -> dict[str, Any]:
    """The properties that `restore_object` takes, as JSON values."""
    return {
        "etag": key.etag.strip('"'),
        "size": key.size,
        "last_modified": key.last_modified.isoformat(),
        "storage_class": key.storage_class,
        "metadata": dict(key.metadata),
        **{name: getattr(key, name) for name in PLAIN_PROPERTIES},
    }


def keep_in_file(key: FakeKey, file: Path) -> None:
    """Make an object read its bytes from a file, so that they need no memory."""
    content: Any = FileContent(file)
    with key.lock:
        key._value_buffer.close()
        key._value_buffer = content


class FileContent:
    """Replaces the buffer of an object whose bytes are in a file."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def seek(self, _position: int) -> None:
        pass

    def read(self) -> bytes:
        return self._path.read_bytes()

    def close(self) -> None:
        pass


def note_objects(note: Note) -> None:
    """From now on, call `note` with the bucket and the key of each object that changes."""

    class NotedBucket(FakeBucket):
        def __init__(self, *args: Any, **options: Any) -> None:
            super().__init__(*args, **options)
            self.keys = NotedKeys(self.name, note)

    models.FakeBucket = NotedBucket  # type: ignore[misc]


class NotedKeys(_VersionedKeyStore):
    """A bucket's objects. Notes the key of each object that changes."""

    def __init__(self, bucket: str, note: Note) -> None:
        super().__init__()
        self._bucket = bucket
        self._note = note

    def __setitem__(self, key: str, value: Any) -> None:
        _fix_etag(value)
        super().__setitem__(key, value)
        self._note(self._bucket, key)

    def setlist(self, key: str, list_: Any) -> None:
        for value in list_:
            _fix_etag(value)
        super().setlist(key, list_)
        self._note(self._bucket, key)

    def pop(self, key: str) -> None:  # type: ignore[override]
        super().pop(key)
        self._note(self._bucket, key)


def tags() -> dict[str, Tags]:
    """The tags of buckets and objects by ARN. Objects without tags have an entry too."""
    found: dict[str, Tags] = backend("s3", PARTITION).tagger.tags
    return found


def note_tags(note: Callable[[str], None], kept: Mapping[str, Tags]) -> None:
    """Put back the tags in `kept`. From now on, call `note` with each ARN whose tags change."""
    tagger = NotedTagging(note)
    tagger.tags.update({arn: dict(each) for arn, each in kept.items()})
    backend("s3", PARTITION).tagger = tagger


class NotedTagging(TaggingService):
    """The tags of buckets and objects. Notes each ARN whose tags change."""

    def __init__(self, note: Callable[[str], None]) -> None:
        super().__init__()
        self._note = note

    def delete_all_tags_for_resource(self, arn: str) -> None:
        super().delete_all_tags_for_resource(arn)
        self._note(arn)

    def tag_resource(self, arn: str, tags: list[dict[str, str]] | None) -> None:
        super().tag_resource(arn, tags)
        self._note(arn)

    def untag_resource_using_names(self, arn: str, tag_names: list[str]) -> None:
        super().untag_resource_using_names(arn, tag_names)
        self._note(arn)


def notify_functions(
    deliver: Callable[[str, dict[str, Any]], None],
    event: Callable[[str, FakeBucket, FakeKey, str], dict[str, Any]],
) -> None:
    """From now on, call `deliver` with a function's ARN and a bucket's event for the function.

    `event` makes the event for any kind of target. It gets the name of the event, the bucket, the
    object and the id of the notification configuration.
    """

    def deliver_event(
        account_id: str, event_body: dict[str, Any], fn_arn: str, region_name: str
    ) -> None:
        deliver(fn_arn, event_body)

    s3: Any = notifications
    s3._invoke_awslambda = deliver_event
    s3._get_s3_event = event


def _fix_etag(value: Any) -> None:
    # moto computes the ETag when it is first read, and needs the bytes for that. The request that
    # put the object may read it while another request already moves the bytes to their file.
    if isinstance(value, FakeKey):
        _ = value.etag
