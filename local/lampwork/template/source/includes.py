"""https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/transform-aws-include.html"""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

TRANSFORM: Final = "Fn::Transform"


class Includes:
    """Replaces each AWS::Include of a local file by the content of the file.

    `files` are those it has read. A file in S3 stays as it is written.
    """

    def __init__(self, folder: Path, read: Callable[[Path], dict[str, Any]]) -> None:
        self.files: list[Path] = []
        self._folder = folder
        self._read = read

    def expand(self, value: object) -> Any:
        """A part of a template, with the content of the files that it includes.

        Raises:
            TemplateError: a file does not exist, or is not a mapping.
        """
        if isinstance(value, list):
            return [self.expand(each) for each in value]
        if not isinstance(value, dict):
            return value
        expanded = {key: self.expand(each) for key, each in value.items() if key != TRANSFORM}
        if TRANSFORM in value:
            expanded |= self._included(value[TRANSFORM])
        return expanded

    def _included(self, transform: object) -> dict[str, Any]:
        match transform:
            case {"Name": "AWS::Include", "Parameters": {"Location": str(location)}} if (
                "://" not in location
            ):
                file = self._folder / location
                self.files.append(file)
                return self._read(file)
        return {TRANSFORM: transform}
