"""The templates of a run with several stacks, each under the name that its stack has."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from lampwork.config.samconfig import read_samconfig
from lampwork.errors import ConfigurationError

UNNAMED: Final = "template"
NOT_IN_NAMES: Final = re.compile(r"[^A-Za-z0-9-]+")


@dataclass(frozen=True, slots=True)
class StackFile:
    """A template, the name of its stack, and the parameters that its own `samconfig` gives."""

    name: str
    template: Path
    parameters: Mapping[str, str] = field(default_factory=dict)


def stack_files(templates: Sequence[Path]) -> tuple[StackFile, ...]:
    """The stacks of several templates. A stack is named by the `samconfig` in its folder if the
    template is alone there, else by the file, or by the folder of a file `template.yaml`.

    Raises:
        ConfigurationError: a file is missing, two stacks have one name, or a `samconfig` is wrong.
    """
    folders = Counter(template.parent for template in templates)
    stacks = tuple(_stack_file(each, alone=folders[each.parent] == 1) for each in templates)
    for name, many in Counter(each.name for each in stacks).items():
        if many > 1:
            files = ", ".join(str(each.template) for each in stacks if each.name == name)
            raise ConfigurationError(
                f"The stacks of {files} are all named {name!r}; give them names by the files'"
                " names, or by stack_name in the samconfig.toml of each."
            )
    return stacks


def _stack_file(template: Path, *, alone: bool) -> StackFile:
    if not template.is_file():
        raise ConfigurationError(f"There is no template {template}. Name yours with --template.")
    sam = read_samconfig(template.parent) if alone else None
    stem = template.name.partition(".")[0]
    name = stem if stem != UNNAMED else template.resolve().parent.name
    return StackFile(
        name=(sam.stack_name if sam else None) or NOT_IN_NAMES.sub("-", name).strip("-") or "stack",
        template=template,
        parameters=sam.parameters if sam else {},
    )
