from dataclasses import dataclass
from pathlib import Path
from typing import Final


@dataclass(frozen=True, slots=True)
class FrontOptions:
    """How `lampwork start-api` departs from AWS, as `sam local start-api` does.

    With `stage_optional`, routes of REST APIs answer without their stage too. The files in
    `static_dir` are served where no route is. `certificate` holds the files of a certificate and
    its key, in place of Lampwork's own.
    """

    stage_optional: bool = False
    static_dir: Path | None = None
    certificate: tuple[Path, Path] | None = None


AS_ON_AWS: Final = FrontOptions()
