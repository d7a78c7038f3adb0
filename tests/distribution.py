"""Which process runs which tests, and in which order: those that share what is slow to start stay
together, and those that take longest start first."""

from fnmatch import fnmatchcase

from xdist.scheduler import LoadScopeScheduling  # type: ignore[import-untyped]
from xdist.workermanage import WorkerController  # type: ignore[import-untyped]

# Modules whose tests share what each process would start anew, by what that is.
TOGETHER = {
    "the product in a browser": ("tests/browser/*",),
    "the product without limits": tuple(
        f"tests/catalogue/test_{name}.py" for name in ("schema", "tabs")
    ),
    "the product": ("tests/e2e/*",),
    "RabbitMQ": (
        "tests/integration/test_hanging_servers.py",
        "tests/integration/test_rabbitmq_broker.py",
        "tests/integration/test_worker.py",
    ),
}
# But for these, which start products of their own.
ALONE = tuple(f"tests/e2e/test_{name}.py" for name in ("hanging_servers", "life", "saves"))
# One that began near the end would run alone while the other processes have nothing left to do.
FIRST = (
    "the product",
    "the product in a browser",
    "RabbitMQ",
    "the product without limits",
    *ALONE,
    "tests/emulator/test_up.py",
    "tests/catalogue/test_access.py",
    "tests/catalogue/test_logs.py",
)


def scope_of(nodeid: str) -> str:
    """What runs in one process with this test: its module, or those that belong together."""
    file, _, _ = nodeid.partition("::")
    for scope, patterns in TOGETHER.items():
        if file not in ALONE and any(fnmatchcase(file, pattern) for pattern in patterns):
            return scope
    return file


class ByWhatStarts(LoadScopeScheduling):  # type: ignore[misc]
    def _split_scope(self, nodeid: str) -> str:
        return scope_of(nodeid)

    def _assign_work_unit(self, node: WorkerController) -> None:
        longest = next((scope for scope in FIRST if scope in self.workqueue), None)
        if longest is not None:
            self.workqueue.move_to_end(longest, last=False)
        super()._assign_work_unit(node)
