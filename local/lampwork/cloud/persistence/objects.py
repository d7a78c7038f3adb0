import threading
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import Any, Final, Protocol
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from moto.s3 import models as s3
from moto.s3.utils import _VersionedKeyStore

from lampwork.cloud.persistence.object_folder import KeptObject, ObjectFolder
from lampwork.stack.model import ACCOUNT_ID

READING: Final = frozenset(["GET", "HEAD", "OPTIONS"])
PLAIN_PROPERTIES: Final = (
    *("encryption", "kms_key_id", "website_redirect_location"),
    *("checksum_algorithm", "checksum_value", "checksum_type", "checksum_parts"),
)


class Persistence(Protocol):
    def changed(self, bucket: str, key: str) -> None: ...


class NotedKeys(_VersionedKeyStore):
    """A bucket's objects; notes the keys that change."""

    def __init__(self, bucket: str, persistence: Persistence) -> None:
        super().__init__()
        self._bucket = bucket
        self._persistence = persistence

    def __setitem__(self, key: str, value: Any) -> None:
        _fix_etag(value)
        super().__setitem__(key, value)
        self._persistence.changed(self._bucket, key)

    def setlist(self, key: str, list_: Any) -> None:
        for value in list_:
            _fix_etag(value)
        super().setlist(key, list_)
        self._persistence.changed(self._bucket, key)

    def pop(self, key: str) -> None:  # type: ignore[override]
        super().pop(key)
        self._persistence.changed(self._bucket, key)


class FileContent:
    """Stands in for the buffer of a key whose bytes are in a file: memory holds no object."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def seek(self, _position: int) -> None:
        pass

    def read(self) -> bytes:
        return self._path.read_bytes()

    def close(self) -> None:
        pass


class KeptObjects:
    """Keeps moto's S3 in a folder: what a request changed is written before it is answered.

    Kept are buckets and each object's newest version with its metadata; access lists and older
    versions live as long as the process. `KeptBuckets` keeps tags and the buckets' settings.
    """

    def __init__(self, app: WSGIApplication, folder: ObjectFolder) -> None:
        self._app = app
        self._folder = folder
        self._request = threading.local()
        self._writing = threading.Lock()
        self._backend: Any = s3.s3_backends[ACCOUNT_ID]["aws"]

    def __call__(self, environ: WSGIEnvironment, start: StartResponse) -> Iterable[bytes]:
        self._request.changed = set()
        answer = self._app(environ, start)
        if environ["REQUEST_METHOD"] not in READING:
            with self._writing:
                self._write(self._request.changed)
        return answer

    def changed(self, bucket: str, key: str) -> None:
        # Noted by request, since an object is complete only when the request that put it is.
        self._request.changed.add((bucket, key))

    def load(self) -> None:
        """Take up what the folder holds, and from here on note what changes."""
        s3.FakeBucket = _noted_bucket(self)  # type: ignore[misc]
        self._request.changed = set()
        for name in self._folder.buckets():
            self._folder.sweep(name)
            bucket = self._backend.create_bucket(name, "us-east-1")
            for kept in self._folder.objects(name):
                bucket.keys.setlist(kept.key, [_key(name, kept)])

    def _write(self, changed: set[tuple[str, str]]) -> None:
        buckets = self._backend.buckets
        kept = self._folder.buckets()
        for name in buckets.keys() - kept:
            self._folder.create_bucket(name)
        for name, key in changed:
            if name in buckets:
                self._write_object(name, key, buckets[name].keys.get(key))
        for name in kept - buckets.keys():
            self._folder.delete_bucket(name)

    def _write_object(self, bucket: str, name: str, key: Any) -> None:
        if isinstance(key, s3.FakeKey):
            file = self._folder.save(bucket, name, key.value, _properties(key))
            _keep_in_file(key, file)
        else:
            self._folder.delete(bucket, name)


def _noted_bucket(persistence: Persistence) -> type[Any]:
    """moto's bucket with keys that report their changes."""

    class NotedBucket(s3.FakeBucket):
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)
            self.keys = NotedKeys(self.name, persistence)

    return NotedBucket


def _fix_etag(value: Any) -> None:
    # moto reads the bytes for it at the first question, which may come from the request that put
    # the object while another one already moves those bytes to their file.
    if isinstance(value, s3.FakeKey):
        _ = value.etag


def _properties(key: Any) -> dict[str, Any]:
    return {
        "etag": key.etag.strip('"'),
        "size": key.size,
        "last_modified": key.last_modified.isoformat(),
        "storage_class": key.storage_class,
        "metadata": dict(key.metadata),
        **{name: getattr(key, name) for name in PLAIN_PROPERTIES},
    }


def _key(bucket: str, kept: KeptObject) -> Any:
    properties = kept.properties
    key = s3.FakeKey(
        name=kept.key,
        value=b"",
        account_id=ACCOUNT_ID,
        region_name="aws",
        storage=properties["storage_class"],
        etag=properties["etag"],
        version_id="null",
        bucket_name=bucket,
    )
    key.contentsize = properties["size"]
    key.last_modified = datetime.fromisoformat(properties["last_modified"])
    key.set_metadata(dict(properties["metadata"]))
    for name in PLAIN_PROPERTIES:
        setattr(key, name, properties[name])
    _keep_in_file(key, kept.content)
    return key


def _keep_in_file(key: Any, file: Path) -> None:
    with key.lock:
        key._value_buffer.close()
        key._value_buffer = FileContent(file)
