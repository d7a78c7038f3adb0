from collections.abc import Iterator, Mapping
from typing import Any, Final

from lampwork.stack.model import CloudResource
from lampwork.stack.narrowing import Keeps
from lampwork.triggers.targets.target_source import Target, TargetSource, with_property

CONFIG: Final = "LambdaConfig"


class UserPoolSource(TargetSource):
    """User pools of Cognito, with the functions that they ask: SAM's event `Cognito`, and
    `LambdaConfig`."""

    kind = "user pool"
    types = ("AWS::Cognito::UserPool",)

    def targets(self, resource: CloudResource) -> Iterator[Target]:
        for trigger, function in (resource.properties.get(CONFIG) or {}).items():
            yield f"{resource.name}  {trigger}", _arn(function)

    def with_targets(self, resource: CloudResource, keeps: Keeps) -> CloudResource:
        config: Mapping[str, Any] = resource.properties.get(CONFIG) or {}
        if not config:
            return resource
        kept = {trigger: each for trigger, each in config.items() if keeps(_arn(each))}
        return with_property(resource, CONFIG, kept)


def _arn(function: Any) -> str:
    """A trigger's function: its ARN, or the ARN with a version of the event."""
    return str(function.get("LambdaArn") if isinstance(function, Mapping) else function)
