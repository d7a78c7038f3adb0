import copy
import hashlib
import importlib.metadata
import json
import logging
import os
import re
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, Protocol
from urllib.parse import quote, unquote

from lampwork.errors import TemplateError
from lampwork.template.source.document import Document
from lampwork.template.source.syntax import read_content
from lampwork.template.source.values import Section


class Resolve(Protocol):
    """As `Resolver.resolve`."""

    def __call__(self, value: object, *, of: str, property: str = "") -> Any: ...


# Stands for a local folder, which only `sam package` would turn into an object in S3.
LOCAL_BUCKET: Final = "lampwork-local"
UNBUILT_IMAGE: Final = f"{LOCAL_BUCKET}:unbuilt"
LOCAL_FILES: Final = {
    "AWS::Serverless::Function": "CodeUri",
    "AWS::Serverless::LayerVersion": "ContentUri",
    "AWS::Serverless::StateMachine": "DefinitionUri",
}
CODE: Final = {"AWS::Lambda::Function": "Code", "AWS::Lambda::LayerVersion": "Content"}
STATE_MACHINE: Final = "AWS::StepFunctions::StateMachine"
APIS: Final = ("AWS::Serverless::Api", "AWS::Serverless::HttpApi")
PATHS: Final = {**LOCAL_FILES, **CODE, **dict.fromkeys(APIS, "DefinitionUri")}
INTRINSIC: Final = ("Ref", "Fn::Sub", "Fn::FindInMap", "Fn::If", "Fn::Join", "Fn::Select")
KEPT_RESULTS: Final = 50  # a project may have many nested templates


def transform(
    document: Document,
    *,
    resolve: Resolve,
    parameters: Mapping[str, object],
    region: str,
    cache_dir: Path,
) -> dict[str, Any]:
    """The CloudFormation template that SAM makes of a document, without any network.

    A template without SAM's transform comes back as it is. Local code appears in the result as an
    object in a bucket that does not exist: `local_path` returns its path. Results are kept in
    `cache_dir`, since SAM's translator takes half a second to load.

    Args:
        resolve: gives the intrinsic functions their values in the path of a local folder or file,
            which SAM's translator takes as text alone, and `sam build` as any.

    Raises:
        TemplateError: SAM refuses the template; holds all its reasons with their lines.
    """
    content = _with_local_files(document, resolve)
    if not document.is_sam:
        return content
    cached = cache_dir / f"sam-{_fingerprint(content, parameters, region)}.json"
    with suppress(FileNotFoundError):
        return json.loads(cached.read_bytes())  # type: ignore[no-any-return]
    result = json.dumps(_translate(document, content, parameters, region))
    _keep(cached, result)
    return json.loads(result)  # type: ignore[no-any-return]


def local_path(code: Section) -> str | None:
    """The path that `Code` had in the template; None where it was not a local path."""
    if code.get("S3Bucket") == LOCAL_BUCKET:
        return unquote(code.required("S3Key"))
    return None


def _with_local_files(document: Document, resolve: Resolve) -> dict[str, Any]:
    content = copy.deepcopy(document.content)
    common = content["Globals"].get("Function", {})
    _resolve_path(common, "CodeUri", resolve, "Globals")
    _mark_local(common, "CodeUri")
    for logical_id, resource in content["Resources"].items():
        properties = resource.setdefault("Properties", {})
        if resource["Type"] in PATHS:
            _resolve_path(properties, PATHS[resource["Type"]], resolve, logical_id)
        if resource["Type"] == "AWS::Serverless::Function" and not _has_code(properties, common):
            # `sam build` takes the same default, and makes and names an image.
            is_image = {**common, **properties}.get("PackageType") == "Image"
            properties |= {"ImageUri": UNBUILT_IMAGE} if is_image else {"CodeUri": "."}
        if resource["Type"] in LOCAL_FILES:
            _mark_local(properties, LOCAL_FILES[resource["Type"]])
        if key := CODE.get(resource["Type"]):
            path = _asset(resource) or properties.get(key)
            if isinstance(path, str):
                properties[key] = {"S3Bucket": LOCAL_BUCKET, "S3Key": quote(path, "")}
        if resource["Type"] == STATE_MACHINE:
            path = _asset(resource) or properties.get("DefinitionS3Location")
            if isinstance(path, str) and not path.startswith("s3://"):
                properties["DefinitionS3Location"] = {
                    "Bucket": LOCAL_BUCKET,
                    "Key": quote(path, ""),
                }
        if resource["Type"] in APIS:
            _include_definition(properties, document)
        if resource["Type"] == "AWS::Serverless::Application":
            # SAM would ask AWS for the application's template; to the emulator it is one opaque
            # resource in either form.
            resource["Type"] = "AWS::CloudFormation::Stack"
    return content


