"""The application's most used routes as a plain server would have them: FastAPI, SQLAlchemy without
asyncio, uvicorn, one process. `DATABASE_URL`, `KEYS_FILE` and `PICTURES` say where things are.

It keeps what any such server would: a request's session must be alive in the database, passwords
are hashed with the same argon2 setting, a task counts against its owner's plan in the transaction
that creates it, and watchers are told of each state. It has no rate limits, no idempotency keys, no
history, no queue that survives a restart and no second process.
"""

import asyncio
import hashlib
import json
import os
import secrets
from collections import defaultdict
from collections.abc import AsyncIterator
from concurrent.futures import Future
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Lock
from typing import Annotated, Any
from uuid import UUID, uuid4

import jwt
from argon2.exceptions import VerifyMismatchError
from fastapi import FastAPI, Header, HTTPException, WebSocket
from fastapi.responses import HTMLResponse
from pydantic import BaseModel, ConfigDict, EmailStr, Field, computed_field
from sqlalchemy import create_engine, event, func, select, text
from sqlalchemy.orm import Session, sessionmaker

from bench.plain.painting import make_pool, paint
from bench.plain.passwords import hasher
from shared.models.session import UserSession
from shared.models.stored_picture import StoredPicture
from shared.models.task import Task
from shared.models.task_status import UNFINISHED, TaskStatus
from shared.models.user import Subscription, User, UserProfile, UserStatus
from shared.plans import PLANS

AUDIENCE = "lampwork"
LIFETIME = timedelta(minutes=10)
PAGE = "<!doctype html><title>Pictures</title><h1>Say it, and watch it appear.</h1>"

THREADS = 40  # in which FastAPI runs routes that are no coroutines

engine = create_engine(os.environ["DATABASE_URL"], pool_size=THREADS, max_overflow=THREADS)
new_session = sessionmaker(engine, expire_on_commit=False)
key = jwt.PyJWK(
    json.loads(Path(os.environ["KEYS_FILE"]).read_text())["signing"]["current"] | {"alg": "EdDSA"}
)
# SQLite has one writer at a time, and whoever waits for it in the database does so for 5 s at most.
writing = Lock()
watchers: dict[UUID, set[asyncio.Queue[dict[str, Any]]]] = defaultdict(set)


@event.listens_for(engine, "connect")
def prepare(connection: Any, _record: object) -> None:
    for pragma in ("synchronous=NORMAL", "busy_timeout=5000", "foreign_keys=ON"):
        connection.execute(f"PRAGMA {pragma}")


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    app.state.loop = asyncio.get_running_loop()
    with make_pool() as app.state.pool:
        yield


app = FastAPI(lifespan=lifespan)


# Each route opens its own session: one that a dependency opened would keep its connection while the
# request waits for a thread, and fifty of them at once would wait for each other.
Authorization = Annotated[str, Header()]


def signed_in(database: Session, authorization: str) -> User:
    user = user_of(database, authorization.removeprefix("Bearer "))
    if user is None:
        raise HTTPException(401)
    return user


def user_of(database: Session, token: str) -> User | None:
    """The user of a token whose session is alive."""
    try:
        claims = jwt.decode(token, key, algorithms=["EdDSA"], audience=AUDIENCE)
    except jwt.InvalidTokenError:
        return None
    query = select(UserSession, User).join(User, User.id == UserSession.user_id)
    found = database.execute(query.where(UserSession.id == UUID(claims["sid"]))).one_or_none()
    if found is None:
        return None
    session, user = found
    now = datetime.now(UTC)
    alive = session.revoked_at is None and now < session.idle_expires_at
    active = user.status is UserStatus.ACTIVE and user.auth_epoch == claims["ep"]
    return user if alive and active and user.deleted_at is None else None


@app.get("/")
def page() -> HTMLResponse:
    return HTMLResponse(PAGE)


@app.get("/api/health")
def health() -> dict[str, str]:
    with new_session() as database:
        database.execute(text("SELECT 1"))
    return {"status": "ok"}


class Login(BaseModel):
    email: EmailStr
    password: str


@app.post("/api/v1/auth/login")
def login(body: Login) -> dict[str, Any]:
    with new_session() as database:
        user = database.scalar(select(User).where(User.email_canonical == body.email.lower()))
    if user is None or user.password_hash is None:
        raise HTTPException(401)
    try:
        hasher.verify(user.password_hash, body.password)
    except VerifyMismatchError:
        raise HTTPException(401) from None
    now, refresh_token = datetime.now(UTC), secrets.token_urlsafe(32)
    session = UserSession(
        user_id=user.id,
        salt=secrets.token_bytes(32),
        refresh_token_hash=hashlib.sha256(refresh_token.encode()).digest(),
        auth_time=now,
        idle_expires_at=now + timedelta(days=14),
        absolute_expires_at=now + timedelta(days=30),
    )
    with writing, new_session.begin() as database:
        database.add(session)
    claims = {"sub": str(user.id), "sid": str(session.id), "aud": AUDIENCE, "ep": user.auth_epoch}
    token = jwt.encode(claims | {"exp": now + LIFETIME}, key.key, "EdDSA")
    return {"access_token": token, "refresh_token": refresh_token, "user": user_read(user)}


@app.get("/api/v1/auth/me")
def me(authorization: Authorization = "") -> dict[str, Any]:
    with new_session() as database:
        user = signed_in(database, authorization)
        profile = database.get_one(UserProfile, user.id)
        subscription = live_subscription(database, user)
        at_once = unfinished(database, user)
    return {
        "user": user_read(user),
        "profile": {"display_name": profile.display_name, "locale": profile.locale},
        "subscription": {
            "plan": subscription.plan,
            "period_start": subscription.period_start,
            "period_end": subscription.period_end,
            "limits": PLANS[subscription.plan],
            "usage": {"tasks": subscription.tasks_used, "at_once": at_once},
        },
    }


