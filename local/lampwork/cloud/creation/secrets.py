import json
from collections.abc import Mapping
from typing import Any, Final

from lampwork.cloud.creation.made import Made
from lampwork.cloud.in_process import Client, Clients
from lampwork.stack.model import CloudResource

# These options of CloudFormation's GenerateSecretString have the same names in GetRandomPassword.
PASSWORD: Final = (
    *("ExcludeCharacters", "ExcludeLowercase", "ExcludeNumbers", "ExcludePunctuation"),
    *("ExcludeUppercase", "IncludeSpace", "PasswordLength", "RequireEachIncludedType"),
)


def put_parameter(clients: Clients, resource: CloudResource) -> Made:
    properties = resource.properties
    clients("ssm").put_parameter(
        Name=resource.name,
        Type=properties.get("Type", "String"),
        Value=str(properties["Value"]),
        Overwrite=True,
    )
    return {}


def create_secret(clients: Clients, resource: CloudResource) -> Made:
    """Create a secret, or give an existing one the value in the template.

    An existing secret keeps its value if the template does not give one.
    """
    manager, name, properties = clients("secretsmanager"), resource.name, resource.properties
    exists = name in _names(manager)
    given = properties.get("SecretString")
    if not exists:
        value = given if given is not None else _generated(manager, properties)
        manager.create_secret(Name=name, SecretString=value)
    elif given is not None:
        manager.put_secret_value(SecretId=name, SecretString=given)
    return {}


def _names(manager: Client) -> set[str]:
    pages = manager.get_paginator("list_secrets").paginate()
    return {secret["Name"] for page in pages for secret in page["SecretList"]}


def _generated(manager: Client, properties: Mapping[str, Any]) -> str:
    wanted = properties.get("GenerateSecretString", {})
    options = {name: wanted[name] for name in PASSWORD if name in wanted}
    password: str = manager.get_random_password(**options)["RandomPassword"]
    if key := wanted.get("GenerateStringKey"):
        return json.dumps({**json.loads(wanted["SecretStringTemplate"]), key: password})
    return password
