"""The measurement would see a model that reads, and the model that ships does not."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from calibration.samples_set import gate_dataset
from edge.keyring import Keyring
from edge.session import open_session
from tests.bench.burned_in import ARMS, Read, blackened, figures_from_read, read_by_session, written_frames
from tests.conftest import Made

EVERY = 6  # images: 60 of the 361
READ = 0.01  # mean probability that a name may gain on its shuffled letters; one answer turned of a hundred


def read_of(follows: bool) -> Read:
    """Twenty images of plane 0, "1" written on each: told by its name or by nothing."""
    probabilities = np.tile([0.8, 0.2], (20, len(ARMS), 1))
    if follows:
        probabilities[:, ARMS.index("wrong name")] = [0.1, 0.9]
    patients = tuple(f"P{number}" for number in range(20))
    return Read(probabilities, np.zeros(20, np.int64), np.ones(20, np.int64), patients)


def test_a_model_that_reads_is_found_out() -> None:
    found = figures_from_read(read_of(follows=True))
    assert found["answers_changed_to_what_is_written"] == {"wrong name": 20, "letters shuffled": 0}
    assert found["probability_of_what_is_written_name_minus_shuffled"]["mean"] == 0.7
    assert found["macro_f1"]["wrong name"]["value"] == 0.0 and found["macro_f1"]["letters shuffled"]["value"] == 1.0


def test_a_model_that_does_not_read_is_not_accused() -> None:
    found = figures_from_read(read_of(follows=False))
    assert found["answers_changed"] == {"own text out": 0, "wrong name": 0, "letters shuffled": 0}
    assert found["probability_of_what_is_written_name_minus_shuffled"] == {"mean": 0.0, "interval": [0.0, 0.0]}


def test_name_and_shuffled_letters_stand_in_the_same_place_in_the_same_gray() -> None:
    black = np.zeros((180, 256), np.uint8)
    name, shuffled = written_frames(black, "FEMUR FL", np.random.default_rng(3))
    assert not np.array_equal(name, shuffled) and name.max() == shuffled.max() > 150
    rows = [np.flatnonzero(frame.any(1)) for frame in (name, shuffled)]
    assert abs(int(rows[0][0]) - int(rows[1][0])) <= 2 and abs(int(rows[0][-1]) - int(rows[1][-1])) <= 2
    inks = [float((frame > 0).sum()) for frame in (name, shuffled)]
    assert 0.9 < inks[0] / inks[1] < 1.1


def test_text_on_the_screen_goes_and_the_fan_stays() -> None:
    frame = np.zeros((180, 256), np.uint8)
    frame[20:, 60:200] = 90
    frame[10:16, 215:250:3] = 220
    gone = blackened(frame)
    assert gone[:, 200:].max() == 0
    np.testing.assert_array_equal(gone[30:, 62:198], frame[30:, 62:198])


def test_what_ships_does_not_read_planted_names(shipped: Made) -> None:
    dataset = gate_dataset(None)
    with open_session(shipped.bundle, threads=1, keyring=Keyring(shipped.home)) as session:
        read = read_by_session(session, replace(dataset, samples=dataset.samples[::EVERY]))
    found = figures_from_read(read)
    assert found["images"] >= 55
    assert abs(found["probability_of_what_is_written_name_minus_shuffled"]["mean"]) < READ
    assert found["answers_changed_to_what_is_written"]["wrong name"] == 0
