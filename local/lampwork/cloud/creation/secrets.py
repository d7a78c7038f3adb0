import json
from collections.abc import Callable, Mapping
from typing import Any, Final

# GetRandomPassword takes these as CloudFormation's GenerateSecretString has them.
PASSWORD: Final = (
    *("ExcludeCharacters", "ExcludeLowercase", "ExcludeNumbers", "ExcludePunctuation"),
    *("ExcludeUppercase", "IncludeSpace", "PasswordLength", "RequireEachIncludedType"),
)


def put_parameter(clients: Callable[[str], Any], resource: Mapping[str, Any]) -> dict[str, Any]:
    properties = resource["properties"]
    clients("ssm").put_parameter(
        Name=resource["name"],
        Type=properties.get("Type", "String"),
        Value=str(properties["Value"]),
        Overwrite=True,
    )
    return {}


def create_secret(clients: Callable[[str], Any], resource: Mapping[str, Any]) -> dict[str, Any]:
    """Create a secret; one that exists gets the template's value, a generated one stays."""
    manager, name, properties = clients("secretsmanager"), resource["name"], resource["properties"]
    exists = any(each["Name"] == name for each in _secrets(manager))
    given = properties.get("SecretString")
    if not exists:
        value = given if given is not None else _generated(manager, properties)
        manager.create_secret(Name=name, SecretString=value)
    elif given is not None:
        manager.put_secret_value(SecretId=name, SecretString=given)
    return {}


def _secrets(manager: Any) -> list[dict[str, Any]]:
    pages = manager.get_paginator("list_secrets").paginate()
    return [secret for page in pages for secret in page["SecretList"]]


def _generated(manager: Any, properties: Mapping[str, Any]) -> str:
    wanted = properties.get("GenerateSecretString", {})
    options = {name: wanted[name] for name in PASSWORD if name in wanted}
    password: str = manager.get_random_password(**options)["RandomPassword"]
    if key := wanted.get("GenerateStringKey"):
        return json.dumps({**json.loads(wanted["SecretStringTemplate"]), key: password})
    return password
