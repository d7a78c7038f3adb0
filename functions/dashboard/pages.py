"""GET / and the other pages, their assets, and in development the mailbox."""

from collections.abc import Mapping
from hashlib import sha256
from importlib.resources import files
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

from fastapi import Request, Response
from fastapi.responses import HTMLResponse, JSONResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from shared import settings
from shared.clients import objects
from shared.errors import MailboxElsewhere, NotFound
from shared.generators.port import Style
from shared.repositories.mailbox import MailboxRepository
from shared.security import cookies
from shared.security.client_address import is_loopback_host
from shared.security.cookies import TokenCookie
from shared.settings import Environment as Deployment
from shared.singletons import singleton
from shared.web.api import create_app, lambda_handler
from shared.web.authentication import request_headers
from shared.web.reading import ReadingSessionDep

HERE = Path(str(files("functions.dashboard")))
MEDIA_TYPES = {
    ".css": "text/css",
    ".js": "text/javascript",
    ".svg": "image/svg+xml",
    ".webp": "image/webp",
}
SIZES = (
    (768, 512, "Landscape"),
    (512, 768, "Portrait"),
    (512, 512, "Square"),
    (1024, 576, "Wide"),
    (1024, 1024, "Large"),
    (2048, 1152, "Huge"),
)
DEPENDENCIES = (
    ("database", "accounts and tasks"),
    ("redis", "live status and limits"),
    ("queue", "what waits for a painter"),
    ("storage", "the pictures"),
)
# What each page's script imports, so that the browser asks for all of it at once.
MODULES = (
    *("access", "api", "card", "code", "connection", "dom", "draft", "form", "live", "pictures"),
    *("session", "viewer", "words"),
)
# The address of an asset holds the digest of all: what it names never changes.
FOREVER = "public, max-age=31536000, immutable"
LOOPBACK = "127.0.0.1"
HTML_TYPES = frozenset({"text/html", "application/xhtml+xml"})
NOTHING = {"message": "Not Found"}

app = create_app()


@app.get("/", include_in_schema=False)
async def studio(request: Request) -> Response:
    if not _has_session(request):
        return _page(request, "welcome.html")
    return _page(request, "studio.html", sizes=SIZES, styles=list(Style))


@app.get("/tasks/{task_id}", include_in_schema=False)
async def task(task_id: str, request: Request) -> Response:
    try:
        return _page(request, "task.html", task_id=UUID(task_id))
    except ValueError:
        return _page(request, "missing.html", status=404)


@app.get("/account", include_in_schema=False)
async def account(request: Request) -> Response:
    return _page(request, "account.html" if _has_session(request) else "welcome.html")


@app.get("/status", include_in_schema=False)
async def status(request: Request) -> Response:
    return _page(request, "status.html", dependencies=DEPENDENCIES)


@app.get("/mailbox", include_in_schema=False)
async def mailbox(request: Request, session: ReadingSessionDep) -> Response:
    """The mails of a development installation. They hold everybody's links, so production has no
    such page."""
    if not _keeps_mails():
        return _page(request, "missing.html", status=404)
    if not is_loopback_host(request.headers.get("host")):
        raise MailboxElsewhere
    mails = await MailboxRepository(session).list()
    return _page(request, "mailbox.html", mails=mails, link_start=settings.app().public_url)


@app.get("/assets/{version}/{name}", include_in_schema=False)
async def asset(version: str, name: str) -> Response:
    served = _assets()
    if name not in served:
        raise NotFound
    # While a new version is rolled out, a page may ask the other one for its assets.
    lifetime = FOREVER if version == _version() else "no-cache"
    return Response(
        served[name],
        media_type=MEDIA_TYPES[Path(name).suffix],
        headers={"Cache-Control": lifetime, "Vary": "Accept-Encoding"},
    )


@app.get("/{unknown:path}", include_in_schema=False)
async def missing(request: Request) -> Response:
    """What has no route: a page for people. A program gets what the gateway itself would answer,
    where there is one."""
    if _is_for_people(request.headers.get("accept", "")):
        return _page(request, "missing.html", status=404)
    if "aws.event" in request.scope:
        return JSONResponse(NOTHING, 404)
    raise NotFound


def _is_for_people(accept: str) -> bool:
    asked = (each.partition(";")[0].strip().lower() for each in accept.split(","))
    return not HTML_TYPES.isdisjoint(asked)


def _page(request: Request, template: str, *, status: int = 200, **context: Any) -> Response:
    body = (
        _templates()
        .get_template(template)
        .render(
            assets=f"/assets/{_version()}",
            modules=MODULES,
            signed_in=_has_session(request),
            keeps_mails=_keeps_mails(),
            **context,
        )
    )
    return HTMLResponse(body, status, headers={"Content-Security-Policy": _policy()})


def _has_session(request: Request) -> bool:
    """Whether the browser has a session cookie; the API decides whether the session is still
    valid."""
    header = request_headers(request).get("cookie", "")
    return any(cookies.values(header, each) for each in (TokenCookie.ACCESS, TokenCookie.REFRESH))


def _keeps_mails() -> bool:
    return _is_development() and urlsplit(settings.mail().url).scheme == "mailbox"


def _is_development() -> bool:
    return settings.app().environment is Deployment.DEVELOPMENT


@singleton
def _policy() -> str:
    """Allow our own files, and pictures from the object store."""
    return (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
        f"img-src 'self' {_picture_source()}; form-action 'none'; base-uri 'none'; "
        "frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
    )


def _picture_source() -> str:
    """A local object store may restart on another port while pages are open; they keep working."""
    origin = urlsplit(objects.origin())
    at_home = origin.hostname == LOOPBACK and _is_development()
    return f"{origin.scheme}://{LOOPBACK}:*" if at_home else objects.origin()


@singleton
def _templates() -> Environment:
    return Environment(
        loader=FileSystemLoader(HERE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


@singleton
def _assets() -> Mapping[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted((HERE / "assets").iterdir())}


@singleton
def _version() -> str:
    digest = sha256()
    for name, content in _assets().items():
        digest.update(f"{name} {len(content)}\n".encode() + content)
    return digest.hexdigest()[:16]


handler = lambda_handler(app)
