from typing import Literal

from pydantic import BaseModel


class Dependency(BaseModel):
    status: Literal["ok", "down"]
    latency_ms: float | None


class Health(BaseModel):
    """`degraded`: something is away that not every request needs; `down`: nothing works."""

    status: Literal["ok", "degraded", "down"]
    dependencies: dict[str, Dependency]
