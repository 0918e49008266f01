"""The page's files, read into memory once: a request's path is looked up, never joined to a folder."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from console.page.problems import Problem

_TYPES: Final = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
}


@dataclass(frozen=True, slots=True)
class Asset:
    """One file as it is sent."""

    content: bytes
    media: str
    etag: str


def load_assets() -> Mapping[str, Asset]:
    """Every file that may be asked for, by its path."""
    found = dict(_walk(files("console.page") / "static", ""))
    found["/"] = found.pop("/index.html")
    return found


def _walk(folder: Traversable, path: str) -> list[tuple[str, Asset]]:
    result: list[tuple[str, Asset]] = []
    for entry in folder.iterdir():
        name = f"{path}/{entry.name}"
        if entry.is_dir():
            result += _walk(entry, name)
        elif (media := _TYPES.get("." + entry.name.rpartition(".")[2])) is not None:
            content = entry.read_bytes()
            result.append((name, Asset(content, media, f'"{hashlib.sha256(content).hexdigest()[:20]}"')))
    return result


def answer(assets: Mapping[str, Asset], request: Request) -> Response:
    """The file. Raises Problem when there is none, or for another method than GET."""
    asset = assets.get(request.url.path)
    if asset is None:
        raise Problem(404, "there is no such page")
    if request.method not in ("GET", "HEAD"):
        raise Problem(405, "files are only read", headers={"Allow": "GET, HEAD"})
    headers = {"ETag": asset.etag, "Cache-Control": "no-cache"}
    if request.headers.get("if-none-match") == asset.etag:
        return Response(status_code=304, headers=headers)
    return Response(asset.content if request.method == "GET" else b"", 200, headers, asset.media)
