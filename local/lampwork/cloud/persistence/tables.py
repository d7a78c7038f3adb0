import hashlib
from typing import Final, cast

from lampwork.cloud.moto_seam import dynamodb
from lampwork.cloud.moto_seam.dynamodb import DynamoType, Table, all_tables, key_text
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

Touch = tuple[str, str, DynamoType, DynamoType | None]
"""The region and the name of a table, then the hash key and the range key of an item."""


class KeptTables:
    """Stores DynamoDB's tables with their settings and their items."""

    def __init__(self) -> None:
        self._touched = Touched()
        self._tables: dict[tuple[str, str], bytes] = {}
        self._rows: dict[tuple[str, str], set[str]] = {}

    def load(self, state: StateFile) -> None:
        for key, value in state.read(PREFIX):
            region, name, *item = key.split("/")
            if item:
                hash_key, range_key, kept = thaw(value)
                table = dynamodb.tables(region)[name]
                dynamodb.restore_item(table, hash_key, range_key, kept)
                self._rows[(region, name)].add(item[0])
            else:
                dynamodb.tables(region)[name] = dynamodb.restored_table(thaw(value))
                self._tables[(region, name)] = value
                self._rows[(region, name)] = set()
        dynamodb.note_items(self._touch)

    def changes(self, request: Request) -> Changes:
        touched = list(self._touched.take())
        if request.service != "dynamodb" or request.operation in READING:
            return {}
        changes: dict[str, bytes | None] = {}
        for each in touched:
            region, name, hash_key, range_key = cast(Touch, each)
            if table := dynamodb.tables(region).get(name):
                digest = _digest(hash_key, range_key)
                item = dynamodb.find_item(table, hash_key, range_key)
                kept = None if item is None else freeze((hash_key, range_key, item))
                changes[f"{PREFIX}{region}/{name}/{digest}"] = kept
                self._rows.setdefault((region, name), set()).add(digest)
        if request.operation not in ON_ITEMS:
            changes.update(self._changed_tables())
        return changes

    def _changed_tables(self) -> Changes:
        changes: dict[str, bytes | None] = {}
        tables = all_tables()
        for (region, name), table in tables.items():
            kept = freeze(dynamodb.settings(table))
            if self._tables.get((region, name)) != kept:
                self._tables[(region, name)] = kept
                changes[f"{PREFIX}{region}/{name}"] = kept
        for region, name in self._tables.keys() - tables.keys():
            del self._tables[(region, name)]
            changes[f"{PREFIX}{region}/{name}"] = None
            for digest in self._rows.pop((region, name), ()):
                changes[f"{PREFIX}{region}/{name}/{digest}"] = None
        return changes

    def _touch(self, table: Table, hash_key: DynamoType, range_key: DynamoType | None) -> None:
        self._touched.add((table.region_name, table.name, hash_key, range_key))


def _digest(hash_key: DynamoType, range_key: DynamoType | None) -> str:
    parts = (key_text(hash_key), key_text(range_key))
    return hashlib.sha256("\0".join(parts).encode("utf-8", "surrogatepass")).hexdigest()
