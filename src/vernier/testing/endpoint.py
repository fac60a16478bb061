"""A judge on this machine, over real HTTP: what it answers depends on what it was asked and nothing else."""

from __future__ import annotations

import functools
import hashlib
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

LINES = ("professionalism", "readability", "reasoning", "cleanliness")


def answer(text: str, *, tokens_in: int = 0, tokens_out: int = 0, **message: Any) -> bytes:
    """The body of a whole answer."""
    choice = {"index": 0, "message": {"role": "assistant", "content": text, **message}, "finish_reason": "stop"}
    usage = {"prompt_tokens": tokens_in, "completion_tokens": tokens_out}
    return json.dumps({"object": "chat.completion", "choices": [choice], "usage": usage}).encode()


def verdict(prompt: str) -> str:
    """What the toy judge says: a letter to a question of pairs, else four ratings; now and then nothing readable."""
    drawn = hashlib.blake2b(prompt.encode(), digest_size=8).digest()
    if drawn[7] % 8 == 0:
        return "It depends."
    if "A or B" in prompt:
        return "AB"[drawn[0] % 2]
    return "\n".join(f"{name}: {byte % 6}" for name, byte in zip(LINES, drawn, strict=False))


class Handler(BaseHTTPRequestHandler):
    """Answers every question at once."""

    protocol_version = "HTTP/1.1"
    wbufsize = -1  # head and body leave together: apart, the second waits for an acknowledgement

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        prompt = asked["messages"][0]["content"]
        self.reply(200, answer(verdict(prompt), tokens_in=len(prompt) // 4, tokens_out=8))

    def reply(self, status: int, body: bytes, **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


@functools.lru_cache(1)
def toy_endpoint() -> str:
    """The URL of a toy judge, started when first asked for; it ends with the process."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return f"http://127.0.0.1:{server.server_address[1]}/v1"
