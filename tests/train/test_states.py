"""What a training keeps on the way: a kill costs little and changes nothing; lengths share their beginning."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from tests.pipeline.small import ONE, tree, write_jsonl

from vernier.core.recipe import Recipe
from vernier.core.run import Run
from vernier.core.store import Store
from vernier.corpus.read_jsonl import ReadJsonl
from vernier.models.build import Shape
from vernier.pipeline.run import run
from vernier.train.pretrain import Pretrain
from vernier.train.tokenizer import Tokenizer

SMALL = Shape(hidden=16, layers=1)
STEP = 4 * 32  # tokens


def recipe(**trainings: Pretrain) -> Recipe:
    made = Recipe("states")
    docs = made.add("docs", ReadJsonl(paths=["data/*.jsonl"]), on=ONE)
    bpe = made.add("bpe", Tokenizer(vocab=300), corpus=docs)
    for name, training in trainings.items():
        made.add(name, training, corpus=docs, tokenizer=bpe)
    return made


def training(steps: int, **more: Any) -> Pretrain:
    return Pretrain(model=SMALL, tokens=steps * STEP, context=32, batch=4, checkpoint=10, **more)


def constant(steps: int) -> Pretrain:
    return training(steps, schedule="constant", warmup=2 * STEP, decay=0.25)


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    write_jsonl(tmp_path / "data" / "docs.jsonl", range(80))
    return tmp_path


def states(folder: Path) -> list[dict[str, Any]]:
    """Step and kind of all states in a store."""
    records = (json.loads(path.read_text()) for path in (folder / ".vernier" / "units").glob("??/*/done.json"))
    facts = [record["facts"] for record in records if "lasting" in record["facts"]]
    return [{"step": found["step"], "lasting": found["lasting"]} for found in facts]


def steps_done(board: Path) -> list[int]:
    """The steps that TensorBoard shows of a training."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    shown = EventAccumulator(str(board)).Reload()
    return [e.step // STEP for e in shown.Scalars("loss")] if "loss" in shown.Tags()["scalars"] else []


def test_lengths_share_their_beginning(here: Path) -> None:
    alone = run(recipe(long=constant(20)), out="alone", quiet=True)
    assert steps_done(Path("alone/log/long")) == list(range(1, 21))
    assert states(here) == [{"step": 15, "lasting": True}]
    fresh = Recipe("fresh", store="other")
    for name, entry in recipe(short=constant(12), long=constant(20)).to_data()["stages"].items():
        fresh._put_stage(name, entry, fresh.marks)
    both = run(fresh, out="both", quiet=True)
    assert steps_done(Path("both/log/short")) == list(range(1, 13))
    assert steps_done(Path("both/log/long")) == list(range(10, 21))  # from the state behind step 9 of 12
    assert both.artifact("long").content == alone.artifact("long").content
    assert both.artifact("long").facts == alone.artifact("long").facts
    assert both.artifact("short").content != both.artifact("long").content


def test_a_shorter_one_does_not_begin_behind_its_own_decay(here: Path) -> None:
    alone = run(recipe(short=constant(12)), out="alone", quiet=True)
    os.rename(".vernier", "first")
    both = run(recipe(long=constant(20), short=constant(12)), out="both", quiet=True)
    assert both.artifact("short").content == alone.artifact("short").content


def test_a_cosine_shares_nothing_with_other_lengths(here: Path) -> None:
    run(recipe(short=training(12), long=training(20)), out="both", quiet=True)
    assert steps_done(Path("both/log/long")) == list(range(1, 21))
    assert states(here) == []


KILLED = """\
from tests.train.test_states import constant, recipe
from vernier.pipeline.run import run

if __name__ == "__main__":
    run(recipe(train=constant(30)), out="killed", quiet=True)
"""


def start(here: Path, **environment: str) -> subprocess.Popen[bytes]:
    (here / "main.py").write_text(KILLED)
    project = Path(__file__).parents[2]
    env = {**os.environ, "PYTHONPATH": f"{project}{os.pathsep}{os.environ.get('PYTHONPATH', '')}", **environment}
    return subprocess.Popen([sys.executable, "main.py"], cwd=here, env=env, start_new_session=True)


def test_killed_at_every_state_it_comes_out_the_same(here: Path) -> None:
    """SIGKILL of all processes while the first state is written, and then behind each: no step is done twice."""
    run(recipe(train=constant(30)), out="killed", quiet=True)
    clean = tree(here / ".vernier")
    os.rename(".vernier", "clean")
    done: list[int] = []
    for point in ("commit.synced", *["commit.done"] * 4):
        process = start(here, VERNIER_FAULT=f"{point}@train/0", VERNIER_FAULT_KILLS="group")
        assert process.wait(100) == -signal.SIGKILL
        done.append(max((found["step"] for found in states(here)), default=0))
    assert done == [0, 10, 20, 22, 30]  # every ten steps, and where the decay begins
    shutil.rmtree("killed/log/train")
    assert start(here).wait(100) == 0
    assert tree(here / ".vernier") == clean
    assert steps_done(Path("killed/log/train")) == []


@pytest.mark.crash
def test_killed_at_random_times_it_comes_out_the_same(here: Path) -> None:
    clean = run(recipe(train=constant(30)), out="clean", quiet=True)
    os.rename(".vernier", "first")
    chance = random.Random(5)
    for _ in range(8):
        process = start(here)
        time.sleep(chance.uniform(1.0, 6.0))
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    assert start(here).wait(60) == 0
    assert Run.open("killed").artifact("train").content == clean.nodes["train"]["content"]
    assert [found for found in states(here) if not found["lasting"]] == []


def test_what_tensorboard_shows_survives_a_kill(here: Path) -> None:
    """The steps before the state that a training goes on from stay on the board; the ones behind it come once."""
    process = start(here, VERNIER_FAULT="commit.done@train/0", VERNIER_FAULT_KILLS="group")
    assert process.wait(100) == -signal.SIGKILL
    from torch.utils.tensorboard import SummaryWriter

    with SummaryWriter("killed/log/train", purge_step=1) as writer:  # what the killed one had not written yet
        for step in range(1, 14):
            writer.add_scalar("loss", 0.0, step * STEP)
    assert start(here).wait(100) == 0
    assert steps_done(Path("killed/log/train")) == list(range(1, 31))


def test_the_end_of_one_length_leaves_the_states_of_another(here: Path) -> None:
    """A longer training is killed; a shorter one runs to its end; the longer one goes on where it was."""
    for _ in range(2):
        process = start(here, VERNIER_FAULT="commit.done@train/0", VERNIER_FAULT_KILLS="group")
        assert process.wait(100) == -signal.SIGKILL
    assert max(found["step"] for found in states(here)) == 20
    run(recipe(short=constant(12)), out="short", quiet=True)
    shutil.rmtree("killed/log/train")
    assert start(here).wait(100) == 0
    assert steps_done(Path("killed/log/train")) == list(range(21, 31))


def test_a_recomputation_begins_at_the_first_step(here: Path) -> None:
    """`verify` neither begins from a kept state nor leaves one behind."""
    from vernier.pipeline.verify import recompute

    done = run(recipe(train=constant(12)), out="run", quiet=True)
    for path in Path(".vernier/units").glob("??/*/*/state.safetensors"):
        path.write_bytes(b"whoever reads this fails")
    before = tree(here / ".vernier")
    assert [same for name, _, same in recompute(done, 100) if name == "train"] == [True]
    assert tree(here / ".vernier") == before


def test_states_are_for_prune(here: Path) -> None:
    """They are nobody's artifact: `prune` takes them, and nothing that is finished misses them."""
    from vernier.pipeline.prune import prune

    done = run(recipe(train=constant(12)), out="run", quiet=True)
    assert len(states(here)) == 1
    prune(Store(".vernier"), delete=True)
    assert states(here) == []
    assert done.artifact("train").facts["steps"] == 12
