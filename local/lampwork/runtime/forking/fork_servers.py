import asyncio
import logging
import sys
from collections import Counter
from collections.abc import AsyncIterator, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from lampwork.errors import StartError
from lampwork.interpreters.python import Python
from lampwork.runtime.forking.fork_server_process import ForkServerEnded, ForkServerProcess
from lampwork.runtime.launching.start_variables import read_at_start
from lampwork.runtime.preloading.import_plan import Step
from lampwork.runtime.preloading.loaded import PER_PROCESS, Loaded, World, differing
from lampwork.runtime.preloading.watch import EVERYTHING, WORKING_FOLDER
from lampwork.runtime.world import mounts

logger = logging.getLogger(__name__)

# A package that takes longer is left to the functions, whose init Lambda would end much earlier.
LOADING_SECONDS = 30
# Each keeps what it has loaded in memory; what goes beyond, functions load themselves.
MAX_SERVERS = 32
# A server of what functions share must save the loading of so many modules that they name, for its
# own memory is about that of twenty.
LEAST_GAIN = 25
# Imports that are left to functions, and what each of them looked for.
Left = dict[Step, frozenset[str]]


@dataclass(eq=False, slots=True)
class Server:
    """A fork server, what it has loaded, and the one from which it was forked."""

    process: ForkServerProcess
    loaded: Loaded
    parent: "Server | None" = None


@dataclass(eq=False, slots=True)
class Tree:
    """The servers that began on the same Python with the same variables and options.

    All were forked from `root`, or from one of `servers`. What is `unsafe` no server may load.
    """

    python: Python
    environment: Mapping[str, str]
    options: Mapping[str, Any]
    root: Server | None = None
    servers: list[Server] = field(default_factory=list)
    unsafe: Left = field(default_factory=dict)
    building: asyncio.Lock = field(default_factory=asyncio.Lock)


