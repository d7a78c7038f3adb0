from typing import Final

from lampwork.cloud.moto_seam.backends import backend, present
from lampwork.cloud.moto_seam.cognito import keep_signing_keys
from lampwork.cloud.moto_seam.sns import forget_published
from lampwork.cloud.persistence.kept_state import Changes, Request
from lampwork.cloud.persistence.pickling import attributes, freeze, set_attributes, thaw
from lampwork.cloud.persistence.state_file import StateFile

PREFIX: Final = "service/"
# The services' names as they are in a signature. Each service holds so little that its state in a
# region is stored as one value.
SERVICES: Final = (
    *("sns", "ssm", "secretsmanager", "events", "kinesis", "kms", "scheduler"),
    *("cognito-idp", "cognito-identity", "apigateway", "ses"),
)
# What a service remembers of the past grows without an end.
FORGOTTEN: Final = {"ses": "sent_messages"}


class KeptServices:
    """Stores topics and subscriptions, parameters, secrets, event buses with rules, schedules,
    Kinesis streams without their records, keys, API keys with their usage plans, the identities of
    SES, and the pools of users and identities."""

    def __init__(self) -> None:
        keep_signing_keys()
        self._kept: dict[tuple[str, str], bytes] = {}

    def load(self, state: StateFile) -> None:
        for key, value in state.read(PREFIX):
            service, region = key.split("/")
            set_attributes(backend(service, region), thaw(value))
            self._kept[(service, region)] = value

    def changes(self, request: Request) -> Changes:
        if request.service not in SERVICES:
            return {}
        changes: dict[str, bytes | None] = {}
        for region, state in present(request.service):
            if request.service == "sns":
                forget_published(state)
            kept = attributes(state)
            kept.pop(FORGOTTEN.get(request.service, ""), None)
            content = freeze(kept)
            if self._kept.get((request.service, region)) != content:
                self._kept[(request.service, region)] = content
                changes[f"{PREFIX}{request.service}/{region}"] = content
        return changes
