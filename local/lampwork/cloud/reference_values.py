"""Finds the values of CloudFormation's dynamic references.

https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/dynamic-references.html
"""

import json
from collections.abc import Iterable

from botocore.exceptions import ClientError

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
    except ClientError:
        return None
    value: str = answer["Parameter"]["Value"]
    return value


def _secret(manager: Client, rest: str) -> str | None:
    parts = rest.split(":")
    id_parts = 7 if rest.startswith("arn:") else 1
    secret_id, options = ":".join(parts[:id_parts]), parts[id_parts:]
    _, key, stage, version = (*options, "", "", "", "")[:4]
    chosen = {"VersionStage": stage} if stage else {"VersionId": version} if version else {}
    value: str = manager.get_secret_value(SecretId=secret_id, **chosen)["SecretString"]
    if not key:
        return value
    found = json.loads(value).get(key)
    return None if found is None else str(found)
