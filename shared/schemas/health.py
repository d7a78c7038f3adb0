from typing import Literal, TypeAlias

from pydantic import BaseModel

Workers: TypeAlias = Literal["alive", "none", "on_demand", "unknown"]


class Dependency(BaseModel):
    status: Literal["ok", "down"]
    latency_ms: float | None


class Line(BaseModel):
    """Tasks that wait. `workers`: `on_demand` where a queue starts them (SQS and Lambda), `unknown`
    while Redis or the database is away. `oldest_waiting_seconds`: for how long the task that waits
    longest has been due; 0 if none waits, null while the database is away."""

    workers: Workers
    oldest_waiting_seconds: float | None


class Health(BaseModel):
    """`degraded`: a service is away that not every request needs, or a task waits and no worker is
    there; `down`: no request works."""

    status: Literal["ok", "degraded", "down"]
    dependencies: dict[str, Dependency]
    tasks: Line