def _resolve_path(properties: dict[str, Any], key: str, resolve: Resolve, of: str) -> None:
    path = properties.get(key)
    if isinstance(path, dict) and len(path) == 1 and next(iter(path)) in INTRINSIC:
        properties[key] = resolve(path, of=of, property=key)


def _asset(resource: Mapping[str, object]) -> str | None:
    """Where the CDK puts code that its template names as an object of its own bucket.

    https://docs.aws.amazon.com/cdk/api/v2/docs/aws-cdk-lib.aws_s3_assets-readme.html
    """
    metadata = resource.get("Metadata")
    path = metadata.get("aws:asset:path") if isinstance(metadata, Mapping) else None
    return path if isinstance(path, str) else None


def _has_code(*properties: Mapping[str, object]) -> bool:
    return any(key in each for each in properties for key in ("CodeUri", "InlineCode", "ImageUri"))


def _mark_local(properties: dict[str, Any], key: str) -> None:
    path = properties.get(key)
    if isinstance(path, str) and not path.startswith("s3://"):
        properties[key] = f"s3://{LOCAL_BUCKET}/{quote(path, '')}"


def _include_definition(properties: dict[str, Any], document: Document) -> None:
    path = properties.get("DefinitionUri")
    if isinstance(path, str) and not path.startswith("s3://"):
        del properties["DefinitionUri"]
        file = document.path.parent / path
        document.files.append(file)
        properties["DefinitionBody"] = read_content(file, document.warnings.append)


def _fingerprint(
    content: Mapping[str, object], parameters: Mapping[str, object], region: str
) -> str:
    version = importlib.metadata.version("aws-sam-translator")
    # Not sorted: the order of resources and routes is part of the result.
    text = json.dumps([version, region, dict(parameters), content])
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def _translate(
    document: Document, content: dict[str, Any], parameters: Mapping[str, object], region: str
) -> dict[str, Any]:
    # Imported only where no result is kept, since they take half a second to load.
    from boto3.session import Session
    from samtranslator.metrics.metrics import DummyMetricsPublisher, Metrics
    from samtranslator.model.exceptions import ExceptionWithMessage, InvalidDocumentException
    from samtranslator.parser.parser import Parser
    from samtranslator.translator.translator import Translator

    # It warns of features that only AWS itself can switch on, and logs what it also raises.
    logging.getLogger("samtranslator").setLevel(logging.CRITICAL)
    # The map of managed policies is empty, so it does not ask IAM; the emulator checks no policy.
    session = Session(region_name=region)
    metrics = Metrics("ServerlessTransform", DummyMetricsPublisher())
    translator = Translator({}, Parser(), boto_session=session, metrics=metrics)
    try:
        return translator.translate(content, dict(parameters))  # type: ignore[no-any-return]
    except InvalidDocumentException as error:
        raise TemplateError("\n".join(_reasons(document, error.causes))) from error
    except ExceptionWithMessage as error:
        raise TemplateError("\n".join(_reasons(document, [error]))) from error
    except (
        ArithmeticError,
        AttributeError,
        LookupError,
        RuntimeError,
        TypeError,
        ValueError,
    ) as error:
        # The translator does not check everything that it relies on.
        raise TemplateError(
            f"{document.path}: SAM cannot transform this template: {error!r}."
            " `sam validate --lint` may say more."
        ) from error
    finally:
        metrics.publish()  # to nobody; otherwise it warns about metrics that it has not sent


def _reasons(document: Document, causes: Iterable[Any]) -> Iterator[str]:
    for cause in causes:
        named = re.search(r"id \[(\w+)\]", cause.message)
        property = re.search(r"\b[Pp]roperty '?(\w+)", cause.message)
        where = (named[1] if named else "", property[1] if property else "")
        yield str(document.error(where[0], cause.message, where[1]))


def _keep(file: Path, result: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile("w", dir=file.parent, suffix=".tmp", delete=False) as draft:
        draft.write(result)
    os.replace(draft.name, file)
    by_age = sorted(file.parent.glob("sam-*.json"), key=_modified, reverse=True)
    for old in by_age[KEPT_RESULTS:]:
        old.unlink(missing_ok=True)


def _modified(file: Path) -> float:
    try:
        return file.stat().st_mtime
    except FileNotFoundError:  # another process has just removed it
        return 0
