from urllib.parse import quote

from lampwork.http.responses import Response


def download(content: bytes, name: str) -> Response:
    """A file to save. The browser never shows it, whatever it holds."""
    # https://www.rfc-editor.org/rfc/rfc6266#section-4.1
    disposition = f"attachment; filename*=UTF-8''{quote(name, safe='')}"
    headers = [
        ("content-type", "application/octet-stream"),
        ("content-disposition", disposition),
        ("cache-control", "no-store"),
    ]
    return Response(200, headers, content)