def user_read(user: User) -> dict[str, Any]:
    shown = {"id": user.id, "email": user.email, "status": user.status}
    return shown | {"created_at": user.created_at}


def live_subscription(database: Session, user: User) -> Subscription:
    query = select(Subscription).where(Subscription.user_id == user.id)
    return database.scalars(query.where(Subscription.ended_at.is_(None))).one()


def unfinished(database: Session, user: User) -> int:
    query = select(func.count()).where(Task.user_id == user.id, Task.status.in_(UNFINISHED))
    return database.scalar(query) or 0


class TaskRead(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    id: UUID
    sequence: int
    status: TaskStatus
    progress: float
    prompt: str
    parameters: dict[str, Any]
    error: dict[str, Any] | None
    created_at: datetime
    updated_at: datetime
    finished_at: datetime | None

    @computed_field
    def url(self) -> str:
        return f"/api/v1/tasks/{self.id}"


@app.get("/api/v1/tasks")
def list_tasks(limit: int = 20, authorization: Authorization = "") -> dict[str, list[TaskRead]]:
    with new_session() as database:
        user = signed_in(database, authorization)
        query = select(Task).where(Task.user_id == user.id).order_by(Task.created_at.desc())
        return {
            "items": [
                TaskRead.model_validate(each) for each in database.scalars(query.limit(limit))
            ]
        }


@app.get("/api/v1/tasks/{task_id}")
def get_task(task_id: UUID, authorization: Authorization = "") -> TaskRead:
    with new_session() as database:
        return TaskRead.model_validate(
            own_task(database, signed_in(database, authorization), task_id)
        )


def own_task(database: Session, user: User, task_id: UUID) -> Task:
    task = database.get(Task, task_id)
    if task is None or task.user_id != user.id:
        raise HTTPException(404)
    return task


class Parameters(BaseModel):
    width: int = Field(512, ge=64, le=2048)
    height: int = Field(512, ge=64, le=2048)
    style: str = "painting"
    seed: int | None = None


class Order(BaseModel):
    prompt: str = Field(min_length=1, max_length=2000)
    parameters: Parameters = Parameters()


@app.post("/api/v1/tasks", status_code=202)
def create_task(order: Order, authorization: Authorization = "") -> TaskRead:
    now = datetime.now(UTC)
    # Nobody else counts the user's tasks until this one is written.
    with writing, new_session() as database:
        user = signed_in(database, authorization)
        subscription = live_subscription(database, user)
        limits = PLANS[subscription.plan]
        if unfinished(database, user) >= limits.tasks_at_once:
            raise HTTPException(429)
        if subscription.tasks_used >= limits.tasks_per_period:
            raise HTTPException(429)
        subscription.tasks_used += 1
        task = Task(
            id=uuid4(),
            user_id=user.id,
            prompt=order.prompt,
            parameters=order.parameters.model_dump(),
            runs_at_once=limits.runs_at_once,
            run_timeout_seconds=120,
            queued_deadline=now + timedelta(hours=1),
            created_at=now,
            updated_at=now,
            progress=0.0,
            sequence=1,
            status=TaskStatus.QUEUED,
        )
        database.add(task)
        database.commit()
        created = TaskRead.model_validate(task)
    if os.environ["PAINTING"] == "on":
        start(created)
    return created


def start(task: TaskRead) -> None:
    future = app.state.pool.submit(paint, task.prompt, task.parameters)
    future.add_done_callback(lambda done: finish(task.id, done))


def finish(task_id: UUID, done: "Future[bytes]") -> None:
    picture, now = done.result(), datetime.now(UTC)
    file = Path(os.environ["PICTURES"]) / f"{task_id}.png"
    file.write_bytes(picture)
    with writing, new_session.begin() as database:
        task = database.get_one(Task, task_id)
        size = {side: task.parameters[side] for side in ("width", "height")}
        task.status, task.finished_at, task.progress = TaskStatus.COMPLETED, now, 1.0
        task.sequence += 1
        task.result = StoredPicture(file.name, "image/png", **size, bytes=len(picture))
    frame = frame_of(task)
    app.state.loop.call_soon_threadsafe(tell, task_id, frame)


def frame_of(task: Task) -> dict[str, Any]:
    frame = TaskRead.model_validate(task).model_dump(mode="json")
    return {"type": "update", "terminal": task.status.terminal, **frame}


def tell(task_id: UUID, frame: dict[str, Any]) -> None:
    for each in watchers.get(task_id, ()):
        each.put_nowait(frame)


@app.websocket("/ws/tasks/{task_id}")
async def watch(socket: WebSocket, task_id: UUID) -> None:
    token = socket.headers.get("authorization", "").removeprefix("Bearer ")
    news: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    watchers[task_id].add(news)
    try:
        frame = await asyncio.to_thread(first_frame, token, task_id)
        if frame is None:
            await socket.close()  # before it is accepted: 403
            return
        await socket.accept()
        await socket.send_json(frame)
        while not frame["terminal"]:
            frame = await news.get()
            await socket.send_json(frame)
        await socket.close()
    finally:
        watchers[task_id].discard(news)
        if not watchers[task_id]:
            del watchers[task_id]


def first_frame(token: str, task_id: UUID) -> dict[str, Any] | None:
    with new_session() as database:
        user = user_of(database, token)
        task = user and database.get(Task, task_id)
        if not task or not user or task.user_id != user.id:
            return None
        return frame_of(task) | {"type": "snapshot"}
