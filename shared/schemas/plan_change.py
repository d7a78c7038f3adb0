from typing import Any, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, ValidationError, model_validator

from shared.errors import Unprocessable
from shared.models.user import Plan
from shared.schemas.auth import EmailAddress


class PlanChange(BaseModel):
    """Which user to put on which plan. The user is named by address or by id, not both."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    plan: Plan
    email: EmailAddress | None = None
    user_id: UUID | None = None

    @model_validator(mode="after")
    def _names_one_user(self) -> Self:
        if (self.email is None) == (self.user_id is None):
            raise ValueError('Name the user by "email" or by "user_id", one of the two.')
        return self

    @classmethod
    def read(cls, event: Any) -> Self:
        """Raises Unprocessable, whose text lists what is wrong with the event."""
        try:
            return cls.model_validate(event)
        except ValidationError as error:
            problems = [_explain(each["loc"], each["msg"]) for each in error.errors()]
            raise Unprocessable("; ".join(problems)) from None


def _explain(location: tuple[int | str, ...], message: str) -> str:
    return ": ".join([*(str(part) for part in location), message])
