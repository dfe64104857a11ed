"""The training loop on a few generated images: a run repeats, resumes at any step, shares its work, and is refused."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from dataclasses import replace
from datetime import timedelta
from itertools import count
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from compile.model.students import Student
from compile.training import loop
from compile.training.journal import read_records, write_record
from compile.training.loop import trained
from compile.training.recipe import Phase
from compile.training.run_state import FILE
from compile.training.workers import Workers, workers_from_environment
from edge.errors import CheckpointError, UsageError
from tests.compile.training_cases import (
    RECIPE,
    SHAPE,
    STEPS,
    are_equal,
    fresh,
    held_out_of,
    images_of,
    run,
    short,
    silent,
    weights_of,
)

ROOT = Path(__file__).parents[2]


class StoppedError(Exception):
    """A power cut, as far as the loop can tell."""


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Tensor]:
    """The weights of a run that nothing interrupted."""
    return run(tmp_path_factory.mktemp("whole"))


def stopped(folder: Path, share: float, seconds_a_step: float = 0.0) -> None:
    """A run that is cut once it has told that share; its clock goes on with every look."""

    def progress(_stage: str, done: float) -> None:
        if done >= share - 1e-9:
            raise StoppedError

    ticks = count()
    with pytest.raises(StoppedError):
        clock = lambda: next(ticks) * seconds_a_step  # noqa: E731  # a clock is a call
        trained(fresh(), images_of(), held_out_of(), RECIPE, folder, progress, clock=clock)


def gone_on(folder: Path) -> dict[str, Tensor]:
    torch.manual_seed(99)  # another process has drawn other numbers by then
    other = Student(SHAPE, classes=3, drop_path=RECIPE.drop_path)
    return weights_of(trained(other, images_of(), held_out_of(), RECIPE, folder, silent))


def test_a_run_that_was_stopped_after_an_epoch_ends_in_the_very_same_weights(
    whole: dict[str, Tensor], tmp_path: Path
) -> None:
    stopped(tmp_path, 0.5)
    assert len(read_records(tmp_path)) == 1
    assert are_equal(gone_on(tmp_path), whole)


@pytest.mark.parametrize("step", range(1, 2 * STEPS))
def test_a_run_that_was_stopped_at_any_step_ends_in_the_very_same_weights(
    whole: dict[str, Tensor], tmp_path: Path, step: int
) -> None:
    stopped(tmp_path, step / (2 * STEPS), seconds_a_step=2 * loop.SAVE_EVERY_S)  # so every step is a checkpoint
    state = torch.load(tmp_path / FILE, weights_only=True)
    assert (state["epoch"], state["step"]) == divmod(step, STEPS)
    assert are_equal(gone_on(tmp_path), whole)


def test_the_log_of_a_run_that_was_stopped_within_an_epoch_is_that_of_a_whole_one(tmp_path: Path) -> None:
    run(tmp_path / "whole")
    stopped(tmp_path / "cut", 0.8, seconds_a_step=2 * loop.SAVE_EVERY_S)
    gone_on(tmp_path / "cut")
    ours, theirs = (
        [{k: v for k, v in record.items() if k != "seconds"} for record in read_records(tmp_path / name)]
        for name in ("whole", "cut")
    )
    assert ours == theirs


KILLED = """
import os, signal, sys
from pathlib import Path
from compile.training.loop import trained
from tests.compile.training_cases import RECIPE, fresh, held_out_of, images_of

def progress(_stage, share):
    if share >= 0.6:
        os.kill(os.getpid(), signal.SIGKILL)

