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

# Whoever was given a file to read must have begun by then.
RETIRED_SECONDS: Final = 60.0


@dataclass(frozen=True, slots=True)
class KeptObject:
    """`properties` are JSON values; `content` holds the bytes."""

    key: str
    properties: Mapping[str, Any]
    content: Path


class ObjectFolder:
    """Buckets and their objects as files: one folder a bucket, two files an object.

    An object's record names the file with its bytes and replaces the former record in one step, so
    that whoever is killed at any moment leaves the old object or the new one. File names are
    digests: a key may hold any character and be longer than a file name can.
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
        """Keep an object in place of the one of this key. Returns the file with its bytes."""
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
        """Remove files that no record names: left by a process killed between two steps."""
        folder = self._folder(bucket)
        named = {kept.content for kept in self.objects(bucket)}
        for file in folder.iterdir():
            if file.suffix != ".json" and file not in named:
                file.unlink()

    def _retire(self, content: Path | None) -> None:
        """Remove bytes that no record names any more, once nobody can be reading them."""
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
