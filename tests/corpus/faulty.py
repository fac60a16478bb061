"""Stores that fail: a file system of our own, and a proxy before a real server."""

from __future__ import annotations

import http.client
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar
from urllib.parse import urlsplit

from fsspec.implementations.memory import MemoryFileSystem
from fsspec.spec import AbstractBufferedFile, AbstractFileSystem

Fault = Callable[[int], str]  # number of the request, from 0 -> "ok", "error", "short", "cut", "slow"


class FaultyError(Exception):
    """As object stores have them: no OSError."""


class FaultyFileSystem(AbstractFileSystem):
    """What the memory file system holds, with `fault` asked before each look-up and each range."""

    protocol = "faulty"
    cachable = False
    fault: ClassVar[Fault] = staticmethod(lambda number: "ok")
    requests: ClassVar[list[str]] = []

    @classmethod
    def plan(cls, fault: Fault) -> None:
        cls.fault, cls.requests = staticmethod(fault), []

    @classmethod
    def ask(cls, what: str) -> str:
        cls.requests.append(what)
        answer = cls.fault(len(cls.requests) - 1)
        if answer == "error":
            raise FaultyError("500 from the store")
        if answer == "reset":
            raise ConnectionResetError("connection reset by the store")
        return answer

    def info(self, path: str, **_: Any) -> Any:
        self.ask(f"info {path}")
        return MemoryFileSystem().info(self._strip_protocol(path))

    def ls(self, path: str, detail: bool = True, **_: Any) -> Any:
        self.ask(f"ls {path}")
        return MemoryFileSystem().ls(self._strip_protocol(path), detail=detail)

    @classmethod
    def _strip_protocol(cls, path: str) -> str:
        return "/" + path.removeprefix("faulty://").strip("/")

    def checksum(self, path: str) -> Any:
        return MemoryFileSystem().cat_file(self._strip_protocol(path)).__hash__()

    def _open(self, path: str, mode: str = "rb", **_: Any) -> Any:
        return FaultyFile(self, path, mode, block_size=500)


class FaultyFile(AbstractBufferedFile):
    def _fetch_range(self, start: int, end: int) -> bytes:
        answer = FaultyFileSystem.ask(f"range {start}")
        data = MemoryFileSystem().cat_file(self.path, start, end)
        return {"short": data[: len(data) // 2], "empty": b""}.get(answer, data)


class Proxy:
    """Passes requests on to a server; of each GET of an object `fault` says what becomes of it."""

    def __init__(self, upstream: str) -> None:
        self.fault: Fault = lambda number: "ok"
        self.requests, self.down = 0, False
        proxy, target = self, urlsplit(upstream)

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, format: str, *args: Any) -> None:
                pass

            def do_GET(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                server = http.client.HTTPConnection(target.hostname or "", target.port)
                server.request(self.command, self.path, body, dict(self.headers))
                answer = server.getresponse()
                data = answer.read()
                fault = "ok"
                if self.command == "GET" and "." in self.path.split("?")[0]:
                    fault = proxy.fault(proxy.requests)
                    proxy.requests += 1
                if fault == "error" or proxy.down:
                    self.send_response(500)
                    self.send_header("Content-Length", "0")
                    self.end_headers()
                    return
                self.send_response(answer.status)
                for name, value in answer.getheaders():
                    if name.lower() not in ("connection", "transfer-encoding", "content-length"):
                        self.send_header(name, value)
                length = answer.getheader("Content-Length") if self.command == "HEAD" else str(len(data))
                self.send_header("Content-Length", length or "0")
                self.end_headers()
                if self.command == "HEAD":
                    return
                if fault == "cut":
                    self.wfile.write(data[: len(data) // 2])
                    self.close_connection = True
                elif fault == "slow":
                    for at in range(0, len(data), 1 + len(data) // 20):
                        self.wfile.write(data[at : at + 1 + len(data) // 20])
                        self.wfile.flush()
                        threading.Event().wait(0.01)
                else:
                    self.wfile.write(data)

            do_HEAD = do_PUT = do_POST = do_DELETE = do_GET

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def plan(self, fault: Fault) -> None:
        self.fault, self.requests = fault, 0

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


def every(number: int, fault: str) -> Fault:
    """That fault at each `number`-th request."""
    return lambda at: fault if at % number == 0 else "ok"


def cycle(faults: list[str]) -> Fault:
    return lambda at: faults[at % len(faults)]