trained(fresh(), images_of(), held_out_of(), RECIPE, Path(sys.argv[1]), progress)
"""


def test_a_run_that_was_killed_ends_in_the_very_same_weights(whole: dict[str, Tensor], tmp_path: Path) -> None:
    environment = {**os.environ, "OMP_NUM_THREADS": str(torch.get_num_threads())}
    done = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path)], cwd=ROOT, env=environment, check=False)
    assert done.returncode == -signal.SIGKILL
    assert are_equal(gone_on(tmp_path), whole)


def test_the_same_seed_gives_the_same_weights_and_another_seed_others(whole: dict[str, Tensor], tmp_path: Path) -> None:
    assert are_equal(run(tmp_path / "same"), whole)
    assert not are_equal(run(tmp_path / "other", replace(RECIPE, seed=1)), whole)


def test_a_finished_run_is_not_trained_again(tmp_path: Path) -> None:
    first = run(tmp_path, short())
    before = (tmp_path / FILE).read_bytes()
    assert are_equal(run(tmp_path, short()), first)
    assert (tmp_path / FILE).read_bytes() == before


@pytest.mark.parametrize(("optimizer", "rate"), [("adamw", 1e-3), ("sgd", 0.1)])
def test_training_changes_every_tensor(tmp_path: Path, optimizer: str, rate: float) -> None:
    recipe = replace(RECIPE, optimizer=optimizer, lr=rate)
    start, end = weights_of(fresh(recipe)), run(tmp_path, recipe)
    assert [name for name in start if torch.equal(start[name], end[name])] == []


def test_every_epoch_is_a_line_of_the_log_and_the_last_is_scored(tmp_path: Path) -> None:
    run(tmp_path)
    lines = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert [(line["epoch"], line["size_px"]) for line in lines] == [(1, 32), (2, 64)]
    assert set(lines[0]) == {"epoch", "loss", "lr", "size_px", "seconds"}
    assert 0 <= lines[1]["macro_f1"] <= lines[1]["accuracy"] * 2 and 0 <= lines[1]["accuracy"] <= 1


def test_an_epoch_that_was_repeated_counts_as_it_ran_last(tmp_path: Path) -> None:
    for record in ({"epoch": 1, "loss": 3.0}, {"epoch": 2, "loss": 2.0}, {"epoch": 2, "loss": 1.0}):
        write_record(tmp_path, record)
    assert read_records(tmp_path) == [{"epoch": 1, "loss": 3.0}, {"epoch": 2, "loss": 1.0}]


@pytest.mark.parametrize("torn", ['{"epoch": 2, "lo', '{"epoch": 2, "loss": 2.0}'])
def test_a_line_that_a_full_disk_tore_does_not_take_others_with_it(tmp_path: Path, torn: str) -> None:
    write_record(tmp_path, {"epoch": 1, "loss": 3.0})
    with (tmp_path / "log.jsonl").open("a") as log:
        log.write(torn)
    write_record(tmp_path, {"epoch": 2, "loss": 1.0})
    assert read_records(tmp_path) == [{"epoch": 1, "loss": 3.0}, {"epoch": 2, "loss": 1.0}]


def test_tensorboard_gets_the_log_s_numbers(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard", reason="tensorboard is not installed")
    write_record(tmp_path, {"epoch": 7, "loss": 0.25})
    events = b"".join(path.read_bytes() for path in (tmp_path / "tensorboard").iterdir())
    assert b"loss" in events and b"\x00\x00\x80\x3e" in events  # 0.25, float32


def test_every_step_is_told(tmp_path: Path) -> None:
    told: list[tuple[str, float]] = []
    trained(fresh(), images_of(), held_out_of(), RECIPE, tmp_path, lambda stage, share: told.append((stage, share)))
    assert [share for _, share in told] == pytest.approx([(step + 1) / (2 * STEPS) for step in range(2 * STEPS)])
    assert told[-1][0].startswith("epoch 2/2 loss ")


def test_a_run_of_another_recipe_is_not_gone_on_with(tmp_path: Path) -> None:
    run(tmp_path, short())
    with pytest.raises(CheckpointError, match="a run of another recipe") as refusal:
        run(tmp_path)
    assert refusal.value.exit_code == 3 and "--work" in refusal.value.cure


def test_a_damaged_checkpoint_is_bad_input(tmp_path: Path) -> None:
    (tmp_path / FILE).write_bytes(b"no checkpoint")
    with pytest.raises(CheckpointError, match="cannot be read"):
        run(tmp_path)


def test_a_run_on_other_images_is_not_gone_on_with(tmp_path: Path) -> None:
    run(tmp_path, short())
    images = images_of()
    others = (replace(images, targets=images.targets.flip(0)), replace(images, squares=images.squares.flip(0)))
    for other in others:
        with pytest.raises(CheckpointError, match="a run on other images"):
            trained(fresh(), other, held_out_of(), short(), tmp_path, silent)


def test_an_older_checkpoint_that_does_not_say_its_images_is_gone_on_with(
    whole: dict[str, Tensor], tmp_path: Path
) -> None:
    stopped(tmp_path, 0.5)
    content = torch.load(tmp_path / FILE, weights_only=True)
    del content["images"]
    torch.save(content, tmp_path / FILE)
    assert are_equal(gone_on(tmp_path), whole)


def test_a_checkpoint_with_other_tensors_is_bad_input(tmp_path: Path) -> None:
    run(tmp_path, short())
    content = torch.load(tmp_path / FILE, weights_only=True)
    content["learner"].popitem()
    torch.save(content, tmp_path / FILE)
    with pytest.raises(CheckpointError, match="cannot be read"):
        run(tmp_path, short())


def test_a_loss_that_is_no_number_stops_the_run(tmp_path: Path) -> None:
    broken = fresh()
    nn.init.constant_(broken.head.bias, float("nan"))
    with pytest.raises(UsageError, match="diverged"):
        trained(broken, images_of(), held_out_of(), RECIPE, tmp_path, silent)


def test_a_gradient_that_is_no_number_stops_the_run_before_the_weights_are_lost(tmp_path: Path) -> None:
    broken = fresh()
    broken.head.bias.register_hook(lambda gradient: gradient * float("nan"))
    with pytest.raises(UsageError, match="gradient's norm is nan: training has diverged"):
        trained(broken, images_of(), held_out_of(), RECIPE, tmp_path, silent)
    assert all(bool(torch.isfinite(value).all()) for value in broken.parameters())


SHARED = """
import os, sys
from pathlib import Path
import torch
from compile.training.loop import trained
from compile.training.workers import workers_from_environment
from tests.compile.training_cases import RECIPE, fresh, held_out_of, images_of, short, silent

