"""Converts moto's objects to bytes and back.

Objects may refer to the state of a whole service. The bytes then hold the service's name and
region, not a copy of that state.
"""

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
    """The attributes of an object. moto's own types of dictionary become plain ones."""
    return {
        name: dict(each) if isinstance(each, dict) else each for name, each in vars(value).items()
    }


def set_attributes(value: Any, kept: Mapping[str, Any]) -> None:
    """Set an object's attributes to what `attributes` returned.

    A dictionary that the object already has is filled, so that it keeps its type.
    """
    for name, each in kept.items():
        present = vars(value).get(name)
        if isinstance(present, dict):
            present.clear()
            present.update(each)
        else:
            setattr(value, name, each)
