"""The service: reads while a run is going on, health under slow connections, a run, an ingest.

    python tests/benchmarks/bench_service.py [--rows 10000000] [--part reads|slow|run|ingest]

A real `calreg serve` in a process of its own over a registry and a store in a temporary
folder; the load comes from this process over loopback, so both share the machine's cores.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import http.client
import json
import os
import secrets
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import numpy as np
from load import Answers, slow_ones, steady

CALREG = str(Path(sys.executable).with_name("calreg"))
HEADS = 17
ITEMS = 30_000
BATCH = 10_000
KEY = f"calreg_{secrets.token_urlsafe(32)}"


class Service:
    """A running service and its registry."""

    def __init__(self, folder: Path, port: int) -> None:
        self.folder, self.port = folder, port
        self._kept: http.client.HTTPConnection | None = None

    def ask(self, method: str, path: str, body: bytes = b"") -> tuple[int, dict]:
        """One request over a kept connection."""
        if self._kept is None:
            self._kept = http.client.HTTPConnection("127.0.0.1", self.port, timeout=600)
        headers = {"Authorization": f"Bearer {KEY}", "Content-Type": "application/json"}
        self._kept.request(method, path, body=body, headers=headers)
        answer = self._kept.getresponse()
        raw = answer.read()
        return answer.status, json.loads(raw) if raw else {}


@contextmanager
def serving(folder: Path) -> Iterator[Service]:
    """A service over a new registry and an empty store."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    compiled = str(Path(tempfile.gettempdir()) / "bench-compiled")
    environment = {
        **os.environ,
        "PYTHONPYCACHEPREFIX": compiled,
        "PYTHONDONTWRITEBYTECODE": "",
        "CALREG_CALIBRATE_HEADS": "true",
    }
    who = {
        f"GIT_{role}_{what}": value
        for role in ("AUTHOR", "COMMITTER")
        for what, value in (("NAME", "bench"), ("EMAIL", "bench@example.org"))
    }
    environment |= who
    subprocess.run([CALREG, "init", str(folder)], env=environment, check=True, capture_output=True)
    config = folder / "calreg.yaml"
    digest = hashlib.sha256(KEY.encode()).hexdigest()
    config.write_text(
        "calibrate_heads: true\nservice:\n  source: store\n"
        f'  keys: [{{name: bench, sha256: "{digest}"}}]\n'
    )
    words = [CALREG, "--registry", str(folder), "serve", "--port", str(port)]
    process = subprocess.Popen(words, env=environment, cwd=folder)
    service = Service(folder, port)
    try:
        deadline = time.monotonic() + 60
        while True:
            try:
                if service.ask("GET", "/health")[0] == 200:
                    break
            except OSError:
                service._kept = None
            if time.monotonic() > deadline or process.poll() is not None:
                raise SystemExit("the service did not start")
            time.sleep(0.1)
        yield service
    finally:
        process.terminate()
        process.wait(60)


def labels_of(head: int) -> list[str]:
    """Two labels for every third head, one for the others: 23 labels of 17 heads."""
    return ["yes", "no"] if head % 3 == 0 else ["yes"]


