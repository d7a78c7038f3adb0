"""Lambda's paths for one process: /var/task, /opt and /tmp as mounts that no other process sees.

They are made in a mount namespace; without the rights of root, in a user namespace too, where Linux
lets its owner mount. https://man7.org/linux/man-pages/man7/user_namespaces.7.html

`python mounts.py FOLDER` tries whether this machine allows it, with an empty folder to spare.
"""

import ctypes
import os
import stat
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

TASK = "/var/task"
OPT = "/opt"
TMP = "/tmp"  # noqa: S108 - the function's own

CLONE_NEWNS = 0x00020000
CLONE_NEWUSER = 0x10000000
MS_RDONLY, MS_BIND, MS_REC, MS_SLAVE = 1, 1 << 12, 1 << 14, 1 << 19
CAPABILITY_VERSION_3 = 0x20080522
LIBC = ctypes.CDLL(None, use_errno=True)


@dataclass(frozen=True, slots=True)
class World:
    """What a function's process finds at Lambda's paths.

    /var/task has the function's `code`, read-only, and beside it what the folders `packages` hold,
    and `links`: names in it and what they lead to. /opt has the content of the folders `opt`, and
    /opt/python that of `opt_python`; the first folder that has a name wins. `tmp` is a folder that
    only this process sees as /tmp; paths below /tmp that are in `kept` stay as they are.
    """

    code: str
    links: Mapping[str, str] = field(default_factory=dict)
    packages: Sequence[str] = ()
    opt: Sequence[str] = ()
    opt_python: Sequence[str] = ()
    tmp: str = ""
    kept: Sequence[str] = ()

    def hides(self, path: str) -> bool:
        """Whether the process finds another file at this path than other processes do."""
        return (
            bool(self.tmp)
            and path.startswith(f"{TMP}/")
            and not any(path == each or path.startswith(f"{each}/") for each in self.kept)
        )


def enter_namespace() -> None:
    """Move this process, which must have one thread, to a mount namespace with a place /var/task.

    Raises:
        OSError: this machine does not let this user do it.
    """
    user, group = os.geteuid(), os.getegid()
    if not _unshare_as_root():
        _call("unshare", CLONE_NEWUSER | CLONE_NEWNS)
        _write("/proc/self/setgroups", "deny")
        _write("/proc/self/uid_map", f"{user} {user} 1")
        _write("/proc/self/gid_map", f"{group} {group} 1")
    _mount(None, "/", None, MS_REC | MS_SLAVE)
    if not os.path.isdir(TASK):
        _add_folder(TASK)


def show_packages(folder: str) -> None:
    """Show the packages in a folder at /var/task, writable, so that compiled ones are kept."""
    _mount(folder, TASK, None, MS_BIND | MS_REC)


def build(world: World) -> bool:
    """Mount a world in a namespace of this process's own, which was forked in an entered one.

    Returns whether /var/task is all it should be. If not, it has the code alone, writable: its file
    system cannot be merged with another.
    """
    _call("unshare", CLONE_NEWNS)
    _mount("tmpfs", TASK, "tmpfs", 0, "mode=755")
    beside, above, layers = (f"{TASK}/{name}" for name in ("beside", "above", "layers"))
    for folder in (beside, above, layers):
        os.mkdir(folder)
    _link(beside, world.packages, world.code)
    for name, target in world.links.items():
        os.makedirs(os.path.dirname(f"{above}/{name}"), exist_ok=True)
        os.symlink(target, f"{above}/{name}")
    if world.opt or world.opt_python:
        _link(layers, world.opt, OPT)
        _link(f"{layers}/python", world.opt_python, f"{OPT}/python")
        _merge(OPT, [layers, OPT])
    is_whole = _try_to_merge(TASK, [*([above] if world.links else []), world.code, beside])
    if not is_whole:
        _mount(world.code, TASK, None, MS_BIND | MS_REC)
    if world.tmp:
        _replace_tmp(world.tmp, world.kept)
    if os.geteuid() != 0:
        _drop_capabilities()
    return is_whole


def real_path(path: str, code_dir: str) -> str:
    """The file at one of Lambda's paths, by the path that it has outside of the function."""
    if not path.startswith((f"{TASK}/", f"{OPT}/")):
        return path
    real = os.path.realpath(path)
    return code_dir + real[len(TASK) :] if real.startswith(f"{TASK}/") else real


def _unshare_as_root() -> bool:
    if os.geteuid() != 0:
        return False
    try:
        _call("unshare", CLONE_NEWNS)
    except PermissionError:  # root of a container, perhaps, without the right to mount
        return False
    return True


