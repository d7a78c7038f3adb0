"""Checks the parts of other packages that Lampwork uses although they are not public API.

Such parts may change in any version, so Lampwork checks whether they are still there. Each such
package has one seam: the only modules that import it, and a list of the names that they use. The
version is checked before the package is loaded, and the list when it is loaded.
"""

import importlib
import re
import sys
from collections.abc import Iterator
from types import ModuleType
from typing import Any, Final, NamedTuple, NoReturn

from lampwork.errors import StartError

# What begins the last line of a process whose package does not fit. Its parent tells the user, and
# does not restart it, because it would fail again.
UNFIT: Final = "\x1elampwork: "
EXIT_STATUS: Final = 3


class UnknownVersion(StartError):
    """A package does not fit Lampwork. The message is one line and says what to install."""


class Parameters(NamedTuple):
    """The names of all parameters, and of those (`needed`) that a call must give a value."""

    names: list[str]
    needed: set[str]


class Specimen(NamedTuple):
    """A sample object of a class. The check makes it to see whether it has these attributes.

    `kind` is the path of the class. An argument may be a specimen too, which stands for its object.
    """

    kind: str
    arguments: tuple[object, ...]
    attributes: tuple[str, ...]

    def make(self) -> object:
        """Create the object.

        Raises:
            LookupError: the class is missing.
            TypeError: the class takes other arguments.
        """
        given = (each.make() if isinstance(each, Specimen) else each for each in self.arguments)
        return _find(self.kind)(*given)


class Seam(NamedTuple):
    """A package, its versions that fit, and the names that Lampwork uses of it.

    Versions fit from `floor` on, and below `ceiling`. `extras` are the package's extras that
    Lampwork needs, in brackets, such as "[s3,server]".

    `calls` are functions and classes that Lampwork calls with these parameters; it gives those
    after `*` by name. An entry without parentheses only has to exist. `replaces` are functions that
    Lampwork patches, so they must have exactly these parameters.
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
        """As pip takes it, such as "moto[s3]>=5.2.5,<5.3"."""
        return f"{self.package}{self.extras}>={self.floor},<{self.ceiling}"

    def check_version(self) -> None:
        """Check the version that is installed. This is fast, because it does not load the package.

        Raises:
            UnknownVersion: the version does not fit, or the package is missing.
        """
        installed = self._installed()
        if not _numbers(self.floor) <= _numbers(installed) < _numbers(self.ceiling):
            self._refuse("is installed" if installed else "is not installed")

    def check(self) -> None:
        """Load the package and look for every name that Lampwork uses of it.

        Raises:
            UnknownVersion: a name is missing or takes other parameters.
        """
        for problem in self._problems():
            self._refuse(problem)

    def check_or_exit(self) -> None:
        """`check()` for a child process: on failure, print the message and exit with EXIT_STATUS.

        The parent process recognizes the message by its beginning.
        """
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
        except ImportError as error:  # one of its own dependencies is missing or does not fit
            yield f"cannot be loaded ({error})"

    def _installed(self) -> str:
        """The installed version; "" if there is none."""
        import importlib.metadata  # takes 20 ms, which cold starts do not need

        try:
            metadata = importlib.metadata.distribution(self.package).read_text("METADATA") or ""
        except importlib.metadata.PackageNotFoundError:
            return ""
        # `importlib.metadata.version` would parse the whole file, which takes 20 ms at each start.
        found = re.search("^Version: (.+)$", metadata, re.MULTILINE)
        return found[1] if found else ""

    def _refuse(self, problem: str) -> NoReturn:
        named = f"{self.package} {self._installed()}".rstrip()
        raise UnknownVersion(
            f"{named} {problem}: Lampwork needs {self.floor} or later,"
            f" below {self.ceiling}. Install such a version: pip install '{self.requirement}'"
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
    return f"has changed the parameters of {path} to ({', '.join(present.names)})"


def _parameters(called: Any) -> Parameters:
    """The parameters of a function, or of a class without `self`.

    `inspect.signature` gives them too, but loading `inspect` takes 10 ms at each cold start.
    """
    is_class = isinstance(called, type)
    function = called.__init__ if is_class else called
    function = getattr(function, "__wrapped__", function)
    code = getattr(function, "__code__", None)
    if code is None:  # a class without an __init__ of its own, or not written in Python
        return Parameters([], set())
    positional = list(code.co_varnames[: code.co_argcount])
    named = list(code.co_varnames[code.co_argcount :][: code.co_kwonlyargcount])
    with_default = len(function.__defaults__ or ())
    needed = {*positional[: len(positional) - with_default]}
    needed |= {name for name in named if name not in (function.__kwdefaults__ or {})}
    own = 1 if is_class else 0
    return Parameters(positional[own:] + named, needed - {*positional[:own]})


def _parts(text: str) -> tuple[str, list[str] | None]:
    """The dotted path in an entry, and its parameters; None if the entry has no parentheses."""
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
