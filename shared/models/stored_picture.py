from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import Dialect, TypeDecorator

from shared.models.base import Json


@dataclass(frozen=True, slots=True)
class StoredPicture:
    """A picture in the object store: the key it stands under, its size in pixels and bytes, and the
    widths of the smaller ones beside it."""

    key: str
    content_type: str
    width: int
    height: int
    bytes: int
    thumbnails: tuple[int, ...] = ()

    def thumbnail_key(self, width: int) -> str:
        """Deleting what begins with the picture's key deletes these too."""
        return thumbnail_key(self.key, width)


def thumbnail_key(key: str, width: int) -> str:
    return f"{key}.{width}.webp"


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
        if value is None:
            return None
        return StoredPicture(**{**value, "thumbnails": tuple(value.get("thumbnails", ()))})
