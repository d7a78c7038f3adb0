from typing import Any, ClassVar, Final

from lampwork.console.asking import Ask, Done, Refused, address
from lampwork.console.aws.client import AwsRoom, Clients
from lampwork.console.aws.downloads import download
from lampwork.console.html import Html, details, e, facts, joined, link, table
from lampwork.console.layout import area, form, hidden, labelled, pages
from lampwork.http.responses import Response

AT_ONCE: Final = 50
LARGEST_EDITED: Final = 256 * 1024
LARGEST_DOWNLOADED: Final = 64 * 1024 * 1024


class Buckets(AwsRoom):
    """Buckets of S3: their objects, to browse, to edit, to upload and to download."""

    name: ClassVar[str] = "buckets"
    title: ClassVar[str] = "Buckets"
    group: ClassVar[str] = "AWS"

    async def _found(self, ask: Ask) -> Html | Response:
        bucket = ask.query.get("bucket")
        if bucket is None:
            return await self._buckets()
        if key := ask.query.get("key"):
            if "download" in ask.query:
                _, content = await self._aws.ask(
                    lambda clients: _object(clients, bucket, key, LARGEST_DOWNLOADED)
                )
                if content is None:
                    raise Refused("It is too large to download here; use S3's own API.")
                return download(content, key.rpartition("/")[2] or key)
            return await self._object(bucket, key)
        return await self._objects(bucket, ask.query.get("prefix", ""), ask.query.get("after"))

    async def act(self, ask: Ask) -> Done:
        bucket = ask.text("bucket")
        prefix = ask.form.get("prefix", "")
        match ask.form.get("do"):
            case "put":
                key, text = ask.text("key"), ask.form.get("text", "").replace("\r\n", "\n")
                await self._put(bucket, key, text.encode(), ask.form.get("type", ""))
                return Done(f"Saved {key}.", address(self.name, bucket=bucket, key=key))
            case "upload":
                content = ask.files.get("file")
                if content is None:
                    raise Refused("Choose a file first.")
                key = prefix + (ask.form.get("key") or ask.text("file-name"))
                await self._put(bucket, key, content, "")
                said = f"Uploaded {key}."
            case "delete":
                key = ask.text("key")
                await self._aws.ask(
                    lambda clients: clients("s3").delete_object(Bucket=bucket, Key=key)
                )
                prefix, said = key.rpartition("/")[0], f"Deleted {key}."
                prefix = f"{prefix}/" if prefix else ""
            case _:
                raise Refused("There is no such action.")
        return Done(said, address(self.name, bucket=bucket, prefix=prefix or None))

    async def _put(self, bucket: str, key: str, content: bytes, media_type: str) -> None:
        kind = {"ContentType": media_type} if media_type else {}
        await self._aws.ask(
            lambda clients: clients("s3").put_object(Bucket=bucket, Key=key, Body=content, **kind)
        )

    async def _buckets(self) -> Html:
        answer: dict[str, Any] = await self._aws.ask(lambda clients: clients("s3").list_buckets())
        rows = (
            (
                link(each["Name"], address(self.name, bucket=each["Name"])),
                f"{each['CreationDate']:%Y-%m-%d %H:%M}",
            )
            for each in answer["Buckets"]
        )
        return table("Buckets", ("Bucket", "Created"), rows)

    async def _objects(self, bucket: str, prefix: str, after: str | None) -> Html:
        answer = await self._aws.ask(lambda clients: _listed(clients, bucket, prefix, after))
        folders = [each["Prefix"] for each in answer.get("CommonPrefixes", [])]
        rows = [
            *(
                (link(each, address(self.name, bucket=bucket, prefix=each)), "folder", "", "")
                for each in folders
            ),
            *(_row(bucket, each) for each in answer.get("Contents", [])),
        ]
        further = answer.get("NextContinuationToken")
        here = {"bucket": bucket, "prefix": prefix or None}
        return joined(
            [
                e("h2", f"{bucket}/{prefix}"),
                table("Objects", ("Key", "Size", "Changed", "Action"), rows),
                pages(
                    before=link("First page", address(self.name, **here)) if after else None,
                    after=(
                        link("Further", address(self.name, **here, after=further))
                        if further
                        else None
                    ),
                ),
                e(
                    "section",
                    e("h2", "Upload a file"),
                    form(
                        self.name,
                        "upload",
                        *hidden(bucket=bucket, prefix=prefix),
                        e("label", e("span", "File"), e("input", type="file", name="file")),
                        labelled("Key, if not the file's name", "key"),
                        submit="Upload",
                        files=True,
                    ),
                ),
                e("p", link("All buckets", address(self.name))),
            ]
        )

    async def _object(self, bucket: str, key: str) -> Html:
        about, content = await self._aws.ask(
            lambda clients: _object(clients, bucket, key, LARGEST_EDITED)
        )
        media_type = about.get("ContentType", "")
        parent = key.rpartition("/")[0]
        up = address(self.name, bucket=bucket, prefix=f"{parent}/" if parent else None)
        text = _as_text(content)
        return joined(
            [
                e("h2", f"{bucket}/{key}"),
                facts(
                    (
                        ("Size", f"{about['ContentLength']:,} bytes"),
                        ("Type", media_type or "—"),
                        ("Changed", f"{about['LastModified']:%Y-%m-%d %H:%M:%S} UTC"),
                        ("ETag", about.get("ETag", "—")),
                    )
                ),
                e("p", link("Download", address(self.name, bucket=bucket, key=key, download=1))),
                (
                    form(
                        self.name,
                        "put",
                        *hidden(bucket=bucket, key=key, type=media_type),
                        area("Text", "text", text, rows=14),
                        submit="Save",
                    )
                    if text is not None
                    else e("p", "It is no text, or too long to edit here.", class_="lead")
                ),
                details(
                    "Delete…",
                    e("p", "The object is deleted, for ever."),
                    form(
                        self.name,
                        "delete",
                        *hidden(bucket=bucket, key=key),
                        submit="Delete the object",
                    ),
                    class_="card",
                ),
                e("p", link("Objects beside it", up)),
            ]
        )


def _row(bucket: str, found: dict[str, Any]) -> tuple[Html | str, ...]:
    key = found["Key"]
    return (
        link(key, address("buckets", bucket=bucket, key=key)),
        f"{found['Size']:,} bytes",
        f"{found['LastModified']:%Y-%m-%d %H:%M:%S} UTC",
        link(
            "Download",
            address("buckets", bucket=bucket, key=key, download=1),
            aria_label=f"Download {key}",
        ),
    )


def _listed(clients: Clients, bucket: str, prefix: str, after: str | None) -> dict[str, Any]:
    token = {"ContinuationToken": after} if after else {}
    answer: dict[str, Any] = clients("s3").list_objects_v2(
        Bucket=bucket, Prefix=prefix, Delimiter="/", MaxKeys=AT_ONCE, **token
    )
    return answer


def _object(
    clients: Clients, bucket: str, key: str, largest: int
) -> tuple[dict[str, Any], bytes | None]:
    """What S3 says of an object, and its content if it is not larger."""
    s3 = clients("s3")
    about: dict[str, Any] = s3.head_object(Bucket=bucket, Key=key)
    if about["ContentLength"] > largest:
        return about, None
    content: bytes = s3.get_object(Bucket=bucket, Key=key)["Body"].read()
    return about, content


def _as_text(content: bytes | None) -> str | None:
    if content is None or b"\0" in content:
        return None
    try:
        return content.decode()
    except UnicodeDecodeError:
        return None
