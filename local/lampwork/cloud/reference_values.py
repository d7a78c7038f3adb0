"""Finds the values of CloudFormation's dynamic references.

https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/dynamic-references.html
"""

import json
from collections.abc import Iterable

from botocore.exceptions import ClientError, ParamValidationError

from lampwork.cloud.in_process import Client, Clients


def resolve(references: Iterable[str], clients: Clients) -> dict[str, str | None]:
    """The value of each reference.

    A reference looks like `ssm:name` or `secretsmanager:id:SecretString:key`. Its value is None if
    the parameter, the secret or the key does not exist.
    """
    return {reference: _value(reference, clients) for reference in references}


def _value(reference: str, clients: Clients) -> str | None:
    service, _, rest = reference.partition(":")
    try:
        if service == "secretsmanager":
            return _secret(clients("secretsmanager"), rest)
        answer = clients("ssm").get_parameter(Name=rest, WithDecryption=True)
    except (ClientError, ParamValidationError):
        return None
    value: str = answer["Parameter"]["Value"]
    return value


def _secret(manager: Client, rest: str) -> str | None:
    parts = rest.split(":")
    id_parts = 7 if rest.startswith("arn:") else 1
    secret_id, options = ":".join(parts[:id_parts]), parts[id_parts:]
    _, key, stage, version = (*options, "", "", "", "")[:4]
    chosen = {"VersionStage": stage} if stage else {"VersionId": version} if version else {}
    answer = manager.get_secret_value(SecretId=secret_id, **chosen)
    value: str | None = answer.get("SecretString")  # a secret may be bytes
    return _member(value, key) if value is not None and key else value


def _member(text: str, key: str) -> str | None:
    """A member of a JSON object; None where the text is no such object, or lacks the member."""
    try:
        values = json.loads(text)
    except ValueError:
        return None
    found = values.get(key) if isinstance(values, dict) else None
    return None if found is None else str(found)
