import contextlib
import hashlib
import json
import os
import secrets
import shutil
import time
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote, unquote

# A reader that got the path of a file must have opened it within this time.
RETIRED_SECONDS: Final = 60.0


@dataclass(frozen=True, slots=True)
class KeptObject:
    """An object. `properties` are JSON values; `content` is the file with its bytes."""

    key: str
    properties: Mapping[str, Any]
    content: Path


class ObjectFolder:
    """Stores buckets and their objects as files: one folder per bucket, two files per object.

    An object's record names the file with its bytes. A new record replaces the old one in one step.
    So a process that is killed at any moment leaves either the old object or the new one. File
    names are digests, because a key may hold any character and be longer than a file name can.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._retired: deque[tuple[float, Path]] = deque()
        root.mkdir(parents=True, exist_ok=True)

    def buckets(self) -> set[str]:
        return {unquote(folder.name) for folder in self._root.iterdir() if folder.is_dir()}

    def create_bucket(self, bucket: str) -> None:
        self._folder(bucket).mkdir(exist_ok=True)

    def delete_bucket(self, bucket: str) -> None:
        shutil.rmtree(self._folder(bucket))

    def save(self, bucket: str, key: str, content: bytes, properties: Mapping[str, Any]) -> Path:
        """Store an object in place of one with the same key. Returns the file with its bytes."""
        record = self._record(bucket, key)
        former = _content_of(record)
        file = record.with_name(f"{record.stem}.{secrets.token_hex(8)}.content")
        file.write_bytes(content)
        _replace(record, {"key": key, "content": file.name, "properties": properties})
        self._retire(former)
        return file

    def delete(self, bucket: str, key: str) -> None:
        record = self._record(bucket, key)
        content = _content_of(record)
        record.unlink(missing_ok=True)
        self._retire(content)

    def objects(self, bucket: str) -> Iterator[KeptObject]:
        for record in self._folder(bucket).glob("*.json"):
            kept = json.loads(record.read_text())
            yield KeptObject(kept["key"], kept["properties"], record.with_name(kept["content"]))

    def sweep(self, bucket: str) -> None:
        """Remove files that no record names. A process that was killed may have left them."""
        folder = self._folder(bucket)
        named = {kept.content for kept in self.objects(bucket)}
        for file in folder.iterdir():
            if file.suffix != ".json" and file not in named:
                file.unlink()

    def _retire(self, content: Path | None) -> None:
        """Remove a file that no record names any more, once all its readers have opened it."""
        now = time.monotonic()
        if content is not None:
            self._retired.append((now, content))
        while self._retired and self._retired[0][0] < now - RETIRED_SECONDS:
            self._retired.popleft()[1].unlink(missing_ok=True)

    def _folder(self, bucket: str) -> Path:
        return self._root / quote(bucket, safe="")

    def _record(self, bucket: str, key: str) -> Path:
        digest = hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()
        return self._folder(bucket) / f"{digest}.json"


def _content_of(record: Path) -> Path | None:
    with contextlib.suppress(FileNotFoundError):
        return record.with_name(json.loads(record.read_text())["content"])
    return None


def _replace(file: Path, value: Mapping[str, Any]) -> None:
    new = file.with_suffix(".new")
    new.write_text(json.dumps(value))
    os.replace(new, file)
