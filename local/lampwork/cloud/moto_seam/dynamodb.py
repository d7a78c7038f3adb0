"""moto's tables and their items."""

import base64
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from moto.dynamodb.models.dynamo_type import DynamoType, Item
from moto.dynamodb.models.table import StreamShard, Table

from lampwork.cloud.moto_seam.backends import backend, present

__all__ = ["DynamoType", "Item", "Table"]

# Items are stored separately. The records of a stream are not stored.
NOT_SETTINGS: Final = ("items", "stream_shard")
# moto knows no stream of Kinesis that gets a table's changes. As an attribute of the table it is
# stored with the table's settings.
DESTINATION: Final = "lampwork_kinesis_destination"


@dataclass(frozen=True, slots=True)
class Destination:
    """The stream of Kinesis that gets a table's changes, and the precision of their times."""

    stream: str
    precision: str


def tables(region: str) -> dict[str, Table]:
    found: dict[str, Table] = backend("dynamodb", region).tables
    return found


def all_tables() -> dict[tuple[str, str], Table]:
    """All tables by region and name. This is a copy, because other threads change moto's own."""
    return {
        (region, name): table
        for region, state in present("dynamodb")
        for name, table in list(state.tables.items())
    }


def settings(table: Table) -> dict[str, Any]:
    return {name: each for name, each in vars(table).items() if name not in NOT_SETTINGS}


def restored_table(kept: Mapping[str, Any]) -> Table:
    """A table without items. `kept` is what `settings` returned."""
    kind: Any = Table  # as Any, because some methods of its base class are still abstract
    table: Table = kind(
        kept["name"], kept["account_id"], kept["region_name"], kept["schema"], kept["attr"]
    )
    table.set_stream_specification(kept["stream_specification"])
    vars(table).update(kept)
    _note_changes_of(table)
    return table


def find_item(table: Table, hash_key: Any, range_key: Any) -> Any:
    if table.has_range_key:
        return table.items.get(hash_key, {}).get(range_key)
    return table.items.get(hash_key)


def expire_items(table: Table, now: float) -> None:
    """Delete the items whose time to live was over at `now`, in seconds since 1970."""
    if table.ttl.get("TimeToLiveStatus") != "ENABLED":
        return
    name = table.ttl["AttributeName"]
    for item in table.all_items():
        until = item.attrs.get(name)
        if until is not None and until.type == "N" and float(until.value) <= now:
            table.delete_item(item.hash_key, item.range_key)


def restore_item(table: Table, hash_key: Any, range_key: Any, item: Any) -> None:
    if table.has_range_key:
        table.items[hash_key][range_key] = item
    else:
        table.items[hash_key] = item


def key_text(key: DynamoType | None) -> str:
    return "" if key is None else f"{key.type}:{key.value}"


def keys(table: Table, item: Item) -> dict[str, Any]:
    """The key of an item, in DynamoDB's JSON."""
    found = {table.hash_key_attr: _in_json(item.hash_key)}
    if table.range_key_attr is not None and item.range_key is not None:
        found[table.range_key_attr] = _in_json(item.range_key)
    return found


def attributes(item: Item | None) -> dict[str, Any] | None:
    """A copy of the item's attributes in DynamoDB's JSON. moto later changes the item itself."""
    if item is None:
        return None
    return {name: _in_json(value) for name, value in item.attrs.items()}


def _in_json(attribute: DynamoType) -> dict[str, Any]:
    """An attribute in DynamoDB's JSON, whose binary values are base64.

    moto's own conversion turns the binary values within lists and maps into bytes.
    """
    value: Any = attribute.value
    if attribute.is_map():
        value = {name: _in_json(each) for name, each in value.items()}
    elif attribute.is_list():
        value = [_in_json(each) for each in value]
    elif attribute.is_set():
        value = [_as_text(each) for each in value]
    else:
        value = _as_text(value)
    return {attribute.type: value}


def _as_text(value: Any) -> Any:
    # moto keeps a binary value as it came, in base64, or as bytes after a projection.
    return base64.b64encode(value).decode() if isinstance(value, bytes) else value


def set_destination(region: str, name: str, destination: Destination | None) -> None:
    table = tables(region)[name]
    kept = destination and (destination.stream, destination.precision)
    vars(table)[DESTINATION] = kept
    _note_changes_of(table)


def destination(table: Table) -> Destination | None:
    kept = vars(table).get(DESTINATION)
    return None if kept is None else Destination(*kept)


def _note_changes_of(table: Table) -> None:
    """moto tells the shard of a table's stream of each change, so a table needs one that has no
    stream of its own, but a destination."""
    if destination(table) is not None and table.stream_shard is None:
        table.stream_shard = StreamShard(table.account_id, table)


def has_stream(table: Table) -> bool:
    return bool((table.stream_specification or {}).get("StreamEnabled"))


def stream_view(table: Table) -> str:
    specification = table.stream_specification or {}
    return str(specification["StreamViewType"])


def note_items(note: Callable[[Table, Any, Any], None]) -> None:
    """From now on, call `note` before each put, update or deletion of an item.

    `note` gets the table, the hash key and the range key. It is called whenever moto looks up or
    deletes an item, and moto looks up each item that it puts or updates. So `note` also gets reads.
    """

    def noting(method: Callable[..., Any]) -> Callable[..., Any]:
        def noted(table: Table, hash_key: Any, range_key: Any = None, *rest: Any) -> Any:
            note(table, hash_key, range_key)
            return method(table, hash_key, range_key, *rest)

        return noted

    kind: Any = Table
    kind.get_item = noting(kind.get_item)
    kind.delete_item = noting(kind.delete_item)


def note_changes(note: Callable[[Table, Item | None, Item | None], None]) -> None:
    """From now on, call `note` for each change of an item in a table with a stream or with a
    destination.

    `note` gets the table, the item before and the item after the change.
    """
    kind: Any = StreamShard
    add = kind.add

    def add_and_note(shard: StreamShard, old: Item | None, new: Item | None) -> None:
        if has_stream(shard.table):
            add(shard, old, new)
        note(shard.table, old, new)

    kind.add = add_and_note