class ForkServers:
    """Processes that have packages loaded, to fork functions from.

    A function is forked from a server that has loaded some or all of what it imports, nothing
    else, and nothing that would be otherwise if the function itself loaded it. Servers are forked
    from each other, so that they share the memory of what they have in common. They start when
    they are first needed, and again if they have ended.
    """

    def __init__(self) -> None:
        self._trees: dict[tuple[Any, ...], Tree] = {}
        # Those that hold what all functions have in common, and what many have.
        self._common: list[Server] = []
        self._shared: list[Server] = []

    async def server_for(
        self, world: World, unfit: Left, volatile: Collection[str] = PER_PROCESS
    ) -> Server:
        """The server with the most that is right for this function.

        Imports that turn out to be wrong for this function alone are added to `unfit`; those that
        read one of the `volatile` variables are.

        Raises:
            StartError: no server can be started.
        """
        tree = self._tree(world)
        async with tree.building:
            while True:
                root = await self._root(tree)
                wanted = _wanted(world.steps, tree.unsafe | unfit)
                server = await self._nearest(tree, root, world, wanted)
                rest = {step: each for step, each in wanted.items() if not server.loaded.has(step)}
                if not rest or len(tree.servers) >= MAX_SERVERS:
                    return server
                grown = await self._grow(tree, server, rest, world, unfit, volatile)
                if grown is not None:
                    return grown

    async def nearest(self, world: World, unfit: Left) -> Server:
        """Of the servers that run already, the one with the most that is right for this function.

        Raises:
            StartError: no server can be started.
        """
        tree = self._tree(world)
        root = tree.root
        if root is None or not root.process.running:  # waits for what is being loaded
            root = await self._start(tree)
        wanted = _wanted(world.steps, tree.unsafe | unfit)
        return await self._nearest(tree, root, world, wanted)

    @property
    def have_shared(self) -> bool:
        """Whether there are servers of what many functions have in common."""
        return bool(self._shared)

    async def start(self, worlds: Iterable[World]) -> None:
        """Start the servers that have loaded nothing yet.

        Raises:
            StartError: this Python cannot run one.
        """
        trees = {id(tree): tree for tree in map(self._tree, worlds)}
        await asyncio.gather(*map(self._start, trees.values()))

    async def _start(self, tree: Tree) -> Server:
        async with tree.building:
            return await self._root(tree)

    async def share(self, worlds: Sequence[World]) -> None:
        """Load what all functions have in common once, before what each has for itself."""
        loaded = list[Server]()
        for numbers in self._groups(worlds):
            group = [worlds[number] for number in numbers]
            if len(group) > 1 and (common := _common(group)):
                loaded.append(await self._load_shared(group, common))
        self._common = loaded

    async def share_parts(self, worlds: Sequence[World]) -> AsyncIterator[int]:
        """Load what many functions have in common once, and what many of these have, and so on: a
        function is then forked from a server that shares most of its memory with others.

        Yields the number of each function once all is loaded that it shares with others.
        """
        shared = list[Server]()
        for group in self._groups(worlds):
            parts = list(shared_parts([worlds[number].steps for number in group]))
            left = Counter(index for part, _ in parts for index in part)
            for index, number in enumerate(group):
                if not left[index]:
                    yield number
            for part, common in parts:
                shared.append(
                    await self._load_shared([worlds[group[index]] for index in part], common)
                )
                left.subtract(part)
                for index in part:
                    if not left[index]:
                        yield group[index]
        self._shared = shared

    def _groups(self, worlds: Sequence[World]) -> Iterable[list[int]]:
        """The numbers of functions that import something and can share servers."""
        groups: dict[int, list[int]] = {}
        for number, world in enumerate(worlds):
            if world.steps:
                groups.setdefault(id(self._tree(world)), []).append(number)
        return groups.values()

    async def _load_shared(self, group: Sequence[World], common: Sequence[Step]) -> Server:
        environments = [world.environment for world in group]
        own = frozenset[str]().union(*(world.own for world in group))
        volatile = PER_PROCESS | differing(environments)
        if len({world.root for world in group}) > 1:
            volatile = volatile | {WORKING_FOLDER}
        shared = replace(group[0], steps=tuple(common), own=own)
        return await self.server_for(shared, {}, volatile)

    def retire_all_but(self, used: Iterable[Server | None]) -> None:
        """End those from which neither these nor what functions share was forked, once their last
        child has ended."""
        kept: set[int] = set()
        for server in (*used, *self._common, *self._shared):
            ancestor = server
            while ancestor is not None:
                kept.add(id(ancestor))
                ancestor = ancestor.parent
        for tree in self._trees.values():
            for server in [each for each in tree.servers if id(each) not in kept]:
                tree.servers.remove(server)
                server.process.retire()

    async def stop(self) -> None:
        for tree in self._trees.values():
            async with tree.building:
                await asyncio.gather(*(server.process.stop() for server in tree.servers))
                if tree.root is not None:
                    await tree.root.process.stop()

    def _tree(self, world: World) -> Tree:
        variables = read_at_start(world.environment, lambda_paths=world.lambda_paths)
        options = {
            "packages": world.packages,
            "lambda_paths": world.lambda_paths,
            "multiprocessing": world.multiprocessing,
        }
        key = (world.python, *sorted(variables.items()), *options.items())
        return self._trees.setdefault(key, Tree(world.python, variables, options))

    async def _root(self, tree: Tree) -> Server:
        if tree.root is None or not tree.root.process.running:
            process = ForkServerProcess.start(tree.python, tree.environment, tree.options)
            try:
                await process.report()
            except ForkServerEnded as error:
                raise StartError(f"The fork server cannot run on {tree.python.path}.") from error
            except asyncio.CancelledError:
                process.abort()
                raise
            tree.root = Server(process, Loaded(tree.environment))
        tree.servers = [server for server in tree.servers if server.process.running]
        return tree.root

    async def _nearest(self, tree: Tree, root: Server, world: World, wanted: Left) -> Server:
        """Of those that are right for this function, the one that has loaded most."""
        best = root
        for server in tree.servers:
            if (
                len(server.loaded.steps) > len(best.loaded.steps)
                and server.loaded.steps.keys() <= wanted.keys()
                and not any(each & wanted[step] for step, each in server.loaded.steps.items())
                and await asyncio.to_thread(server.loaded.is_right_for, world)
            ):
                best = server
        return best

    async def _grow(
        self,
        tree: Tree,
        parent: Server,
        wanted: Left,
        world: World,
        unfit: Left,
        volatile: Collection[str],
    ) -> Server | None:
        """Fork a server that loads these too. None if they cannot all be loaded, which is noted."""
        steps = list(wanted)
        try:
            process = await parent.process.fork(_load_command(wanted, world, volatile))
        except ForkServerEnded:
            return None
        try:
            async with asyncio.timeout(LOADING_SECONDS):
                report = await process.report()
        except (ForkServerEnded, TimeoutError):
            process.abort()
            step = steps[process.trying]
            _tell(step, "ends its process or takes too long")
            tree.unsafe[step] = frozenset({EVERYTHING})
            return None
        except asyncio.CancelledError:
            process.abort()
            raise
        for number, (reason, is_only_here) in report["unclean"].items():
            step = steps[int(number)]
            _tell(step, reason)
            left = unfit if is_only_here else tree.unsafe
            left[step] = frozenset(report["looked_up"][int(number)])
        if report["unclean"]:
            return None
        if not report["loaded"]:
            parent.loaded.idle.update(wanted)
            return parent
        server = Server(process, parent.loaded.copy(world.environment), parent)
        server.loaded.add(steps, report, world)
        tree.servers.append(server)
        return server