def batches(rows: int, seed: int = 1) -> Iterator[bytes]:
    """Batches of rows as a tagger sends them: item by item, all heads of each."""
    chance = np.random.default_rng(seed)
    names = [(f"h{head:02}", label) for head in range(HEADS) for label in labels_of(head)]
    per_batch = max(BATCH // len(names), 1)
    made = item = 0
    while made < rows:
        scores = np.round(chance.beta(2, 5, size=(per_batch, len(names))), 6)
        parts = [
            f'{{"item":"track-{item + number:08}","model":"bench/net","head":"{head}",'
            f'"label":"{label}","score":{score}}}'
            for number, row in enumerate(scores.tolist())
            for (head, label), score in zip(names, row, strict=True)
        ]
        made, item = made + len(parts), item + per_batch
        yield f'{{"rows":[{",".join(parts)}]}}'.encode()


def ingest(service: Service, rows: int) -> None:
    """POST rows and say how many a second were answered; making them is not counted."""
    waited = sent = 0.0
    for body in batches(rows):
        begin = time.perf_counter()
        status, answer = service.ask("POST", "/scores", body)
        waited += time.perf_counter() - begin
        if status != 200:
            raise SystemExit(f"POST /scores: {status} {answer}")
        sent += answer["accepted"]
    size = sum(file.stat().st_size for file in service.folder.glob("calreg.db*"))
    print(
        f"ingest: {sent:,.0f} rows in {waited:.1f} s: {sent / waited:,.0f} rows/s; "
        f"store of {size / 1e6:,.0f} MB"
    )


def run(service: Service) -> None:
    """A run over all that is stored, through HTTP."""
    begin = time.perf_counter()
    status, answer = service.ask("POST", "/admin/calibration/run")
    took = time.perf_counter() - begin
    if status != 200:
        raise SystemExit(f"run: {status} {answer}")
    print(f"run: {answer['summary']['total_heads']} heads in {took:.2f} s")


def _raw(path: str, *, with_key: bool) -> bytes:
    key = f"Authorization: Bearer {KEY}\r\n" if with_key else ""
    return f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n{key}\r\n".encode()


def reads(service: Service) -> None:
    """History and references at 1,000 requests a second, without and with a run beside them."""
    asked = [
        _raw("/admin/calibration/history?limit=50", with_key=True),
        _raw("/calibrations/bench/net/h03", with_key=False),
        _raw("/admin/calibration/history?head=h05&limit=50", with_key=True),
        _raw("/calibrations/bench/net/h11", with_key=False),
    ]

    async def load(seconds: float) -> Answers:
        return await steady("127.0.0.1", service.port, asked, rate=1000, seconds=seconds, users=50)

    print(f"reads, nothing else: {asyncio.run(load(5))}")

    async def beside() -> Answers:
        other = Service(service.folder, service.port)
        stop = asyncio.Event()

        def runs() -> int:
            made = 0
            while not stop.is_set():
                # Another score makes it another run: all heads are read and computed again.
                row = {"item": f"more-{made}-{time.time_ns()}", "model": "bench/net"}
                row |= {"head": "h01", "label": "yes", "score": 0.5}
                other.ask("POST", "/scores", json.dumps({"rows": [row]}).encode())
                status, answer = other.ask("POST", "/admin/calibration/run")
                if status != 200:
                    raise SystemExit(f"run: {status} {answer}")
                made += 1
            return made

        running = asyncio.create_task(asyncio.to_thread(runs))
        answers = await load(15)
        stop.set()
        print(f"runs beside: {await running}")
        return answers

    print(f"reads, runs going on: {asyncio.run(beside())}")


def slow(service: Service) -> None:
    """`/health` while 200 connections send a byte a second."""

    async def load() -> tuple[Answers, int]:
        stop = asyncio.Event()
        holding = asyncio.create_task(slow_ones("127.0.0.1", service.port, 200, stop))
        await asyncio.sleep(1)
        asked = [_raw("/health", with_key=False)]
        answers = await steady("127.0.0.1", service.port, asked, rate=100, seconds=10, users=5)
        stop.set()
        return answers, await holding

    answers, left = asyncio.run(load())
    print(f"health, 200 slow connections ({left} still open): {answers}")


def main() -> None:
    """All parts, or one."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--part", choices=["reads", "slow", "run", "ingest"])
    options = parser.parse_args()
    wanted = {options.part} if options.part else {"reads", "slow", "run", "ingest"}
    with tempfile.TemporaryDirectory() as place, serving(Path(place) / "registry") as service:
        if wanted - {"ingest", "slow"}:
            labels = sum(len(labels_of(head)) for head in range(HEADS))
            ingest(service, ITEMS * labels)
            run(service)
        if "reads" in wanted:
            reads(service)
        if "slow" in wanted:
            slow(service)
    if "ingest" in wanted:
        with tempfile.TemporaryDirectory() as place, serving(Path(place) / "registry") as service:
            ingest(service, options.rows)


if __name__ == "__main__":
    main()
