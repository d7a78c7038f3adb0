import threading
from collections.abc import Iterable
from typing import Final
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from lampwork.cloud.moto_seam import s3
from lampwork.cloud.persistence.object_folder import ObjectFolder

READING: Final = frozenset(["GET", "HEAD", "OPTIONS"])


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

    def __call__(self, environ: WSGIEnvironment, start: StartResponse) -> Iterable[bytes]:
        self._request.changed = set()
        answer = self._app(environ, start)
        if environ["REQUEST_METHOD"] not in READING:
            with self._writing:
                self._write(self._request.changed)
        return answer

    def load(self) -> None:
        """Take up what the folder holds, and from here on note what changes."""
        s3.note_objects(self._note)
        self._request.changed = set()
        for name in self._folder.buckets():
            self._folder.sweep(name)
            s3.restore_bucket(name)
            for kept in self._folder.objects(name):
                s3.restore_object(name, kept.key, kept.properties, kept.content)

    def _note(self, bucket: str, key: str) -> None:
        # Noted by request, since an object is complete only when the request that put it is.
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
