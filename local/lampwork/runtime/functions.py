import asyncio
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace

from lampwork.errors import FunctionNotFound, LampworkError, RecursiveInvocation, TenantMissing
from lampwork.events.trace_lineage import MOST_INVOCATIONS, earlier_invocations
from lampwork.invocation import cause
from lampwork.invocation.answer_stream import AnswerStream
from lampwork.invocation.port import Invocation
from lampwork.metrics.metrics import Metrics
from lampwork.metrics.readings import Reading
from lampwork.runtime.admission.capacity import Capacity
from lampwork.runtime.launcher_registry import LauncherRegistry
from lampwork.runtime.pool import EnvironmentReport, Pool
from lampwork.runtime.settings import RuntimeSettings
from lampwork.runtime.temporary_folders import TemporaryFolders
from lampwork.runtime.world.places import outer_links
from lampwork.stack.function_names import (
    TENANT,
    FunctionNames,
    invocation_name,
    invoked_as,
    tenant_name,
)
from lampwork.stack.model import LATEST, Function

MEMORY_CHECK_SECONDS = 0.1


class Functions:
    """Runs a template's functions, each in processes of its own, under AWS's runtime client. Each
    alias and version of a function also has its own.

    `on_log` is called with the function, each line of its log as it comes, and the id of the
    request that the line belongs to ("" for none).
    """

    def __init__(
        self,
        functions: Mapping[str, Function],
        settings: RuntimeSettings,
        on_log: Callable[[Function, str, str], None],
        metrics: Metrics | None = None,
    ) -> None:
        self._functions = functions
        self._settings = settings
        self._on_log = on_log
        self._metrics = metrics or Metrics()
        self._metrics.watch(
            "environments", "Execution environments.", ("function", "state"), self._environments
        )
        self._capacity = Capacity(settings.max_environments, settings.grow_after_ms / 1000)
        self._pools: dict[str, Pool] = {}
        self._launchers = LauncherRegistry(settings)
        self._folders = TemporaryFolders(settings.temporary_dir)
        self._housekeeping: asyncio.Task[None] | None = None

    @property
    def served(self) -> Mapping[str, Function]:
        """The functions with whole paths, as their processes need them, by their logical ids."""
        return self._functions

    async def start(self) -> None:
        """Be ready for requests. A function itself starts with its first one.

        Raises:
            StartError: no process can be started.
        """
        self._settings.bytecode_dir.mkdir(parents=True, exist_ok=True)
        await self._folders.open()
        self.refresh(self._functions)
        self._housekeeping = asyncio.create_task(self._housekeep())
        await self._launchers.start(self._functions.values())

    async def preload(self) -> None:
        """Load the packages that functions share, for which their variables should be known.

        Functions can be invoked meanwhile.
        """
        await self._launchers.preload(self._functions.values())

    async def stop(self) -> None:
        """End all processes; requests under way have `stop_seconds` to finish."""
        if self._housekeeping:  # there is none where the start did not come so far
            self._housekeeping.cancel()
        closing = [pool.close(self._settings.stop_seconds) for pool in self._pools.values()]
        await asyncio.gather(*closing)
        await self._launchers.stop()
        await self._folders.close()

    async def reload(self, functions: Mapping[str, Function]) -> None:
        """Serve further requests with these functions and their present code.

        Requests under way finish with the old code. Returns once packages that functions share are
        loaded; functions can be invoked meanwhile.
        """
        kept = {name for name, _ in _variants(functions)}
        gone = [self._pools.pop(name) for name in self._pools.keys() - kept]
        self.refresh(functions)
        await asyncio.gather(*(pool.close(self._settings.stop_seconds) for pool in gone))
        await self.preload()

    def report(self) -> Iterator[EnvironmentReport]:
        """The environments of all functions."""
        for pool in list(self._pools.values()):
            yield from pool.report()

    def recycle(self, function: str | None = None) -> bool:
        """Run further requests of this function, or of all, in new environments. Returns whether
        there was an environment. Requests under way finish."""
        pools = [
            pool
            for pool in self._pools.values()
            if pool.size and function in (None, pool.function.logical_id)
        ]
        for pool in pools:
            pool.recycle(pool.function, self._launchers.launcher_for(pool.function))
        return bool(pools)

    async def invoke(
        self,
        function: str,
        payload: bytes,
        *,
        client_context: str | None = None,
        request_id: str | None = None,
        trace_header: str | None = None,
        stream: AnswerStream | None = None,
        on_begin: Callable[[], None] | None = None,
    ) -> Invocation:
        """As `Invoker.invoke`."""
        pool = self._pools.get(function) or self._pool_by_name(function)
        if pool is None:
            raise FunctionNotFound(f"Function not found: {function}")
        try:
            if trace_header is not None:
                _refuse_recursion(pool.function, trace_header)
            return await pool.invoke(
                payload, client_context, request_id, trace_header, stream, on_begin
            )
        except LampworkError as error:
            self._settings.recorder.refused(
                pool.function, payload, trace_header, cause.present(), error
            )
            raise

    def restart(self, logical_id: str) -> None:
        """Run a function's further requests in new environments, as after a time-out."""
        for pool in self._pools.values():
            if pool.function.logical_id == logical_id:
                pool.recycle(pool.function, self._launchers.launcher_for(pool.function))

    def refresh(self, functions: Mapping[str, Function]) -> None:
        """Serve further requests with the present code of these functions, which are known by their
        names. `preload` should follow: it makes their starts quick again."""
        # Functions' processes have other working directories, so paths must be absolute.
        folders = {each.code_dir: each.code_dir.resolve() for each in functions.values()}
        layers = {layer for each in functions.values() for layer in each.layers}
        mounts = self._settings.lambda_paths
        links = {
            folder: outer_links(folder) if mounts else {} for folder in {*folders.values(), *layers}
        }
        self._functions = {
            logical_id: replace(
                function,
                code_dir=folders[function.code_dir],
                outer_links=links[folders[function.code_dir]],
                linked=tuple(
                    target
                    for folder in (folders[function.code_dir], *function.layers)
                    for target in links[folder].values()
                ),
            )
            for logical_id, function in functions.items()
        }
        self._isolating: dict[str, Function] = {}
        for name, function in _variants(self._functions):
            if function.isolates_tenants:
                self._isolating[name] = function
            elif pool := self._pools.get(name):
                pool.recycle(function, self._launchers.launcher_for(function))
            else:
                self._pools[name] = self._pool(function)
        self._names = FunctionNames(self._functions)

    def _pool_by_name(self, name: str) -> Pool | None:
        name, _, tenant = name.partition(TENANT)
        function = self._names.called(name)
        if function is None:
            return None
        known = invoked_as(name, function)
        if function.isolates_tenants:
            return self._pool_of_tenant(known, tenant)
        return self._pools.get(known) or self._pools[function.logical_id]

    def _pool_of_tenant(self, name: str, tenant: str) -> Pool:
        """Made with the tenant's first request.

        https://docs.aws.amazon.com/lambda/latest/dg/tenant-isolation.html
        """
        if not tenant:
            raise TenantMissing(f"{name} isolates tenants: an invocation must name one.")
        key = tenant_name(name, tenant)
        if key not in self._pools:
            self._pools[key] = self._pool(replace(self._isolating[name], tenant=tenant))
        return self._pools[key]

    def _pool(self, function: Function) -> Pool:
        launcher = self._launchers.launcher_for(function)
        return Pool(
            function,
            launcher,
            self._settings,
            self._capacity,
            self._folders,
            self._on_log,
            self._metrics,
        )

    def _environments(self) -> Iterator[Reading]:
        for logical_id, pool in self._pools.items():
            for state, number in pool.count_by_state().items():
                yield (logical_id, state.name.lower()), number

    async def _housekeep(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(MEMORY_CHECK_SECONDS)
            now = loop.time()
            for pool in self._pools.values():
                if not pool.size:
                    continue
                pool.end_idle(
                    now - self._settings.idle_seconds,
                    surplus_before=now - self._settings.surplus_idle_seconds,
                )
                if self._settings.enforce_memory:
                    pool.check_memory()


def _refuse_recursion(function: Function, trace_header: str) -> None:
    if function.may_recur:
        return
    if earlier_invocations(trace_header, function.arn) >= MOST_INVOCATIONS:
        raise RecursiveInvocation(
            f"{function.name} was invoked {MOST_INVOCATIONS} times in one chain of requests, which"
            " Lambda takes for a loop and stops. Give it `RecursiveLoop: Allow` if it is wanted."
        )


def _variants(functions: Mapping[str, Function]) -> Iterator[tuple[str, Function]]:
    """Each function as its callers may name it: by its logical id alone, as gateways and triggers
    do, and with each other alias or version."""
    for logical_id, function in functions.items():
        yield logical_id, function
        for qualifier in (LATEST, *function.qualifiers):
            name = invocation_name(function, qualifier)
            if name != logical_id:
                yield name, function.qualified(None if qualifier == LATEST else qualifier)
