from hashlib import sha256
from typing import Annotated, Any, Self
from urllib.parse import urlsplit
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, WithJsonSchema

from shared import settings
from shared.engine.task_payload import task_payload
from shared.generators.port import MAX_SIDE, MIN_SIDE, Style
from shared.models.task import Task, TaskState
from shared.models.task_status import TaskStatus
from shared.schemas import texts
from shared.schemas.webhook import WebhookUrl
from shared.strict_json import MAX_EXACT_INTEGER, exact

MAX_PROMPT_CHARACTERS = 2000
MAX_SEED = MAX_EXACT_INTEGER
MAX_SEQUENCE = MAX_EXACT_INTEGER


Prompt = Annotated[
    str, Field(min_length=1, max_length=MAX_PROMPT_CHARACTERS), AfterValidator(texts.check_lines)
]
Side = Annotated[int, Field(ge=MIN_SIDE, le=MAX_SIDE)]
Timestamp = Annotated[str, Field(json_schema_extra={"format": "date-time"})]


class ParametersIn(BaseModel):
    """How to make the picture. Without a seed a random one is chosen and shown.

    Every seed can be read exactly by JavaScript, which reads numbers as doubles.
    """

    model_config = ConfigDict(extra="forbid", strict=True)

    width: Side = 512
    height: Side = 512
    style: Annotated[Style, Field(strict=False)] = Style.PAINTING
    seed: Annotated[int, Field(ge=0, le=MAX_SEED)] | None = None


class TaskCreate(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    prompt: Prompt
    parameters: ParametersIn = ParametersIn()
    webhook_url: WebhookUrl | None = None


SIDE_SHOWN = {"type": "integer", "minimum": MIN_SIDE, "maximum": MAX_SIDE}
# A larger seed, of an earlier version, is shown as text: see `strict_json.exact`.
PARAMETERS_SHOWN = {
    "type": "object",
    "title": "Parameters",
    "required": ["width", "height", "style", "seed"],
    "properties": {
        "width": SIDE_SHOWN,
        "height": SIDE_SHOWN,
        "style": {"type": "string", "enum": [each.value for each in Style]},
        "seed": {
            "anyOf": [
                {"type": "integer", "minimum": 0, "maximum": MAX_SEED},
                {"type": "string", "pattern": "^[1-9][0-9]{15,18}$"},
            ]
        },
    },
}


class TaskError(BaseModel):
    code: str
    message: str
    retryable: bool


class Thumbnail(BaseModel):
    """A smaller WebP of the picture: its address never serves another one."""

    width: int
    url: str


class TaskResult(BaseModel):
    """`thumbnails` has the widths that are smaller than the picture, the smallest first."""

    url: str
    content_type: str
    width: int
    height: int
    thumbnails: list[Thumbnail]


class TaskRead(BaseModel):
    """A task as its owner sees it. The live frames carry the same, without the links and the
    webhook's URL."""

    id: UUID
    task_id: UUID
    sequence: int
    status: TaskStatus
    terminal: bool
    progress: float
    attempt: int
    max_attempts: int
    cancel_requested: bool
    prompt: str
    parameters: Annotated[dict[str, Any], WithJsonSchema(PARAMETERS_SHOWN)]
    error: TaskError | None
    result: TaskResult | None
    retry_at: Timestamp | None
    retry_of: UUID | None
    request_id: str | None
    created_at: Timestamp
    updated_at: Timestamp
    url: str
    ws_url: str
    webhook_url: str | None

    @classmethod
    def of(cls, task: Task | TaskState) -> Self:
        links = {"url": task_url(task.id), "ws_url": _ws_url(task.id)}
        own = {"id": task.id, "webhook_url": task.webhook_url}
        payload = task_payload(task) | {"parameters": exact(task.parameters)}
        return cls.model_validate({**own, **payload, **links})

    @property
    def etag(self) -> str:
        """Identifies the version of the task and the form of this body."""
        return f'"{self.sequence}.{FORM}"'


# Another one as soon as the body has other members: what clients have kept is then of no use.
_MEMBERS = [name for each in (TaskRead, TaskError, TaskResult) for name in each.model_fields]
FORM = sha256(" ".join(_MEMBERS).encode()).hexdigest()[:8]


class TaskList(BaseModel):
    items: list[TaskRead]
    next_cursor: str | None


class WsTicket(BaseModel):
    """Opens one socket on one task; `expires_in` is in seconds."""

    ticket: str
    expires_in: int
    ws_url: str

    @classmethod
    def of(cls, ticket: str, task_id: UUID, *, expires_in: int) -> Self:
        return cls(
            ticket=ticket, expires_in=expires_in, ws_url=f"{_ws_url(task_id)}?ticket={ticket}"
        )


def task_url(task_id: UUID) -> str:
    return f"/api/v1/tasks/{task_id}"


def _ws_url(task_id: UUID) -> str:
    public = urlsplit(settings.app().public_url)
    scheme = "wss" if public.scheme == "https" else "ws"
    return f"{scheme}://{public.netloc}/ws/tasks/{task_id}"
