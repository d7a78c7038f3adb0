"""Which programs a function's layers bring as extensions."""

from pathlib import Path

from lampwork.stack.model import Function

FOLDER = "extensions"


def extension_files(function: Function) -> dict[str, Path]:
    """The files in /opt/extensions by name; of layers with the same name the last one wins.

    https://docs.aws.amazon.com/lambda/latest/dg/extensions-configuration.html
    """
    found: dict[str, Path] = {}
    for layer in function.layers:
        folder = layer / FOLDER
        if folder.is_dir():
            found.update({each.name: each for each in folder.iterdir() if each.is_file()})
    return dict(sorted(found.items()))
