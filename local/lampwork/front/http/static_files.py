import mimetypes
from pathlib import Path
from urllib.parse import unquote

from lampwork.http.request import Request
from lampwork.http.responses import Response


class StaticFiles:
    """Serves the files in a folder, as `sam local start-api --static-dir` does."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder.resolve()

    def serve(self, request: Request) -> Response | None:
        """The file that a request asks for; None where there is none."""
        if request.method not in ("GET", "HEAD"):
            return None
        try:
            file = (self._folder / unquote(request.path).lstrip("/")).resolve()
            # Neither `..` nor a link leads out of the folder.
            if not file.is_relative_to(self._folder) or not file.is_file():
                return None
            content = file.read_bytes()
        except (OSError, ValueError):  # a name too long, or with a null byte
            return None
        kind = mimetypes.guess_type(file.name)[0] or "application/octet-stream"
        return Response(200, [("content-type", kind)], content)
