import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Final
from urllib.parse import quote, unquote
from wsgiref.types import WSGIEnvironment

from lampwork.cloud.moto_seam import s3

NOT_PREFIXED: Final = {"content-type": "CONTENT_TYPE", "content-length": "CONTENT_LENGTH"}


@dataclass(frozen=True)
class S3Request:
    """A request as its client sent and signed it."""

    environ: WSGIEnvironment

    @property
    def method(self) -> str:
        return str(self.environ["REQUEST_METHOD"])

    @cached_property
    def path(self) -> str:
        """The path as it was sent, percent-encoded."""
        return str(self.environ["REQUEST_URI"]).partition("?")[0]

    @cached_property
    def query(self) -> list[tuple[str, str]]:
        """The parameters in the order in which they were sent."""
        parts = (part.partition("=") for part in self.environ["QUERY_STRING"].split("&") if part)
        return [(unquote(name), unquote(value)) for name, _, value in parts]

    @cached_property
    def parameters(self) -> dict[str, str]:
        return dict(self.query)

    def header(self, name: str) -> str | None:
        """A header by its name in lower case, with its spaces as they are signed."""
        key = NOT_PREFIXED.get(name, f"HTTP_{name.upper().replace('-', '_')}")
        found = self.environ.get(key)
        return None if found is None else re.sub(" +", " ", str(found)).strip()

    def amazon_headers(self) -> Iterator[tuple[str, str]]:
        """The headers whose names begin with x-amz-."""
        for key in self.environ:
            if key.startswith("HTTP_X_AMZ_"):
                name = key.removeprefix("HTTP_").replace("_", "-").lower()
                yield name, self.header(name) or ""

    @cached_property
    def bucket(self) -> str | None:
        """The existing bucket that the request names, in its host or else in its path."""
        buckets = s3.buckets()
        in_host, dot, _ = str(self.environ.get("HTTP_HOST", "")).partition(".")
        if dot and in_host in buckets:
            return in_host
        in_path = unquote(self.path).lstrip("/").partition("/")[0]
        return in_path if in_path in buckets else None

    @cached_property
    def key(self) -> str:
        """The object's key; empty if the request is about the bucket."""
        path = unquote(self.path).removeprefix("/")
        if self.is_in_host:
            return path
        return path.partition("/")[2]

    @property
    def is_in_host(self) -> bool:
        """Whether the host names the bucket, so that the path does not."""
        return str(self.environ.get("HTTP_HOST", "")).startswith(f"{self.bucket}.")


def encoded(text: str, *, safe: str = "") -> str:
    """As AWS encodes parts of URLs to sign them."""
    return quote(text, safe=f"-_.~{safe}")
