from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from lampwork.config.project_config import Config
from lampwork.front.options import AS_ON_AWS, FrontOptions
from lampwork.stack.function_overrides import Debugged
from lampwork.stack.narrowing import Narrow, everything
from lampwork.triggers.registry import SOURCES
from lampwork.triggers.source import Source


@dataclass(frozen=True, slots=True)
class Options:
    """What the command line says.

    `read_config` reads the configuration anew and applies the command line's options to it.
    `variables` win over all other variables; `function_variables` are those of single functions, by
    logical id or name. With `shell_env`, the shell's value of a variable wins over the template's.
    With `enforce_iam`, services refuse a function what its policies do not allow.
    `narrow` reduces the template's stack to what the command serves. With `testing`, a test may
    look into everything, and it all ends with standard input.
    """

    read_config: Callable[[], Config]
    variables: Mapping[str, str] = field(default_factory=dict)
    function_variables: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    shell_env: bool = False
    enforce_memory: bool = True
    enforce_iam: bool = False
    cold: bool = False
    freeze: bool = False
    strict: bool = False
    verbose: bool = False
    debugged: Debugged | None = None
    narrow: Narrow = everything
    time_scale: float = 1
    front: FrontOptions = AS_ON_AWS
    testing: bool = False
    sources: Sequence[Source] = SOURCES
