"""What is used of other packages beyond what they promise to keep, and whether it is still there.

Each such package has one seam: the modules which alone import it, and a list of the names that
these use. The list is checked when the package is loaded, the version before that.
"""

import importlib
import re
import sys
from collections.abc import Iterator
from types import ModuleType
from typing import Any, Final, NamedTuple, NoReturn

from lampwork.errors import StartError

# How the line begins with which a process ends whose package does not fit. Its parent tells the
# user, and does not start it again.
UNFIT: Final = "\x1elampwork: "
EXIT_STATUS: Final = 3


class UnknownVersion(StartError):
    """A package is not as Lampwork knows it. The text is one line and names what to install."""


class Parameters(NamedTuple):
    """The names that a call can give values, and those that it must."""

    names: list[str]
    needed: set[str]


class Specimen(NamedTuple):
    """An object of a class, to see whether it has these attributes.

    An argument that is a specimen stands for its object.
    """

    kind: str
    arguments: tuple[object, ...]
    attributes: tuple[str, ...]

    def make(self) -> object:
        given = (each.make() if isinstance(each, Specimen) else each for each in self.arguments)
        return _find(self.kind)(*given)


class Seam(NamedTuple):
    """A package, the versions from `floor` up to but without `ceiling`, and what is used of it.

    `extras` are those that it needs, in brackets.

    `calls` are called with these parameters, those after `*` by name; an entry without parameters
    only has to be there. `replaces` are patched: their parameters are exactly these.
    """

    package: str
    floor: str
    ceiling: str
    extras: str = ""
    calls: tuple[str, ...] = ()
    replaces: tuple[str, ...] = ()
    specimens: tuple[Specimen, ...] = ()

    @property
    def requirement(self) -> str:
        return f"{self.package}{self.extras}>={self.floor},<{self.ceiling}"

    def check_version(self) -> None:
        """Cheap: nothing of the package is loaded.

        Raises:
            UnknownVersion: it is not one of those that are known.
        """
        if not _numbers(self.floor) <= _numbers(self._installed()) < _numbers(self.ceiling):
            self._refuse("is installed")

    def check(self) -> None:
        """Load the package, and look for all that is used of it.

        Raises:
            UnknownVersion: something is missing or takes other parameters.
        """
        for problem in self._problems():
            self._refuse(problem)

    def check_or_exit(self) -> None:
        """For a process of its own: say what is wrong and end, in a way that its parent knows."""
        try:
            self.check()
        except UnknownVersion as error:
            sys.stderr.write(f"{UNFIT}{error}\n")
            sys.stderr.flush()
            sys.exit(EXIT_STATUS)

    def _problems(self) -> Iterator[str]:
        try:
            yield from filter(None, map(_call_problem, self.calls))
            yield from filter(None, map(_patch_problem, self.replaces))
            yield from filter(None, map(_specimen_problem, self.specimens))
        except ImportError as error:  # a package that it needs itself is missing, or does not fit
            yield f"cannot be loaded ({error})"

    def _installed(self) -> str:
        import importlib.metadata  # 20 ms, which cold starts need not pay

        try:
            metadata = importlib.metadata.distribution(self.package).read_text("METADATA") or ""
        except importlib.metadata.PackageNotFoundError:
            return "0"
        # Read here, since `importlib.metadata.version` takes 20 ms, of each start, for the whole.
        found = re.search("^Version: (.+)$", metadata, re.MULTILINE)
        return found[1] if found else "0"

    def _refuse(self, problem: str) -> NoReturn:
        raise UnknownVersion(
            f"{self.package} {self._installed()} {problem}: Lampwork knows {self.floor} and later,"
            f" below {self.ceiling}. Install one of those: pip install '{self.requirement}'"
        )


def _call_problem(text: str) -> str:
    path, wanted = _parts(text)
    try:
        found = _find(path)
    except LookupError:
        return f"lacks {path}"
    if wanted is None:
        return ""
    star = wanted.index("*") if "*" in wanted else len(wanted)
    positional, named = wanted[:star], wanted[star + 1 :]
    present = _parameters(found)
    given = {*positional, *named}
    fits = (
        present.names[: len(positional)] == positional
        and given <= {*present.names}
        and present.needed <= given
    )
    return "" if fits else _changed(path, present)


def _patch_problem(text: str) -> str:
    path, wanted = _parts(text)
    try:
        present = _parameters(_find(path))
    except LookupError:
        return f"lacks {path}"
    return "" if present.names == wanted else _changed(path, present)


def _specimen_problem(specimen: Specimen) -> str:
    try:
        made = specimen.make()
    except LookupError:
        return f"lacks {specimen.kind}"
    except TypeError as error:
        return f"has changed {specimen.kind} ({error})"
    missing = (name for name in specimen.attributes if not hasattr(made, name))
    return next((f"lacks {specimen.kind}.{name}" for name in missing), "")


def _changed(path: str, present: Parameters) -> str:
    return f"has changed {path} to take ({', '.join(present.names)})"


def _parameters(called: Any) -> Parameters:
    """Of a function or of a class.

    `inspect.signature` would tell it too: that takes 10 ms to load, at each cold start.
    """
    is_class = isinstance(called, type)
    function = called.__init__ if is_class else called
    function = getattr(function, "__wrapped__", function)
    code = getattr(function, "__code__", None)
    if code is None:  # it has none of its own, or is not written in Python
        return Parameters([], set())
    positional = list(code.co_varnames[: code.co_argcount])
    named = list(code.co_varnames[code.co_argcount :][: code.co_kwonlyargcount])
    with_default = len(function.__defaults__ or ())
    needed = {*positional[: len(positional) - with_default]}
    needed |= {name for name in named if name not in (function.__kwdefaults__ or {})}
    own = 1 if is_class else 0
    return Parameters(positional[own:] + named, needed - {*positional[:own]})


def _parts(text: str) -> tuple[str, list[str] | None]:
    """A path with dots and the names of its parameters: None where the text has no parentheses."""
    path, opened, parameters = text.rstrip(")").partition("(")
    return path, re.findall(r"[\w*]+", parameters) if opened else None


def _find(path: str) -> Any:
    first, *rest = path.split(".")
    found: Any = importlib.import_module(first)
    for name in rest:
        if not hasattr(found, name) and isinstance(found, ModuleType):
            _load_submodule(f"{found.__name__}.{name}")
        if not hasattr(found, name):
            raise LookupError(path)
        found = getattr(found, name)
    return found


def _load_submodule(name: str) -> None:
    try:
        importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name != name:
            raise


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", version)[:3])
