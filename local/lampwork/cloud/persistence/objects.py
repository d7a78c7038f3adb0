import threading
from collections.abc import Iterable
from typing import Final
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from lampwork.cloud.moto_seam import s3
from lampwork.cloud.persistence.object_folder import ObjectFolder

READING: Final = frozenset(["GET", "HEAD", "OPTIONS"])


class KeptObjects:
    """Stores moto's S3 in a folder. A request's changes are written before it is answered.

    This stores the buckets and each object's newest version with its metadata. Access lists and
    older versions are not stored. `KeptBuckets` stores the tags and the settings of buckets.
    """

    def __init__(self, app: WSGIApplication, folder: ObjectFolder) -> None:
        self._app = app
        self._folder = folder
        self._request = threading.local()
        self._writing = threading.Lock()

    def __call__(self, environ: WSGIEnvironment, start: StartResponse) -> Iterable[bytes]:
        self._request.changed = set()
        answer = self._app(environ, start)
        if environ["REQUEST_METHOD"] not in READING:
            with self._writing:
                self._write(self._request.changed)
        return answer

    def load(self) -> None:
        """Load the folder's objects into moto. From then on, note which objects change."""
        s3.note_objects(self._note)
        self._request.changed = set()
        for name in self._folder.buckets():
            self._folder.sweep(name)
            s3.restore_bucket(name)
            for kept in self._folder.objects(name):
                s3.restore_object(name, kept.key, kept.properties, kept.content)

    def _note(self, bucket: str, key: str) -> None:
        # Written only at the end of the request, because the object is not complete before that.
        self._request.changed.add((bucket, key))

    def _write(self, changed: set[tuple[str, str]]) -> None:
        buckets = s3.buckets()
        kept = self._folder.buckets()
        for name in buckets.keys() - kept:
            self._folder.create_bucket(name)
        for name, key in changed:
            if name in buckets:
                self._write_object(name, key)
        for name in kept - buckets.keys():
            self._folder.delete_bucket(name)

    def _write_object(self, bucket: str, name: str) -> None:
        if key := s3.find_object(bucket, name):
            file = self._folder.save(bucket, name, key.value, s3.properties(key))
            s3.keep_in_file(key, file)
        else:
            self._folder.delete(bucket, name)
