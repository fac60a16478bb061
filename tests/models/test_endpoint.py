"""The client of judges, against a real server that misbehaves."""

from __future__ import annotations

import collections
import json
import threading
import time
from collections.abc import Callable, Generator
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from vernier.core.errors import RecipeError, SetupError, StageError
from vernier.core.store import Store
from vernier.models.endpoint import Endpoint, Pace, Question
from vernier.testing.endpoint import Handler, answer

SECRET = "sk-very-secret-0123456789"


class Server(ThreadingHTTPServer):
    """Does with a question's n-th request what `plan` says for its prompt; `asked` counts requests by prompt."""

    daemon_threads = True

    def __init__(self) -> None:
        self.plan: dict[str, list[str]] = {}
        self.asked: collections.Counter[str] = collections.Counter()
        self.keys: set[str | None] = set()
        self.now = self.most = 0
        self.lock = threading.Lock()
        super().__init__(("127.0.0.1", 0), Bad)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/v1"


class Bad(Handler):
    server: Server

    def do_POST(self) -> None:
        prompt = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["messages"][0]["content"]
        with self.server.lock:
            number = self.server.asked[prompt]
            self.server.asked[prompt] += 1
            self.server.keys.add(self.headers.get("Authorization"))
            self.server.now += 1
            self.server.most = max(self.server.most, self.server.now)
        plan = self.server.plan.get(prompt, [])
        try:
            self._do(plan[number] if number < len(plan) else "good", prompt)
        finally:
            with self.server.lock:
                self.server.now -= 1

    def _do(self, what: str, prompt: str) -> None:
        if what.isdigit():
            self.reply(int(what), f"no: {self.headers.get('Authorization')}".encode())
        elif what == "wait":
            self.reply(429, b"slow down", Retry_After="0.2")
        elif what == "slow":
            time.sleep(0.6)
            self.close_connection = True
        elif what == "half":
            self.reply(200, answer("good")[:40])
        elif what == "short":  # the connection ends before the body that was announced
            self.send_response(200)
            self.send_header("Content-Length", "1000")
            self.end_headers()
            self.wfile.write(b"{")
            self.close_connection = True
        elif what == "closed":
            self.close_connection = True
        elif what == "other":
            self.reply(200, b'{"result": "good"}')
        elif what == "refused":
            self.reply(200, answer("", refusal="I will not"))
        elif what == "pause":
            time.sleep(0.05)
            self.reply(200, answer("good"))
        else:
            self.reply(200, answer(f"good {prompt}", tokens_in=3, tokens_out=1))


@pytest.fixture
def server() -> Generator[Server]:
    server = Server()
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(str(tmp_path / "store"))


@pytest.fixture
def endpoint(server: Server) -> Callable[..., Endpoint]:
    return lambda **more: Endpoint(**{"url": server.url, "pause_s": 0.01, "timeout_s": 0.3, "retries": 3, **more})


def ask(endpoint: Endpoint, store: Store, *prompts: str) -> list[Any]:
    return endpoint.ask([Question("judge", prompt) for prompt in prompts], store)


@pytest.mark.parametrize("trouble", ["wait", "429", "500", "503", "slow", "half", "short", "closed", "other"])
def test_what_passes_is_tried_again_and_kept(
    trouble: str, server: Server, store: Store, endpoint: Callable[..., Endpoint]
) -> None:
    server.plan["a"] = [trouble]
    begun = time.monotonic()
    assert [a.text for a in ask(endpoint(), store, "a", "b", "a")] == ["good a", "good b", "good a"]
    assert trouble != "wait" or time.monotonic() - begun >= 0.2, "Retry-After is not honoured"
    assert server.asked == {"a": 2, "b": 1}, "equal questions are asked once"
    ask(endpoint(), store, "b", "a")
    assert server.asked == {"a": 2, "b": 1}, "a second run asks nothing"


@pytest.mark.parametrize("status", ["400", "401", "403", "404"])
def test_what_can_not_pass_is_said_at_once_and_without_the_key(
    status: str, server: Server, store: Store, endpoint: Callable[..., Endpoint], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JUDGE_KEY", SECRET)
    server.plan["a"] = [status] * 9
    with pytest.raises(SetupError) as caught:
        ask(endpoint(key_variable="JUDGE_KEY"), store, "a")
    assert server.asked == {"a": 1} and server.keys == {f"Bearer {SECRET}"}
    assert status in str(caught.value) and caught.value.do and SECRET not in str(caught.value)


def test_the_key_is_nowhere_on_disk(
    server: Server, store: Store, endpoint: Callable[..., Endpoint], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JUDGE_KEY", SECRET)
    monkeypatch.setattr(Bad, "_do", lambda self, *_: self.reply(200, answer(self.headers["Authorization"])))
    assert [a.text for a in ask(endpoint(key_variable="JUDGE_KEY"), store, "a")] == ["Bearer ***"]
    files = [path for path in Path(store.url).rglob("*") if path.is_file()]
    assert files and not any(SECRET in path.read_text() for path in files)


def test_a_missing_key_and_a_key_in_the_url_are_refused(store: Store, endpoint: Callable[..., Endpoint]) -> None:
    with pytest.raises(SetupError, match="NO_SUCH_KEY"):
        ask(endpoint(key_variable="NO_SUCH_KEY"), store, "a")
    for url in ("https://me:secret@host/v1", "https://host/v1?key=secret"):
        with pytest.raises(RecipeError) as caught:
            endpoint(url=url)
        assert "secret" not in str(caught.value)


def test_an_endpoint_that_stays_away_stops_the_stage_and_costs_no_answer(
    server: Server, store: Store, endpoint: Callable[..., Endpoint]
) -> None:
    server.plan["b"] = ["500"] * 4
    with pytest.raises(StageError, match="does not answer"):
        ask(endpoint(concurrency=1), store, "a", "b", "c")
    assert server.asked["a"] == 1 and server.asked["b"] == 4
    ask(endpoint(), store, "a", "b", "c")
    assert server.asked == {"a": 1, "b": 5, "c": 1}


def test_a_refusal_is_an_answer(server: Server, store: Store, endpoint: Callable[..., Endpoint]) -> None:
    server.plan["a"] = ["refused"]
    assert ask(endpoint(), store, "a")[0].refused
    assert server.asked == {"a": 1}


def test_no_more_at_once_than_allowed(server: Server, store: Store, endpoint: Callable[..., Endpoint]) -> None:
    prompts = [str(i) for i in range(12)]
    server.plan = {prompt: ["pause"] for prompt in prompts}
    ask(endpoint(concurrency=3), store, *prompts)
    assert 1 < server.most <= 3


def test_a_damaged_answer_is_asked_again(server: Server, store: Store, endpoint: Callable[..., Endpoint]) -> None:
    ask(endpoint(), store, "a")
    (kept,) = Path(store.url).glob("answers/*/*.json")
    kept.write_bytes(kept.read_bytes()[:9])
    assert ask(endpoint(), store, "a")[0].text == "good a"
    assert server.asked == {"a": 2}


def test_pace_spreads_requests_and_tokens() -> None:
    clock = [0.0]
    pace = Pace(60, 600, now=lambda: clock[0], sleep=lambda s: clock.__setitem__(0, clock[0] + s))
    times = []
    for tokens in (1, 1, 50, 1):  # a request takes one second of the minute, 50 tokens of 600 take five
        pace.wait(tokens)
        times.append(clock[0])
    assert times == [0.0, 1.0, 2.0, 7.0]
