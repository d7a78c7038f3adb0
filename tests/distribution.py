"""Which process runs which tests: those that share what is slow to start stay together."""

from pathlib import PurePosixPath

from xdist.scheduler import LoadScopeScheduling  # type: ignore[import-untyped]

# The tests of these folders use one running product, but for those modules that start their own.
WITH_A_PRODUCT = frozenset({"tests/browser", "tests/catalogue", "tests/e2e"})
WITH_THEIR_OWN = frozenset(
    f"tests/e2e/test_{name}.py"
    for name in ("asgi", "hanging_servers", "life", "saves", "workers_killed")
)


class ByWhatStarts(LoadScopeScheduling):  # type: ignore[misc]
    """A module's tests run in one process, and so do those of some folders."""

    def _split_scope(self, nodeid: str) -> str:
        file, _, _ = nodeid.partition("::")
        folder = str(PurePosixPath(file).parent)
        return folder if folder in WITH_A_PRODUCT and file not in WITH_THEIR_OWN else file