def shared_parts(
    plans: Sequence[Sequence[Step]],
) -> Iterator[tuple[list[int], tuple[Step, ...]]]:
    """Groups of functions, as indices of their imports, with what all of a group import: larger
    groups before those within them. Each saves the loading of as many modules as it can."""
    imports = [frozenset(plan) for plan in plans]
    waiting = [(list(range(len(plans))), frozenset[Step]())]
    while waiting:
        group, known = waiting.pop()
        users: dict[Step, list[int]] = {}
        for number in group:
            for step in imports[number] - known:
                users.setdefault(step, []).append(number)
        parts = {tuple(each) for each in users.values() if len(each) > 1}
        gains = [
            (_modules(_shared(imports, part) - known) * (len(part) - 1), len(part), part)
            for part in parts
        ]
        gain, _, best = max(gains, default=(0, 0, ()))
        if gain < LEAST_GAIN:
            continue
        common = _shared(imports, best)
        yield list(best), tuple(step for step in plans[best[0]] if step in common)
        waiting.append(([number for number in group if number not in best], known))
        waiting.append((list(best), common))


def _shared(imports: Sequence[frozenset[Step]], group: Sequence[int]) -> frozenset[Step]:
    return imports[group[0]].intersection(*(imports[number] for number in group[1:]))


def _modules(steps: Iterable[Step]) -> int:
    """How many modules these imports name. What else they load is known only afterwards."""
    return sum(not step.name for step in steps)


def _common(group: Sequence[World]) -> tuple[Step, ...]:
    common = _shared([frozenset(world.steps) for world in group], range(len(group)))
    return tuple(step for step in group[0].steps if step in common)


def _wanted(steps: Iterable[Step], left: Left) -> Left:
    """What else is to be loaded, each with the names of what must not be loaded before it.

    What a function imports after something that is left to it must not be there before, if both
    have to do with the same packages: what these then load may depend on the order.
    """
    wanted: Left = {}
    avoided = frozenset[str]()
    for step in steps:
        if step in left:
            avoided |= left[step] - sys.stdlib_module_names
        elif EVERYTHING not in avoided and Step(step.module) not in left:
            wanted[step] = avoided
    return wanted


def _load_command(wanted: Left, world: World, volatile: Collection[str]) -> dict[str, Any]:
    return {
        "load": [
            (step.module, step.name, step.aside, sorted(avoided))
            for step, avoided in wanted.items()
        ],
        "world": {
            "environment": dict(world.environment),
            "root": world.root,
            "volatile": sorted(volatile),
            "own": sorted(world.own),
            "packages": mounts.TASK if world.lambda_paths and world.packages else world.packages,
        },
    }


def _tell(step: Step, reason: str) -> None:
    name = f"{step.module}.{step.name}" if step.name else step.module
    logger.debug("%s is not loaded before forking: it %s", name, reason)
