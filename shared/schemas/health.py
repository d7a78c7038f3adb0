from typing import Literal

from pydantic import BaseModel


class Dependency(BaseModel):
    status: Literal["ok", "down"]
    latency_ms: float | None


class Health(BaseModel):
    """`degraded`: a service is away that not every request needs; `down`: no request works."""

    status: Literal["ok", "degraded", "down"]
    dependencies: dict[str, Dependency]
