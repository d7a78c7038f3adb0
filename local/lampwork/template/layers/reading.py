from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from lampwork.template.code import code_folder, requirements_folder
from lampwork.template.language.intrinsics import MissingExport
from lampwork.template.language.transform import local_path
from lampwork.template.layers.account_layers import (
    Packages,
    ParametersAndSecrets,
    Unneeded,
    WebAdapter,
    account_layer,
)
from lampwork.template.resource import Resource, Template

UNBUILT: Final = "functions run without it; install what its makefile would put into it"


@dataclass(frozen=True, slots=True)
class Layers:
    """A function's layers: their folders, in the template's order; those of them whose content
    `sam build` would put below `python`; whether one is the Lambda Web Adapter, and one AWS's
    server of parameters and secrets; and whether one is missing here, with what it would bring."""

    folders: tuple[Path, ...] = ()
    sources: frozenset[Path] = frozenset()
    web_adapter: bool = False
    secrets_extension: bool = False
    incomplete: bool = False


def read_layers(resource: Resource) -> Layers:
    """The layers of a function, as far as they are here; the others are named."""
    found: dict[Path, bool] = {}
    web_adapter = secrets_extension = incomplete = False
    for named in _named(resource):
        layer = _layer(resource.template, named)
        match account_layer(named) if layer is None else layer:
            case Packages() as packages:
                if not packages.are_present:
                    found[requirements_folder(resource, packages.requirements)] = True
            case WebAdapter():
                web_adapter = True
            case ParametersAndSecrets():
                secrets_extension = True
            case Unneeded(reason):
                resource.ignore(f"layer {named}", f"{reason}; the function runs without it")
                incomplete = True
            case None:
                resource.ignore(
                    f"layer {named}",
                    "it is not in this template; install its packages where Lampwork is",
                )
                incomplete = True
            case Resource() as own:
                found.update(_own(own))
    return Layers(
        folders=tuple(found),
        sources=frozenset(folder for folder, is_source in found.items() if is_source),
        web_adapter=web_adapter,
        secrets_extension=secrets_extension,
        incomplete=incomplete,
    )


def _named(resource: Resource) -> tuple[str, ...]:
    try:
        return tuple(resource.texts("Layers"))
    except MissingExport as error:
        resource.ignore("Layers", error.reason)
        return ()


def _own(layer: Resource) -> Iterator[tuple[Path, bool]]:
    """The folder of a layer of the template, and whether its content belongs below `python`."""
    method = _build_method(layer)
    path = local_path(layer.section("Content"))
    by_others = method is not None and not method.startswith("python")
    if by_others and (path is None or not _is_built(code_folder(layer, path, "ContentUri"))):
        # A function says at its first request what it misses.
        layer.ignore(f"BuildMethod {method}", UNBUILT, harmless=True)
        return
    if path is None:
        layer.ignore(layer.written_type, "its content is not in a local folder")
        return
    folder = code_folder(layer, path, "ContentUri")
    yield folder, method is not None and not _is_built(folder)


def _is_built(folder: Path) -> bool:
    """Whether `sam build` made the folder. Its template keeps the metadata, and it writes what it
    has built into a file beside the folder that holds everything.
    https://docs.aws.amazon.com/serverless-application-model/latest/developerguide/serverless-sam-cli-using-build.html
    """
    return (folder.parent.parent / "build.toml").is_file()


def _layer(template: Template, named: str) -> Resource | None:
    for layer in template.of_type("AWS::Lambda::LayerVersion"):
        if layer.identity.reference == named:
            return layer
    return None


def _build_method(layer: Resource) -> str | None:
    """https://docs.aws.amazon.com/serverless-application-model/latest/developerguide/building-layers.html

    What a makefile puts into a layer are mostly packages; at home they are installed.
    """
    return layer.metadata.scalar("BuildMethod")
