"""Makes readable what AWS's runtime client logs about the errors of functions."""

import re
import sysconfig
from collections.abc import Iterable, Iterator
from itertools import groupby
from pathlib import Path
from typing import Final

HEADING: Final = "[ERROR] "
TRACEBACK: Final = "Traceback (most recent call last):"
FRAME: Final = re.compile(r'\s*File "(?P<file>[^"]+)", line \d+')
# Raised before the user's code runs: the message names file and line, and no frame is the user's.
EXPLAINED_BY_MESSAGE: Final = ("Runtime.UserCodeSyntaxError", "Runtime.HandlerNotFound")
FOREIGN: Final = ("/site-packages/", "/dist-packages/", "/awslambdaric/", "<frozen ")
STDLIB: Final = str(Path(sysconfig.get_paths()["stdlib"]).resolve()) + "/"
LAMPWORK: Final = str(Path(__file__).resolve().parents[1]) + "/"
NBSP: Final = "\xa0"

RED: Final = "\033[31m"
DIM: Final = "\033[2m"
RESET: Final = "\033[0m"


class TracebackJoiner:
    """Joins the lines of a traceback that a program printed one by one, for each source. A program
    may indent it below the line that says what failed."""

    def __init__(self) -> None:
        self._unfinished: dict[str, tuple[str, list[str]]] = {}

    def add(self, source: str, text: str) -> str | None:
        """The text, or the whole traceback that it ends; None while a traceback is incomplete."""
        if source in self._unfinished:
            margin, lines = self._unfinished[source]
            lines.append(text.removeprefix(margin))
            if lines[-1].startswith(" "):
                return None
            del self._unfinished[source]
            return "\n".join(lines)
        if text.lstrip(" ") == TRACEBACK:
            self._unfinished[source] = (text.removesuffix(TRACEBACK), [TRACEBACK])
            return None
        return text


def readable(lines: list[str], *, colours: bool) -> list[str]:
    """The lines of one log entry; each run of frames outside the user's code becomes one line."""
    if TRACEBACK not in lines:
        return lines
    start = lines.index(TRACEBACK)
    shown = [_coloured(line, RED, colours) for line in lines[:start]]
    if not lines[start + 1 :] or any(kind in lines[0] for kind in EXPLAINED_BY_MESSAGE):
        return shown
    shown.append(lines[start])
    for foreign, group in groupby(_frames(lines[start + 1 :]), key=_is_foreign):
        frames = list(group)
        shown += _fold(frames, colours) if foreign else _own_lines(frames, colours)
    return shown


def _frames(lines: list[str]) -> Iterator[list[str]]:
    """Each frame with the lines of code below it; a line that is no frame comes alone."""
    frame: list[str] = []
    for line in (each.replace(NBSP, " ") for each in lines):
        if FRAME.match(line) or not line.startswith("    "):
            if frame:
                yield frame
            frame = [line]
        else:
            frame.append(line)
    if frame:
        yield frame


def _is_foreign(frame: list[str]) -> bool:
    match = FRAME.match(frame[0])
    if match is None:
        return False
    file = match["file"]
    return any(part in file for part in FOREIGN) or file.startswith((STDLIB, LAMPWORK))


def _fold(frames: list[list[str]], colours: bool) -> list[str]:
    """One line that says how many frames of which packages are left out."""
    packages = ", ".join(dict.fromkeys(_package(frame[0]) for frame in frames))
    number = "a frame" if len(frames) == 1 else f"{len(frames)} frames"
    return [_coloured(f"  … {number} of {packages}", DIM, colours)]


def _package(line: str) -> str:
    match = FRAME.match(line)
    file = match["file"] if match else ""
    for folder in ("/site-packages/", "/dist-packages/"):
        if folder in file:
            return file.rpartition(folder)[2].split("/")[0].removesuffix(".py")
    if file.startswith(LAMPWORK):
        return "lampwork"
    return "awslambdaric" if "/awslambdaric/" in file else "Python"


def _own_lines(frames: Iterable[list[str]], colours: bool) -> Iterator[str]:
    for frame in frames:
        own = FRAME.match(frame[0]) is not None
        yield from frame if own else (_coloured(line, RED, colours) for line in frame)


def _coloured(text: str, colour: str, colours: bool) -> str:
    return f"{colour}{text}{RESET}" if colours and text else text
