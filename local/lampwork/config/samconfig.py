"""SAM's own configuration, and template parameters in the forms that SAM takes.

https://docs.aws.amazon.com/serverless-application-model/latest/developerguide/serverless-sam-cli-config.html
"""

import shlex
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import yaml

from lampwork.config.encodings import decoded
from lampwork.errors import ConfigurationError

# As with `sam`, only the first file that exists is read.
FILES: Final = ("samconfig.toml", "samconfig.yaml", "samconfig.yml")
ENVIRONMENT: Final = "default"
# The commands whose settings fit every local run. Those of the command itself win.
COMMANDS: Final = ("global", "deploy")
START_API: Final = "local_start_api"
KEY: Final = "ParameterKey="
VALUE: Final = "ParameterValue="


@dataclass(frozen=True, slots=True)
class SamConfig:
    """The settings of SAM's own configuration; None for what it does not set.

    `files` are all the files that may hold it. `settings` are all those of the command itself and
    of all commands, by the name of the option.
    """

    files: tuple[Path, ...]
    parameters: Mapping[str, str] = field(default_factory=dict)
    template: Path | None = None
    region: str | None = None
    stack_name: str | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)


def read_samconfig(
    root: Path,
    *,
    file: Path | None = None,
    environment: str | None = None,
    command: str = START_API,
) -> SamConfig:
    """Read one environment of SAM's configuration in the folder `root`, for one command.

    A missing file or a missing default environment gives no settings.

    Raises:
        ConfigurationError: the given `file` or `environment` is missing, or the file cannot be
            read.
    """
    files = (file,) if file else tuple(root / name for name in FILES)
    path = next((each for each in files if each.is_file()), files[0])
    if not path.is_file():
        if file is not None or environment is not None:
            raise ConfigurationError(f"There is no file {path} to read an environment from.")
        return SamConfig(files)
    tables = _environment(path, _read(path), environment)
    settings: dict[str, Any] = {}
    for each in (*COMMANDS, command):
        settings |= _parameters(path, tables.get(each))
    of_all = _parameters(path, tables.get("global"))
    template = settings.get("template_file", settings.get("template"))
    return SamConfig(
        files,
        parameters=parse_parameters(_words(path, settings.get("parameter_overrides"))),
        template=None if template is None else path.parent / str(template),
        region=_text(settings.get("region")),
        stack_name=_text(settings.get("stack_name")),
        settings={**of_all, **_parameters(path, tables.get(command))},
    )


def parse_parameters(words: Iterable[str]) -> dict[str, str]:
    """The parameters in SAM's two forms: `Key=value`, and `ParameterKey=Key,ParameterValue=value`.

    Raises:
        ConfigurationError: a word has neither form.
    """
    return dict(_override(word) for text in words for word in _split(text))


def _split(text: str) -> Iterator[str]:
    try:
        yield from shlex.split(text)
    except ValueError as error:
        raise ConfigurationError(f"The parameters {text!r} cannot be read: {error}.") from error


def _override(word: str) -> tuple[str, str]:
    if word.startswith(KEY):
        key, comma, value = word.removeprefix(KEY).partition(",")
        if comma and value.startswith(VALUE):
            return key, value.removeprefix(VALUE)
    else:
        key, equals, value = word.partition("=")
        if key and equals:
            return key, value
    raise ConfigurationError(f"The parameter {word!r} must be given as Name=value.")


def _read(path: Path) -> Mapping[str, Any]:
    language = "YAML" if path.suffix in (".yaml", ".yml") else "TOML"
    try:
        text = decoded(path.read_bytes())
        document = yaml.safe_load(text) if language == "YAML" else tomllib.loads(text)
    except (ValueError, yaml.YAMLError) as error:
        raise ConfigurationError(f"{path} is not valid {language}: {error}.") from error
    if not isinstance(document, dict):
        raise ConfigurationError(f"{path} should hold environments, such as `default`.")
    return document


def _environment(path: Path, document: Mapping[str, Any], name: str | None) -> Mapping[str, Any]:
    table = document.get(name or ENVIRONMENT)
    if table is None and name is not None:
        known = ", ".join(key for key, value in document.items() if isinstance(value, dict))
        raise ConfigurationError(f"{path} has no environment {name!r}; it has {known or 'none'}.")
    return table if isinstance(table, dict) else {}


def _parameters(path: Path, command: Any) -> Mapping[str, Any]:
    if command is None:
        return {}
    parameters = command.get("parameters", {}) if isinstance(command, dict) else None
    if not isinstance(parameters, dict):
        raise ConfigurationError(f"{path}: a command holds a table `parameters`.")
    return parameters


def _text(given: Any) -> str | None:
    return None if given is None else str(given)


def _words(path: Path, given: Any) -> list[str]:
    if given is None:
        return []
    if isinstance(given, str):
        return [given]
    if isinstance(given, list) and all(isinstance(each, str) for each in given):
        # Each string is one whole parameter, even if its value has spaces.
        return [shlex.quote(each) for each in given]
    raise ConfigurationError(f"{path}: parameter_overrides must be a string or a list of strings.")