torch.set_num_threads(1)
with workers_from_environment(os.environ) as workers:
    model = fresh()
    average = trained(model, images_of(), held_out_of(), short(), Path(sys.argv[1]), silent, workers=workers)
    parameters = {name: value.detach().clone() for name, value in model.named_parameters()}
    torch.save((parameters, average.state_dict()), Path(sys.argv[1]) / f"rank{workers.rank}.pt")
"""


def test_two_processes_share_a_batch_and_keep_the_same_weights(tmp_path: Path) -> None:
    common = {**os.environ, "WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_port())}
    started = [
        subprocess.Popen(
            [sys.executable, "-c", SHARED, str(tmp_path)],
            cwd=ROOT,
            env={**common, "RANK": str(rank), "LOCAL_RANK": str(rank)},
        )
        for rank in range(2)
    ]
    assert [process.wait(timeout=300) for process in started] == [0, 0]
    ours, theirs = (torch.load(tmp_path / f"rank{rank}.pt", weights_only=True)[0] for rank in range(2))
    assert are_equal(ours, theirs)
    assert not are_equal(ours, {name: value.detach() for name, value in fresh().named_parameters()})
    assert len((tmp_path / "log.jsonl").read_text().splitlines()) == 1  # one of them writes


def free_port() -> int:
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_more_processes_than_images_a_step_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be shared by 6"):
        trained(fresh(), images_of(), held_out_of(), RECIPE, tmp_path, silent, workers=Workers(0, 6))


def test_processes_wait_for_hours_where_one_makes_views(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MASTER_ADDR", "127.0.0.1")
    monkeypatch.setenv("MASTER_PORT", str(free_port()))
    with workers_from_environment({"WORLD_SIZE": "1", "RANK": "0", "LOCAL_RANK": "0"}) as workers:
        group = torch.distributed.group.WORLD
        assert group is not None and group._get_backend(workers.device).options._timeout >= timedelta(hours=12)


def test_half_of_torchrun_is_a_usage_error() -> None:
    with pytest.raises(UsageError, match="RANK"), workers_from_environment({"WORLD_SIZE": "2"}):
        pass


def test_torchrun_s_address_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MASTER_ADDR", raising=False)
    environment = {"WORLD_SIZE": "1", "RANK": "0", "LOCAL_RANK": "0"}
    with pytest.raises(UsageError, match="MASTER_ADDR"), workers_from_environment(environment):
        pass


def test_one_image_a_step_is_refused_where_a_normalisation_would_see_one_pixel(tmp_path: Path) -> None:
    single = replace(RECIPE, batch=1)
    with pytest.raises(UsageError, match="of 32 px"):
        trained(fresh(), images_of(), held_out_of(), single, tmp_path, silent)
    with pytest.raises(UsageError, match="of 32 px"):
        trained(fresh(), images_of(), held_out_of(), RECIPE, tmp_path, silent, workers=Workers(0, 3))


def test_phases_follow_each_other() -> None:
    recipe = replace(RECIPE, phases=(Phase(2, 32), Phase(1, 64)))
    assert [recipe.input_px(epoch) for epoch in range(4)] == [32, 32, 64, 64]
    assert (recipe.epochs, recipe.size_px) == (3, 64)