def _add_folder(path: str) -> None:
    """Add a folder to one that may not be writable: an empty file system with all its entries."""
    parent = os.path.dirname(path)
    with _Opened([parent]) as (former,):
        entries = list(os.scandir(parent))
        _mount("tmpfs", parent, "tmpfs", 0, "mode=755")
        for entry in entries:
            place = f"{parent}/{entry.name}"
            if entry.is_symlink():
                os.symlink(os.readlink(f"{former}/{entry.name}"), place)
            else:
                _show(f"{former}/{entry.name}", place, is_folder=entry.is_dir())
        os.mkdir(path)


def _link(place: str, folders: Iterable[str], beside: str) -> None:
    """Fill a folder with links to what these folders hold: the first that has a name wins. Where
    several have a folder of that name, or `beside` has one, their content is merged likewise."""
    os.makedirs(place, exist_ok=True)
    found: dict[str, list[os.DirEntry[str]]] = {}
    for folder in folders:
        if os.path.isdir(folder):
            for entry in os.scandir(folder):
                found.setdefault(entry.name, []).append(entry)
    for name, entries in found.items():
        same = f"{beside}/{name}"
        if not entries[0].is_dir() or (len(entries) == 1 and not os.path.isdir(same)):
            if not os.path.lexists(f"{place}/{name}"):
                os.symlink(entries[0].path, f"{place}/{name}")
        else:
            _link(f"{place}/{name}", [each.path for each in entries if each.is_dir()], same)


def _try_to_merge(place: str, folders: Sequence[str]) -> bool:
    try:
        _merge(place, folders)
    except OSError:
        return False
    return True


def _merge(place: str, folders: Sequence[str]) -> None:
    """Mount at a place what these folders hold together, read-only; the first folder wins. None may
    be inside another. https://docs.kernel.org/filesystems/overlayfs.html
    """
    with _Opened(folders) as opened:
        # By their descriptors, since a path may have a colon or a comma, or be long.
        _mount("overlay", place, "overlay", MS_RDONLY, f"lowerdir={':'.join(opened)}")


def _replace_tmp(folder: str, kept: Sequence[str]) -> None:
    present = [path for path in kept if os.path.exists(path)]
    with _Opened(present) as opened:
        _mount(folder, TMP, None, MS_BIND | MS_REC)
        for path, former in zip(present, opened, strict=True):
            os.makedirs(os.path.dirname(path), exist_ok=True)
            _show(former, path, is_folder=stat.S_ISDIR(os.stat(former).st_mode))


def _show(what: str, place: str, *, is_folder: bool) -> None:
    if is_folder:
        os.makedirs(place, exist_ok=True)
    else:
        os.close(os.open(place, os.O_CREAT, 0o600))
    _mount(what, place, None, MS_BIND | MS_REC)


class _Opened:
    """Paths that still lead to the same files when something is mounted over them."""

    def __init__(self, paths: Sequence[str]) -> None:
        self._files = [os.open(path, os.O_PATH | os.O_CLOEXEC) for path in paths]

    def __enter__(self) -> list[str]:
        return [f"/proc/self/fd/{file}" for file in self._files]

    def __exit__(self, *error: object) -> None:
        for file in self._files:
            os.close(file)


def _drop_capabilities() -> None:
    """Give up what the namespace's owner may do in it: files are as protected as elsewhere."""
    header = (ctypes.c_uint32 * 2)(CAPABILITY_VERSION_3, 0)
    _call("capset", header, (ctypes.c_uint32 * 6)())


def _mount(
    source: str | None, place: str, kind: str | None, flags: int, options: str | None = None
) -> None:
    words = [None if word is None else word.encode() for word in (source, place, kind)]
    _call("mount", *words, ctypes.c_ulong(flags), options.encode() if options else None)


def _call(name: str, *arguments: object) -> None:
    if getattr(LIBC, name)(*arguments):
        number = ctypes.get_errno()
        raise OSError(number, f"{name}: {os.strerror(number)}")


def _write(file: str, text: str) -> None:
    with open(file, "w") as opened:
        opened.write(text)


def try_out(spare: str) -> None:
    """Do all that a function's process needs.

    Raises:
        OSError: this machine does not allow it.
    """
    enter_namespace()
    if not build(World(spare, opt=[spare], tmp=spare)):
        raise OSError("folders cannot be merged")


if __name__ == "__main__":
    try:
        try_out(sys.argv[1])
    except OSError as problem:
        sys.exit(f"{problem}")
