from typing import Any, ClassVar, Final

from lampwork.console.asking import Ask, Done, Refused, address
from lampwork.console.aws.client import AwsRoom, Clients
from lampwork.console.aws.downloads import download
from lampwork.console.aws.items import Item, as_json, of_json, short
from lampwork.console.html import Content, Html, details, e, facts, joined, link, table
from lampwork.console.layout import area, form, hidden, pages
from lampwork.http.responses import Response

AT_ONCE: Final = 25
MOST_TABLES: Final = 100
MOST_COLUMNS: Final = 8
MOST_DOWNLOADED: Final = 10_000
MOST_BYTES: Final = 16 * 1024 * 1024


class Tables(AwsRoom):
    """Tables of DynamoDB: their items, to browse, to edit and to download."""

    name: ClassVar[str] = "tables"
    title: ClassVar[str] = "Tables"
    group: ClassVar[str] = "AWS"

    async def _found(self, ask: Ask) -> Html | Response:
        name = ask.query.get("table")
        if name is None:
            return await self._tables(ask.query.get("after"))
        if "download" in ask.query:
            lines = await self._aws.ask(lambda clients: _lines(clients, name))
            return download(lines, f"{name}.jsonl")
        if key := ask.query.get("key"):
            return await self._item(name, of_json(key, "The key"))
        after = ask.query.get("after")
        return await self._items(name, of_json(after, "The key") if after else None)

    async def act(self, ask: Ask) -> Done:
        name = ask.text("table")
        match ask.form.get("do"):
            case "put":
                item = of_json(ask.text("item"), "The item")
                await self._aws.ask(
                    lambda clients: clients("dynamodb").put_item(TableName=name, Item=item)
                )
                said = "Saved the item."
            case "delete":
                key = of_json(ask.text("key"), "The key")
                await self._aws.ask(
                    lambda clients: clients("dynamodb").delete_item(TableName=name, Key=key)
                )
                said = "Deleted the item."
            case _:
                raise Refused("There is no such action.")
        return Done(said, address(self.name, table=name))

    async def _tables(self, after: str | None) -> Html:
        names, further = await self._aws.ask(lambda clients: _names(clients, after))
        rows = ((link(each, address(self.name, table=each)), key) for each, key in names)
        more = link("Further", address(self.name, after=further)) if further else None
        return joined([table("Tables", ("Table", "Key"), rows), pages(after=more)])

    async def _items(self, name: str, after: Item | None) -> Html:
        keys, answer = await self._aws.ask(lambda clients: _scan(clients, name, after))
        items: list[Item] = answer["Items"]
        others = {attribute: None for item in items for attribute in item if attribute not in keys}
        columns = [*keys, *others][:MOST_COLUMNS]
        last = answer.get("LastEvaluatedKey")
        further = address(self.name, table=name, after=as_json(last, indent=None)) if last else ""
        return joined(
            [
                e("h2", name),
                facts((("Key", ", ".join(keys)), ("On this page", len(items)))),
                table("Items", [*columns, "Action"], (_row(name, i, keys, columns) for i in items)),
                pages(
                    before=link("First page", address(self.name, table=name)) if after else None,
                    after=link("Further", further) if last else None,
                ),
                details(
                    "New item…",
                    form(
                        self.name,
                        "put",
                        *hidden(table=name),
                        area("Item, in DynamoDB's JSON", "item", _sample(keys)),
                        submit="Save the new item",
                    ),
                    class_="card",
                ),
                e(
                    "p",
                    link("Download the table", address(self.name, table=name, download=1)),
                    f" (JSON, one item a line, at most {MOST_DOWNLOADED:,}) · ",
                    link("All tables", address(self.name)),
                ),
            ]
        )

    async def _item(self, name: str, key: Item) -> Html:
        answer: dict[str, Any] = await self._aws.ask(
            lambda clients: clients("dynamodb").get_item(
                TableName=name, Key=key, ConsistentRead=True
            )
        )
        if (item := answer.get("Item")) is None:
            raise Refused("There is no such item: it has been deleted.")
        shown = as_json(item)
        return joined(
            [
                e("h2", f"An item of {name}"),
                form(
                    self.name,
                    "put",
                    *hidden(table=name),
                    area("Item, in DynamoDB's JSON", "item", shown, rows=shown.count("\n") + 2),
                    submit="Save",
                ),
                details(
                    "Delete…",
                    e("p", "The item is deleted, for ever."),
                    form(
                        self.name,
                        "delete",
                        *hidden(table=name, key=as_json(key, indent=None)),
                        submit="Delete the item",
                    ),
                    class_="card",
                ),
                e("p", link("All items", address(self.name, table=name))),
            ]
        )


def _row(name: str, item: Item, keys: list[str], columns: list[str]) -> list[Content]:
    key = as_json({each: item[each] for each in keys}, indent=None)
    first = short(item[keys[0]])
    cells = [short(item[column]) if column in item else "" for column in columns]
    open_it = link(
        "Edit", address("tables", table=name, key=key), aria_label=f"Edit the item {first}"
    )
    return [*cells, open_it]


def _sample(keys: list[str]) -> str:
    return as_json({each: {"S": ""} for each in keys})


def _names(clients: Clients, after: str | None) -> tuple[list[tuple[str, str]], str | None]:
    dynamodb = clients("dynamodb")
    start = {"ExclusiveStartTableName": after} if after else {}
    answer = dynamodb.list_tables(Limit=MOST_TABLES, **start)
    found = [(name, ", ".join(_keys(clients, name))) for name in answer["TableNames"]]
    return found, answer.get("LastEvaluatedTableName")


def _keys(clients: Clients, name: str) -> list[str]:
    """The attributes of a table's key, the partition's first."""
    schema = clients("dynamodb").describe_table(TableName=name)["Table"]["KeySchema"]
    return [each["AttributeName"] for each in sorted(schema, key=lambda each: each["KeyType"])]


def _scan(clients: Clients, name: str, after: Item | None) -> tuple[list[str], dict[str, Any]]:
    start = {"ExclusiveStartKey": after} if after else {}
    answer = clients("dynamodb").scan(TableName=name, Limit=AT_ONCE, **start)
    return _keys(clients, name), answer


def _lines(clients: Clients, name: str) -> bytes:
    """The items as lines of JSON, up to the limits."""
    lines = bytearray()
    pages = (
        clients("dynamodb")
        .get_paginator("scan")
        .paginate(TableName=name, PaginationConfig={"MaxItems": MOST_DOWNLOADED})
    )
    for page in pages:
        for item in page["Items"]:
            lines += as_json(item, indent=None).encode() + b"\n"
        if len(lines) > MOST_BYTES:
            break
    return bytes(lines)
