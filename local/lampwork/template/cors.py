from collections.abc import Mapping
from typing import Any

from lampwork.stack.authorization import Cors
from lampwork.template.resource import Resource


def read_cors(resource: Resource, settings: Any) -> Cors | None:
    """CORS settings as CloudFormation (AllowOrigins) or OpenAPI (allowOrigins) writes them.

    Raises:
        TemplateError: they are no mapping.
    """
    if not settings:
        return None
    if not isinstance(settings, Mapping):
        raise resource.error(f"the CORS settings of {resource.logical_id} must be a mapping.")
    given = {name.lower(): value for name, value in settings.items()}
    max_age = given.get("maxage")
    return Cors(
        allow_origins=_texts(given.get("alloworigins")),
        allow_methods=_texts(given.get("allowmethods")),
        allow_headers=_texts(given.get("allowheaders")),
        expose_headers=_texts(given.get("exposeheaders")),
        max_age=None if max_age is None else int(max_age),
        allow_credentials=given.get("allowcredentials") in (True, "true"),
    )


def _texts(value: Any) -> tuple[str, ...]:
    values = value if isinstance(value, list) else [] if value is None else [value]
    return tuple(map(str, values))
