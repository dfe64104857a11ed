"""The C programs, each built once for all tests."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.firmware_bridge.cart.c_programs import driver_program, firmware


@pytest.fixture(scope="session")
def c_driver(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The library under the sanitizers, on two pipes."""
    return driver_program(tmp_path_factory.mktemp("c_driver"))


@pytest.fixture(scope="session")
def cart_process(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The reference firmware as a program."""
    return firmware(tmp_path_factory.mktemp("cart_process"), "cart")


@pytest.fixture(scope="session")
def cart_elf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The reference firmware for the Cortex-M3."""
    return firmware(tmp_path_factory.mktemp("cart_elf"), "cart.elf")
