from typing import Any, Final

from lampwork.cloud.backends import S3_REGION, backend
from lampwork.cloud.frozen import freeze, thaw
from lampwork.cloud.keeper import Changes, Request
from lampwork.cloud.kept_objects import READING
from lampwork.cloud.state_file import StateFile

PREFIX: Final = "s3/"
TAGS: Final = "s3-tags"
# Objects are kept in files; an unfinished upload is begun anew.
NOT_KEPT: Final = ("keys", "multiparts")


class KeptBuckets:
    """S3: the settings of buckets, and the tags of buckets and objects. Comes after the objects'
    own keeper, which makes the buckets."""

    def __init__(self) -> None:
        self._kept: dict[str, bytes] = {}

    def load(self, state: StateFile) -> None:
        s3 = backend("s3", S3_REGION)
        for name, value in state.read(PREFIX):
            if name in s3.buckets:
                vars(s3.buckets[name]).update(thaw(value))
        for _, value in state.read(TAGS):
            s3.tagger = thaw(value)

    def changes(self, request: Request) -> Changes:
        if request.service not in ("s3", "") or request.method in READING:
            return {}
        s3 = backend("s3", S3_REGION)
        # What is asked of one object leaves the settings of buckets as they are.
        settings = self._kept if request.names_an_object else _settings_of_all(s3)
        present = {**settings, TAGS: freeze(s3.tagger)}
        changed = {key: value for key, value in present.items() if self._kept.get(key) != value}
        gone = self._kept.keys() - present.keys()
        self._kept = present
        return {**changed, **dict.fromkeys(gone)}


def _settings_of_all(s3: Any) -> dict[str, bytes]:
    return {PREFIX + name: _settings(bucket) for name, bucket in list(s3.buckets.items())}


def _settings(bucket: Any) -> bytes:
    return freeze({k: v for k, v in vars(bucket).items() if k not in NOT_KEPT})
