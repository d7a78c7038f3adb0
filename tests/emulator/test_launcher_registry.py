"""What is loaded ahead of the first request."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from lampwork.runtime.launcher_registry import LauncherRegistry
from lampwork.runtime.preloading.import_plan import ImportScanner, Step
from lampwork.runtime.settings import RuntimeSettings
from tests.emulator.runtime_fixtures import function


class Scanner(ImportScanner):
    """Remembers what it was asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.scanned: list[str] = []

    def steps(self, handler: str, *places: Any) -> tuple[Step, ...]:
        self.scanned.append(handler)
        return super().steps(handler, *places)


async def test_a_function_is_read_once_however_many_aliases_and_versions_it_has(
    tmp_path: Path,
) -> None:
    scanner = Scanner()
    registry = LauncherRegistry(RuntimeSettings(data_dir=tmp_path / ".data"), scanner)
    plain = function(tmp_path, "import json\n\ndef handler(event, context): ...")
    called = replace(plain, qualifiers={"1": "1", "live": "1"}).qualified("live")
    for each in (called, called.qualified(None), called.qualified("1")):
        registry.launcher_for(each)

    try:
        await registry.start([called])
        await registry.preload([called])
    finally:
        await registry.stop()

    assert scanner.scanned == ["app.handler"]
