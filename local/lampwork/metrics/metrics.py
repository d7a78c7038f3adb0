import asyncio
from collections.abc import Awaitable, Callable, Collection, Iterable
from functools import cached_property
from typing import TYPE_CHECKING

from lampwork.invocation.port import Invocation
from lampwork.metrics.embedded import EmbeddedMetrics
from lampwork.metrics.readings import Reading, Watched

if TYPE_CHECKING:
    from lampwork.metrics.figures import Figures


class Metrics:
    """What the emulator counts and the metrics that its functions print, for Prometheus."""

    def __init__(self) -> None:
        self._watched: list[Watched] = []
        self._refreshers: list[Callable[[], Awaitable[None]]] = []
        self.embedded = EmbeddedMetrics(self._own_names)

    def invoked(self, function: str, invocation: Invocation) -> None:
        figures = self._figures
        figures.invocations(function).inc()
        figures.durations(function).observe(invocation.duration_ms / 1000)
        if invocation.function_error is not None:
            figures.errors(function).inc()
        if invocation.init_ms is not None:
            figures.cold_starts(function).inc()
            figures.inits(function).observe(invocation.init_ms / 1000)

    def throttled(self, function: str, reason: str) -> None:
        self._figures.throttles(function, reason).inc()

    def answered(self, method: str, route: str, status: int, seconds: float) -> None:
        """`route` is the template's route, never the path, whose values have no limit."""
        self._figures.requests(method, route, status).inc()
        self._figures.request_durations(route).observe(seconds)

    def watch(
        self,
        name: str,
        description: str,
        labels: tuple[str, ...],
        read: Callable[[], Iterable[Reading]],
        *,
        counts: bool = False,
    ) -> None:
        """Expose what `read` returns at each scrape: a gauge or, with `counts`, a counter."""
        self._watched.append(Watched(name, description, labels, read, counts))

    def refresh_with(self, refresh: Callable[[], Awaitable[None]]) -> None:
        """Await `refresh` before each scrape, for readings that need I/O."""
        self._refreshers.append(refresh)

    async def expose(self) -> bytes:
        """All metrics in Prometheus' text format 0.0.4."""
        await asyncio.gather(*(refresh() for refresh in self._refreshers))
        return self._figures.text()

    @cached_property
    def _figures(self) -> "Figures":
        # With the first figure: until then, the emulator would start later for it.
        from lampwork.metrics.figures import Figures

        return Figures(self.embedded, self._watched)

    def _own_names(self) -> Collection[str]:
        return self._figures.names
