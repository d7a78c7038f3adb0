from pydantic import BaseModel, ConfigDict


class RequestBody(BaseModel):
    """What a client sends: known members only, each of its very type."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class ResponseBody(BaseModel):
    """What a client gets, read from an object's attributes."""

    model_config = ConfigDict(from_attributes=True, frozen=True)
