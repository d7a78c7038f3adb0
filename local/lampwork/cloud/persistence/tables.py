import hashlib
from collections.abc import Callable
from typing import Any, Final, cast

from moto.dynamodb.models.table import Table

from lampwork.cloud.backends import backend, present
from lampwork.cloud.persistence.kept_state import Changes, Request, Touched
from lampwork.cloud.persistence.pickling import freeze, thaw
from lampwork.cloud.persistence.state_file import StateFile

PREFIX: Final = "dynamodb/"
READING: Final = frozenset(
    ("GetItem", "BatchGetItem", "TransactGetItems", "Query", "Scan", "ListTables", "DescribeTable")
)
ON_ITEMS: Final = frozenset(
    ("PutItem", "UpdateItem", "DeleteItem", "BatchWriteItem", "TransactWriteItems")
)
# Items have rows of their own; the records of a stream live as long as the process.
NOT_KEPT: Final = ("items", "stream_shard")


class KeptTables:
    """DynamoDB: tables with their settings, and their items."""

    def __init__(self) -> None:
        self._touched = Touched()
        self._tables: dict[tuple[str, str], bytes] = {}
        self._rows: dict[tuple[str, str], set[str]] = {}

    def load(self, state: StateFile) -> None:
        for key, value in state.read(PREFIX):
            region, name, *item = key.split("/")
            if item:
                hash_key, range_key, kept = thaw(value)
                _put(backend("dynamodb", region).tables[name], hash_key, range_key, kept)
                self._rows[(region, name)].add(item[0])
            else:
                backend("dynamodb", region).tables[name] = _table(thaw(value))
                self._tables[(region, name)] = value
                self._rows[(region, name)] = set()
        self._note_items()

    def changes(self, request: Request) -> Changes:
        touched = list(self._touched.take())
        if request.service != "dynamodb" or request.operation in READING:
            return {}
        changes: dict[str, bytes | None] = {}
        for each in touched:
            region, name, hash_key, range_key = cast(tuple[str, str, Any, Any], each)
            if table := backend("dynamodb", region).tables.get(name):
                digest = _digest(hash_key, range_key)
                item = _item(table, hash_key, range_key)
                kept = None if item is None else freeze((hash_key, range_key, item))
                changes[f"{PREFIX}{region}/{name}/{digest}"] = kept
                self._rows.setdefault((region, name), set()).add(digest)
        if request.operation not in ON_ITEMS:
            changes.update(self._changed_tables())
        return changes

    def _changed_tables(self) -> Changes:
        changes: dict[str, bytes | None] = {}
        tables = {
            (region, name): table
            for region, state in present("dynamodb")
            for name, table in list(state.tables.items())
        }
        for (region, name), table in tables.items():
            kept = freeze({k: v for k, v in vars(table).items() if k not in NOT_KEPT})
            if self._tables.get((region, name)) != kept:
                self._tables[(region, name)] = kept
                changes[f"{PREFIX}{region}/{name}"] = kept
        for region, name in self._tables.keys() - tables.keys():
            del self._tables[(region, name)]
            changes[f"{PREFIX}{region}/{name}"] = None
            for digest in self._rows.pop((region, name), ()):
                changes[f"{PREFIX}{region}/{name}/{digest}"] = None
        return changes

    def _note_items(self) -> None:
        """Whatever is put or updated is looked up first."""

        def noting(method: Callable[..., Any]) -> Callable[..., Any]:
            def noted(table: Any, hash_key: Any, range_key: Any = None, *rest: Any) -> Any:
                self._touched.add((table.region_name, table.name, hash_key, range_key))
                return method(table, hash_key, range_key, *rest)

            return noted

        kind: Any = Table
        kind.get_item = noting(kind.get_item)
        kind.delete_item = noting(kind.delete_item)


def _table(kept: dict[str, Any]) -> Any:
    kind: Any = Table
    table = kind(
        kept["name"], kept["account_id"], kept["region_name"], kept["schema"], kept["attr"]
    )
    table.set_stream_specification(kept["stream_specification"])
    vars(table).update(kept)
    return table


def _item(table: Any, hash_key: Any, range_key: Any) -> Any:
    if table.has_range_key:
        return table.items.get(hash_key, {}).get(range_key)
    return table.items.get(hash_key)


def _put(table: Any, hash_key: Any, range_key: Any, item: Any) -> None:
    if table.has_range_key:
        table.items[hash_key][range_key] = item
    else:
        table.items[hash_key] = item


def _digest(hash_key: Any, range_key: Any) -> str:
    parts = [f"{key.type}:{key.value}" if key is not None else "" for key in (hash_key, range_key)]
    return hashlib.sha256("\0".join(parts).encode("utf-8", "surrogatepass")).hexdigest()
