"""Every page in every state it can be in, and how somebody gets there."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from playwright.sync_api import BrowserContext, Page, Route, expect

from tests.browser.chromium import sign_in
from tests.e2e.product import Person, Product

NO_TASK = "00000000-0000-4000-8000-000000000000"


@dataclass(frozen=True)
class Visitor:
    """Somebody with a browser, signed in where there is a person."""

    context: BrowserContext
    product: Product
    person: Person | None = None

    def open(self, path: str) -> Page:
        if self.person is not None:
            return sign_in(self.context, self.person, path)
        page = self.context.new_page()
        page.goto(f"{self.product.origin}{path}")
        return page

    def answered(self, path: str, address: str, status: int, body: Any) -> Page:
        """The page when the server gives this answer at one address, for states that a test cannot
        cause otherwise."""
        self.context.route(address, lambda route: route.fulfill(status=status, json=body))
        return self.open(path)


@dataclass(frozen=True)
class State:
    name: str
    reach: Callable[[Visitor], Page]
    needs_account: bool = False


def _shows(path: str, text: str) -> Callable[[Visitor], Page]:
    def reach(visitor: Visitor) -> Page:
        page = visitor.open(path)
        expect(page.get_by_text(text).first).to_be_visible()
        return page

    return reach


def _access(button: str, heading: str) -> Callable[[Visitor], Page]:
    def reach(visitor: Visitor) -> Page:
        page = visitor.open("/")
        page.get_by_role("button", name=button).click()
        expect(page.get_by_role("heading", name=heading)).to_be_visible()
        return page

    return reach


def _refused(visitor: Visitor) -> Page:
    page = visitor.open("/")
    page.get_by_label("E-mail").first.fill("nobody@example.com")
    page.get_by_label("Password").first.fill("not the password")
    page.get_by_role("button", name="Sign in").first.click()
    expect(page.get_by_role("alert").first).to_be_visible()
    return page


def _too_often(visitor: Visitor) -> Page:
    headers = {"Retry-After": "43"}
    problem = {"status": 429, "code": "rate_limited", "detail": ""}
    visitor.context.route(
        "**/auth/login", lambda route: route.fulfill(status=429, json=problem, headers=headers)
    )
    page = _refused(visitor)
    expect(page.get_by_role("button", name="Wait ")).to_be_visible()
    return page


def _task(status: str, **changes: Any) -> dict[str, Any]:
    task_id = f"{abs(hash((status, str(changes)))) % 10**8:08d}-0000-4000-8000-000000000000"
    return {
        "id": task_id,
        "task_id": task_id,
        "sequence": 3,
        "status": status,
        "terminal": status not in ("queued", "processing"),
        "progress": 0.0,
        "attempt": 1,
        "max_attempts": 3,
        "cancel_requested": False,
        "prompt": "a lighthouse above a stormy sea at dusk",
        "parameters": {"width": 768, "height": 512, "style": "painting", "seed": 7},
        "error": None,
        "result": None,
        "retry_at": None,
        "retry_of": None,
        "request_id": "Y2hhc2U9",
        "created_at": "2026-01-30T10:15:31.762Z",
        "updated_at": "2026-01-30T10:16:05.114Z",
        **changes,
    }


def _error(code: str, *, retryable: bool) -> dict[str, Any]:
    return {"code": code, "message": "", "retryable": retryable}


WORKING = [
    _task("queued"),
    _task("processing", progress=0.4),
    _task("processing", progress=0.7, attempt=2, prompt="city skyline at sunset"),
    _task("processing", progress=0.6, cancel_requested=True),
    _task("queued", error=_error("worker_lost", retryable=True), retry_at="2026-01-30T10:17:00Z"),
]
ENDED = [
    _task("failed", error=_error("generator_error", retryable=True)),
    _task("failed", error=_error("timeout", retryable=True), prompt="a very large sea"),
    _task("cancelled", prompt="city skyline at sunset"),
    _task("expired", error=_error("expired", retryable=True)),
]


def _wall(tasks: list[dict[str, Any]], text: str) -> Callable[[Visitor], Page]:
    def reach(visitor: Visitor) -> Page:
        body = {"items": tasks, "next_cursor": None}
        visitor.context.route_web_socket("**/ws/tasks/**", lambda socket: None)
        page = visitor.answered("/", "**/api/v1/tasks?*", 200, body)
        expect(page.get_by_text(text).first).to_be_visible()
        return page

    return reach


def _loading(visitor: Visitor) -> Page:
    def hold(route: Route) -> None:
        """Never answer."""

    visitor.context.route("**/api/v1/tasks?*", hold)
    return visitor.open("/")


def _unfetched(visitor: Visitor) -> Page:
    page = visitor.answered(
        "/", "**/api/v1/tasks?*", 500, {"status": 500, "code": "internal_error"}
    )
    expect(page.get_by_text("could not be fetched")).to_be_visible()
    return page


def _session_ended(visitor: Visitor) -> Page:
    problem = {"status": 401, "code": "invalid_token", "detail": ""}
    page = visitor.answered("/", "**/api/v1/auth/{me,refresh}", 401, problem)
    expect(page.get_by_role("dialog")).to_be_visible()
    return page


def _offline(visitor: Visitor) -> Page:
    page = visitor.open("/")
    expect(page.get_by_role("button", name="Paint it")).to_be_enabled()
    visitor.context.set_offline(True)
    expect(page.get_by_text("You are offline.")).to_be_visible()
    return page


def _server_gone(visitor: Visitor) -> Page:
    page = visitor.open("/")
    expect(page.get_by_role("button", name="Paint it")).to_be_enabled()
    visitor.context.route("**/api/**", lambda route: route.abort())
    page.get_by_label("What should it show?").fill("a lighthouse")
    page.get_by_role("button", name="Paint it").click()
    expect(page.get_by_text("The server does not answer. Connecting")).to_be_visible()
    return page


def _health(status: str, code: int, *away: str) -> Callable[[Visitor], Page]:
    dependencies = {
        name: (
            {"status": "down", "latency_ms": None}
            if name in away
            else {"status": "ok", "latency_ms": latency}
        )
        for name, latency in (("database", 1.8), ("redis", 0.6), ("queue", 0.9), ("storage", 7.4))
    }
    tasks = {"workers": "alive", "oldest_waiting_seconds": 0.0}
    body = {"status": status, "dependencies": dependencies, "tasks": tasks}

    def reach(visitor: Visitor) -> Page:
        page = visitor.answered("/status", "**/api/health", code, body)
        expect(page.locator(f"#verdict[data-status={status}]")).to_be_visible()
        return page

    return reach


def _no_health(visitor: Visitor) -> Page:
    visitor.context.route("**/api/health", lambda route: route.abort())
    page = visitor.open("/status")
    expect(page.locator("#verdict[data-status=silent]")).to_be_visible()
    return page


def _one_picture(visitor: Visitor) -> Page:
    assert visitor.person
    task = visitor.person.client.get("/tasks", params={"status": "completed"}).json()["items"][0]
    page = visitor.open(f"/tasks/{task['id']}")
    expect(page.get_by_role("article").get_by_role("img")).to_be_visible()
    return page


def _undelivered(visitor: Visitor) -> Page:
    delivery = {
        "id": NO_TASK,
        "task_id": NO_TASK,
        "url": "https://receiver.example.com/lampwork?of=a-very-long-name-of-a-very-patient-receiver",
        "type": "task.completed",
        "status": "failed",
        "attempts": 10,
        "last_status": 500,
        "last_error": None,
        "created_at": "2026-01-30T10:15:31.762Z",
        "next_attempt_at": None,
        "finished_at": "2026-02-02T13:51:05.114Z",
    }
    body = {"items": [delivery], "next_cursor": None}
    page = visitor.answered("/account", "**/webhooks/deliveries?*", 200, body)
    expect(page.get_by_text("it answered 500").first).to_be_visible()
    return page


def _keys(visitor: Visitor) -> Page:
    """With one key of an earlier day, a new one shown, and a refusal."""
    key = {
        "id": NO_TASK,
        "name": "The nightly posters of a shop with a long name",
        "hint": "x9_Q",
        "scopes": ["tasks:read", "tasks:write"],
        "created_at": "2026-01-30T10:15:31.762Z",
        "last_used_at": "2026-02-02T13:51:05.114Z",
        "expires_at": None,
    }

    def answer(route: Route) -> None:
        made = {**key, "key": "lw_9Yk2fC8mTtq0bZr5uVd1wJx7hNs3gLa6pEoIyKcQx9_Q"}
        body = made if route.request.method == "POST" else {"items": [key]}
        route.fulfill(status=200, json=body)

    visitor.context.route("**/auth/api-keys", answer)
    visitor.context.route("**/auth/reauthenticate", lambda route: route.fulfill(json={}))
    page = visitor.open("/account")
    page.get_by_label("What is it for?").fill("posters")
    page.get_by_label("Your password").fill("the password")
    page.get_by_role("button", name="Make a key").click()
    expect(page.get_by_label("Your new key")).to_be_focused()
    page.get_by_role("button", name="Make a key").click()
    expect(page.get_by_text("Fill in: What is it for?")).to_be_visible()
    return page


def _viewer(visitor: Visitor) -> Page:
    page = visitor.open("/")
    page.get_by_role("article").get_by_role("link", name="View ").first.click()
    expect(page.get_by_role("dialog").get_by_role("img")).to_be_visible()
    return page


def _code(visitor: Visitor) -> Page:
    page = visitor.open("/")
    page.get_by_label("What should it show?").fill("a lighthouse's lamp")
    page.locator("#form-code").click()
    page.get_by_role("dialog").get_by_label("JavaScript").check()
    expect(page.get_by_role("dialog").get_by_text("LAMPWORK_API_KEY").last).to_be_visible()
    return page


STATES = (
    State("welcome", _shows("/", "Say it, and watch it")),
    State("welcome-sign-up", _access("Create an account", "Create an account")),
    State("welcome-forgot", _access("Forgot the password?", "A new password")),
    State("welcome-verify", _shows("/#verify=ev1_token", "Confirm your address")),
    State("welcome-reset", _shows("/#reset=pr1_token", "Choose a new password")),
    State("welcome-confirm", _shows("/#confirm-email=ec1_token", "Confirm the change")),
    State("welcome-refused", _refused),
    State("welcome-too-often", _too_often),
    State("task-signed-out", _shows(f"/tasks/{NO_TASK}", "Sign in to see this picture.")),
    State("missing", _shows("/tasks/nothing", "There is nothing here.")),
    State("missing-path", _shows("/no/such/page", "There is nothing here.")),
    State("mailbox", _shows("/mailbox", "Development mailbox")),
    State("status", _health("ok", 200)),
    State("status-degraded", _health("degraded", 200, "storage")),
    State("status-down", _health("down", 503, "database", "queue")),
    State("status-silent", _no_health),
    State("studio", _shows("/", "Your pictures"), needs_account=True),
    State("studio-empty", _wall([], "The wall is empty."), needs_account=True),
    State("studio-loading", _loading, needs_account=True),
    State("studio-working", _wall(WORKING, "Waiting for a painter"), needs_account=True),
    State("studio-ended", _wall(ENDED, "It did not work out"), needs_account=True),
    State("studio-unfetched", _unfetched, needs_account=True),
    State("studio-session-ended", _session_ended, needs_account=True),
    State("studio-offline", _offline, needs_account=True),
    State("studio-server-gone", _server_gone, needs_account=True),
    State("studio-viewer", _viewer, needs_account=True),
    State("studio-code", _code, needs_account=True),
    State("task", _one_picture, needs_account=True),
    State("task-missing", _shows(f"/tasks/{NO_TASK}", "no such picture"), needs_account=True),
    State("account", _shows("/account", "This one"), needs_account=True),
    State("account-undelivered", _undelivered, needs_account=True),
    State("account-keys", _keys, needs_account=True),
)
