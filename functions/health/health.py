"""GET /api/health: each dependency's state, and who paints what waits, at most a second old."""

from fastapi import Response

from shared.schemas.health import Health
from shared.services.health import examine
from shared.web.api import create_app, lambda_handler

app = create_app()


@app.get("/api/health", responses={503: {"model": Health, "description": "The database is away"}})
async def health(response: Response) -> Health:
    examined = await examine()
    if examined.status == "down":
        response.status_code = 503
    return examined


handler = lambda_handler(app)
