from pydantic import BaseModel, ConfigDict


class RequestBody(BaseModel):
    """What a client sends: only known members, each of exactly its type."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class ResponseBody(BaseModel):
    """What a client gets, read from an object's attributes."""

    model_config = ConfigDict(from_attributes=True, frozen=True)
