"""The whole way on a machine that has TensorRT, its headers, nvcc and a GPU: a Jetson, or a workstation."""

from __future__ import annotations

import importlib.util
import shutil
from pathlib import Path

import pytest

from edge.backends.cuda import open_cuda
from edge.errors import DeviceError
from tests.conftest import Made, edge_process

pytestmark = [pytest.mark.gpu, pytest.mark.trt]


@pytest.fixture(scope="module")
def made(request: pytest.FixtureRequest) -> Made:
    """The shipped student, compiled only where the rest can follow."""
    if importlib.util.find_spec("tensorrt") is None:
        pytest.skip("no TensorRT")
    if shutil.which("nvcc") is None:
        pytest.skip("no nvcc")
    try:
        open_cuda().close()
    except DeviceError as error:
        pytest.skip(error.cause)
    result: Made = request.getfixturevalue("shipped")
    return result


@pytest.fixture(scope="module")
def planned(made: Made, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The shipped student made for TensorRT here; its plan lies in the keyring's folder."""
    output = tmp_path_factory.mktemp("device") / "gpu.edge"
    done = edge_process(made.home, "compile", made.bundle, "-o", output, "--target", "tensorrt", "--json")
    assert done.code == 0, done.err
    assert done.document["plan_facts"]["scans"] == 6
    assert set(done.document["latency_ms"]) == {"matmul", "conv"}
    return output


def test_the_engine_answers_all_gate_frames(planned: Path, made: Made) -> None:
    done = edge_process(made.home, "verify", planned, "--json")
    assert done.code == 0, done.err
    assert done.document["backend"].startswith("tensorrt ")


def test_a_plan_alone_is_built_again_on_command(planned: Path, made: Made) -> None:
    done = edge_process(made.home, "compile", planned, "--target", "tensorrt", "--linear", "conv", "--json")
    assert done.code == 0, done.err
    assert done.document["bundle"] == str(planned)


def test_single_frames_run_as_a_recorded_graph(planned: Path, made: Made) -> None:
    from edge.keyring import Keyring
    from edge.session import open_session

    with open_session(planned, keyring=Keyring(made.home)) as session:
        assert getattr(session._backend, "is_recorded", False)
