from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import Dialect, TypeDecorator

from shared.models.base import Json


@dataclass(frozen=True, slots=True)
class StoredPicture:
    """A picture in the object store: the key it stands under, and its size in pixels and bytes."""

    key: str
    content_type: str
    width: int
    height: int
    bytes: int


class StoredPictureJson(TypeDecorator[StoredPicture]):
    """Kept as JSON whose members are the fields."""

    impl = Json
    cache_ok = True

    def process_bind_param(
        self, value: StoredPicture | None, dialect: Dialect
    ) -> dict[str, Any] | None:
        return None if value is None else asdict(value)

    def process_result_value(
        self, value: dict[str, Any] | None, dialect: Dialect
    ) -> StoredPicture | None:
        return None if value is None else StoredPicture(**value)
