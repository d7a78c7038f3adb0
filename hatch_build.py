"""Build hook: the `dev` extra is requirements/dev.in plus what the emulator in local/ asks for."""

import tomllib
from pathlib import Path
from typing import Any

from hatchling.metadata.plugin.interface import MetadataHookInterface


class DevExtra(MetadataHookInterface):
    def update(self, metadata: dict[str, Any]) -> None:
        root = Path(self.root)
        listed = (root / "requirements" / "dev.in").read_text().splitlines()
        emulator = tomllib.loads((root / "local" / "pyproject.toml").read_text())
        metadata["optional-dependencies"] = {
            "dev": [
                *(line for line in listed if line and not line.startswith("#")),
                *emulator["project"]["dependencies"],
            ]
        }
