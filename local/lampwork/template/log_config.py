"""The property LoggingConfig, which says how a function's log is written.

https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-properties-lambda-function-loggingconfig.html
"""

import re
from collections.abc import Collection
from typing import Final

from lampwork.logs.levels import APPLICATION_LEVELS, DEFAULT_LEVEL, SYSTEM_LEVELS
from lampwork.stack.model import LogConfig
from lampwork.template.resource import Resource

PROPERTY: Final = "LoggingConfig"
FORMATS: Final = ("Text", "JSON")
GROUP: Final = re.compile(r"[.\-_/#A-Za-z0-9]{1,512}")
LEVELS: Final = {"ApplicationLogLevel": APPLICATION_LEVELS, "SystemLogLevel": SYSTEM_LEVELS}


def read_log_config(resource: Resource) -> LogConfig:
    """A function's LoggingConfig.

    Raises:
        TemplateError: Lambda does not know a value, or a text log has a level.
    """
    given = resource.section(PROPERTY)
    json = _one_of(resource, "LogFormat", FORMATS, "Text") == "JSON"
    for name in LEVELS:
        if given.get(name) is not None and not json:
            raise resource.error(
                f"{resource.logical_id} has a {name}, which Lambda takes only with LogFormat:"
                " JSON; add that, or remove the level.",
                PROPERTY,
            )
    return LogConfig(
        json=json,
        application_level=_level(resource, "ApplicationLogLevel"),
        system_level=_level(resource, "SystemLogLevel"),
        group=_group(resource),
    )


def _group(resource: Resource) -> str | None:
    name = resource.section(PROPERTY).text("LogGroup")
    if name is not None and not GROUP.fullmatch(name):
        raise resource.error(
            f"{resource.logical_id}.{PROPERTY}.LogGroup must be a name of letters, digits and"
            f" . - _ / #, not {name!r}.",
            PROPERTY,
        )
    return name


def _level(resource: Resource, name: str) -> str:
    return _one_of(resource, name, LEVELS[name], DEFAULT_LEVEL)


def _one_of(resource: Resource, name: str, allowed: Collection[str], default: str) -> str:
    value = resource.section(PROPERTY).text(name)
    if value is None:
        return default
    if value not in allowed:
        raise resource.error(
            f"{resource.logical_id}.{PROPERTY}.{name} must be one of {', '.join(allowed)},"
            f" not {value!r}.",
            PROPERTY,
        )
    return value
