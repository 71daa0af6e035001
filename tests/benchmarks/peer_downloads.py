"""How well-known downloaders fetch many small files, with the site's own files.

Run by `bench_site.py` with the Python of an environment that has pooch and huggingface_hub:

    python peer_downloads.py FOLDER

FOLDER holds the files; a server of its own on loopback serves them, to huggingface_hub in the
way of its hub. Prints one line per downloader.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
import tempfile
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.metadata import version
from pathlib import Path

COMMIT = "0" * 40


class Hub(BaseHTTPRequestHandler):
    """Enough of a hub: the listing of one repository, and its files by commit."""

    protocol_version = "HTTP/1.1"
    root: Path
    names: tuple[str, ...]

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base's name
        """Stay quiet."""

    def do_GET(self) -> None:
        """Answer with a file or a listing."""
        self._serve(with_body=True)

    def do_HEAD(self) -> None:
        """Answer with what is known of a file."""
        self._serve(with_body=False)

    def _about(self, name: str) -> dict[str, object]:
        size = (self.root / name).stat().st_size
        return {"type": "file", "path": name, "size": size, "oid": COMMIT}

    def _serve(self, *, with_body: bool) -> None:
        path = self.path.partition("?")[0]
        if "/tree/" in path:
            body = json.dumps([self._about(name) for name in self.names]).encode()
        elif path.startswith("/api/models/"):
            files = [{"rfilename": name} for name in self.names]
            flags = {"private": False, "gated": False, "disabled": False, "tags": []}
            found = {"id": "me/refs", "sha": COMMIT, "siblings": files, **flags}
            body = json.dumps({**found, "downloads": 0, "likes": 0}).encode()
        else:
            body = (self.root / path.rpartition(f"/resolve/{COMMIT}/")[2].lstrip("/")).read_bytes()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("X-Repo-Commit", COMMIT)
        self.send_header("ETag", f'"{hashlib.sha256(body).hexdigest()}"')
        self.end_headers()
        if with_body:
            self.wfile.write(body)


def hub_seconds(url: str) -> float:
    """A snapshot of the repository into an empty cache."""
    os.environ |= {"HF_ENDPOINT": url, "HF_HUB_DISABLE_XET": "1", "HF_HUB_DISABLE_TELEMETRY": "1",
                   "HF_HUB_DISABLE_PROGRESS_BARS": "1"}  # fmt: skip
    from huggingface_hub import snapshot_download

    with tempfile.TemporaryDirectory() as cache:
        begin = time.perf_counter()
        snapshot_download("me/refs", cache_dir=cache)
        return time.perf_counter() - begin


def pooch_seconds(url: str, root: Path, names: tuple[str, ...]) -> float:
    """Every file by name and digest, one after the other, as pooch does it."""
    import pooch

    pooch.get_logger().setLevel("ERROR")
    digests = {n: hashlib.sha256((root / n).read_bytes()).hexdigest() for n in names}
    with tempfile.TemporaryDirectory() as cache:
        fetcher = pooch.create(path=cache, base_url=f"{url}/", registry=digests)
        begin = time.perf_counter()
        for name in names:
            fetcher.fetch(name)
        return time.perf_counter() - begin


def main(root: Path) -> None:
    """Print what each took."""
    names = tuple(
        sorted(str(p.relative_to(root)) for p in root.rglob("*-calibration.json") if p.is_file())
    )
    handler = type("Files", (Hub,), {"root": root, "names": names})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_address[1]}"
    pooch_s = pooch_seconds(url, root, names)
    print(f"pooch {version('pooch')}: {len(names)} files {pooch_s:.2f} s")
    hub_s = hub_seconds(url)
    print(f"huggingface_hub {version('huggingface_hub')}: {len(names)} files {hub_s:.2f} s")
    server.shutdown()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
