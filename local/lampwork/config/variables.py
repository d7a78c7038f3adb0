"""Reading environment variables from files, options and the shell, and filling in their ${…}."""

import os
import re
import shlex
from collections.abc import Collection, Mapping
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Final

from lampwork.config.encodings import decoded
from lampwork.errors import ConfigurationError

PLACEHOLDER: Final = re.compile(r"\$\$\{|\$\{([^}]*)\}")
ASSIGNMENT: Final = re.compile(r"\s*(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)\s*=(.*)")

# The variables of the user's shell that a program needs. Others are not passed on: with them, two
# machines would behave differently.
INHERITED: Final = frozenset(
    (
        *("HOME", "USER", "LOGNAME", "SHELL", "PATH", "LANG", "LANGUAGE", "TZ", "TERM", "TMPDIR"),
        *("LD_LIBRARY_PATH", "SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE"),
        *("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy"),
        *("VIRTUAL_ENV", "PYTHONPATH", "PYTHONDONTWRITEBYTECODE", "PYTHONPYCACHEPREFIX"),
    )
)


def read_env_file(file: Path) -> dict[str, str]:
    """The variables of a dotenv file; none if there is no such file.

    Raises:
        ConfigurationError: a line has not the form `NAME=value`.
    """
    if not file.is_file():
        return {}
    variables = {}
    for number, line in enumerate(_read(file).splitlines(), start=1):
        if line.strip() and not line.lstrip().startswith("#"):
            name, value = _assignment(line, f"{file}, line {number}")
            variables[name] = value
    return variables


def _read(file: Path) -> str:
    try:
        return decoded(file.read_bytes())
    except ValueError as error:
        raise ConfigurationError(f"{file} cannot be read: {error}.") from error


def variable_given(option: str) -> tuple[str, str]:
    """The variable of an option `NAME=value`. For `NAME` alone, the value is that of this process's
    own variable.

    Raises:
        ConfigurationError: this process has no such variable.
    """
    name, equals, value = option.partition("=")
    if equals:
        return name, value
    if name not in os.environ:
        raise ConfigurationError(
            f"--env {name}: your shell has no such variable. Use {name}=value."
        )
    return name, os.environ[name]


def region_of_profile(profile: str) -> str | None:
    """The region of a profile in AWS's own configuration; None if it has none.

    Raises:
        ConfigurationError: there is no such profile.
    """
    from botocore.exceptions import ProfileNotFound  # takes 100 ms to load
    from botocore.session import Session

    try:
        region: str | None = Session(profile=profile).get_config_variable("region")
    except ProfileNotFound as error:
        raise ConfigurationError(f"--profile {profile}: {error}.") from error
    return region


def fill(values: Mapping[str, str], known: Mapping[str, str]) -> dict[str, str]:
    """The values with each `${name}` replaced by what `known` has for it; `$${` is a literal `${`.

    Raises:
        ConfigurationError: `known` lacks a name.
    """
    return {key: _fill(key, value, known) for key, value in values.items()}


def inherited() -> dict[str, str]:
    """The variables of this process that its child processes get."""
    return {
        name: value
        for name, value in os.environ.items()
        if name in INHERITED or name.startswith(("LC_", "XDG_"))
    }


def matching_variables(patterns: Collection[str]) -> dict[str, str]:
    """The variables of this process whose names match one of the patterns, such as `AUTH_*`."""
    return {
        name: value
        for name, value in os.environ.items()
        if any(fnmatchcase(name, pattern) for pattern in patterns)
    }


def forget_real_account() -> None:
    """Remove the shell's AWS settings from this process, so that nothing local can reach a real
    account."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        del os.environ[name]


def _fill(key: str, value: str, known: Mapping[str, str]) -> str:
    def replace(match: re.Match[str]) -> str:
        name = match[1]
        if name is None:
            return "${"
        if name not in known:
            raise ConfigurationError(
                f"environment.{key}: ${{{name}}} is unknown."
                f" The known names are {', '.join(sorted(known))}."
            )
        return known[name]

    return PLACEHOLDER.sub(replace, value)


def _assignment(line: str, where: str) -> tuple[str, str]:
    match = ASSIGNMENT.fullmatch(line)
    if match is None:
        raise ConfigurationError(f"{where}: expected NAME=value, not {line.strip()!r}.")
    try:
        return match[1], _value(match[2].strip())
    except ValueError as error:
        raise ConfigurationError(f"{where}: {error}.") from error


def _value(text: str) -> str:
    """The value in a line of a dotenv file. Quotes are read as in a shell; a value without them
    ends before the first ` #`."""
    if text[:1] in ("'", '"'):
        return "".join(shlex.split(text, comments=True))
    return re.split(r"(?:^|\s)#", text, maxsplit=1)[0].rstrip()
