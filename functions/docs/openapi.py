"""GET /api/openapi.json, /api/docs and its assets: one schema over all functions."""

from importlib.resources import files
from importlib.resources.abc import Traversable

from fastapi import Response

from shared.errors import NotFound
from shared.web.api import create_app, lambda_handler

# Swagger UI styles its own elements, and shows images of the schema as data: URLs.
PAGE_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data:; connect-src 'self'; frame-ancestors 'none'; base-uri 'none'"
)
ASSETS = {
    "start.js": ("functions.docs", "start.js", "text/javascript"),
    "swagger-ui-bundle.js": ("fastapi_offline", "static/swagger-ui-bundle.js", "text/javascript"),
    "swagger-ui.css": ("fastapi_offline", "static/swagger-ui.css", "text/css"),
}

app = create_app()


@app.get("/api/openapi.json", include_in_schema=False)
async def schema() -> Response:
    return Response(_own("openapi.json").read_bytes(), media_type="application/json")


@app.get("/api/docs", include_in_schema=False)
async def page() -> Response:
    headers = {"Content-Security-Policy": PAGE_POLICY}
    return Response(_own("page.html").read_bytes(), media_type="text/html", headers=headers)


@app.get("/api/docs/{asset}", include_in_schema=False)
async def asset(asset: str) -> Response:
    if asset not in ASSETS:
        raise NotFound
    package, path, media_type = ASSETS[asset]
    return Response(
        (files(package) / path).read_bytes(),
        media_type=media_type,
        headers={"Cache-Control": "public, max-age=3600"},
    )


def _own(name: str) -> Traversable:
    return files("functions.docs") / name


handler = lambda_handler(app)
