"""moto's objects as bytes: what they refer to of moto itself is named, not copied."""

import io
import pickle
from collections.abc import Mapping
from typing import Any

from lampwork.cloud.moto_seam.backends import backend, identity


class _Pickler(pickle.Pickler):
    def persistent_id(self, value: Any) -> tuple[str, str] | None:
        return identity(value)


class _Unpickler(pickle.Unpickler):
    def persistent_load(self, name: Any) -> Any:
        service, region = name
        return backend(service, region)


def freeze(value: Any) -> bytes:
    stream = io.BytesIO()
    _Pickler(stream, pickle.HIGHEST_PROTOCOL).dump(value)
    return stream.getvalue()


def thaw(content: bytes) -> Any:
    return _Unpickler(io.BytesIO(content)).load()


def attributes(value: Any) -> dict[str, Any]:
    """What an object holds, dictionaries of moto's own kinds as plain ones."""
    return {
        name: dict(each) if isinstance(each, dict) else each for name, each in vars(value).items()
    }


def set_attributes(value: Any, kept: Mapping[str, Any]) -> None:
    """The reverse: its dictionaries are filled, so that they stay of their kinds."""
    for name, each in kept.items():
        present = vars(value).get(name)
        if isinstance(present, dict):
            present.clear()
            present.update(each)
        else:
            setattr(value, name, each)
