"""The bill of materials of an installation: complete, valid, and the same for the same environment."""

from __future__ import annotations

import importlib.metadata
import json
from importlib.metadata import Distribution
from pathlib import Path
from typing import Any

import pytest

from edge.deploy.sbom import RECORD_PROPERTY, Package, packages_from_environment, sbom_from_packages
from edge.keyring import Keyring
from tests.conftest import Command, check_told
from tests.edge.conftest import MANIFEST, Maker

DIGEST = "ab" * 32


class Simulated(Distribution):
    """A distribution that consists of two texts."""

    def __init__(self, metadata: str, record: str | None = None) -> None:
        self._texts = {"METADATA": metadata, "RECORD": record}

    def read_text(self, filename: str) -> str | None:
        return self._texts.get(filename)

    def locate_file(self, path: Any) -> Any:
        return Path(path)


@pytest.fixture(scope="module")
def packages() -> tuple[Package, ...]:
    return packages_from_environment()


def test_every_installed_distribution_is_listed_with_its_version(packages: tuple[Package, ...]) -> None:
    document = json.loads(sbom_from_packages(packages, DIGEST))
    listed = {item["purl"]: item for item in document["components"] if item["type"] == "library"}
    for name in ("numpy", "onnxruntime", "vmamba-edge", "cryptography"):
        assert f"pkg:pypi/{name}@{importlib.metadata.version(name)}" in listed
    assert len(listed) >= len({found.metadata["Name"].lower() for found in importlib.metadata.distributions()}) - 1


def test_the_document_is_read_back_by_cyclonedx(packages: tuple[Package, ...]) -> None:
    from cyclonedx.model.bom import Bom

    document = json.loads(sbom_from_packages(packages, DIGEST))
    assert (document["bomFormat"], document["specVersion"]) == ("CycloneDX", "1.6")
    bom = Bom.from_json(document)  # type: ignore[attr-defined]
    assert bom is not None
    assert len(bom.components) == len(packages) + 3  # Python, the system, the bundle


def test_the_same_environment_gives_the_same_bytes(packages: tuple[Package, ...]) -> None:
    packages = packages[:20]
    assert sbom_from_packages(packages, DIGEST) == sbom_from_packages(reversed(packages), DIGEST)
    assert sbom_from_packages(packages, DIGEST) != sbom_from_packages(packages)


@pytest.mark.parametrize(
    ("lines", "license", "is_spdx"),
    [
        ("License-Expression: MIT\nLicense: something else", "MIT", True),
        ("License: BSD 3-Clause", "BSD 3-Clause", False),
        (f"License: {'whole text ' * 50}\nClassifier: License :: OSI Approved :: MIT License", "MIT License", False),
        ("License: UNKNOWN\nClassifier: License :: OSI Approved", "", False),
    ],
)
def test_a_license_is_what_the_package_says(lines: str, license: str, is_spdx: bool) -> None:
    found = Simulated(f"Metadata-Version: 2.4\nName: Some_Package\nVersion: 1.2\n{lines}\n")
    assert packages_from_environment([found]) == (Package("some-package", "1.2", license, is_spdx, ""),)


def test_the_first_of_two_of_one_name_is_the_one_that_is_imported() -> None:
    found = [Simulated(f"Metadata-Version: 2.4\nName: twice\nVersion: {number}\n") for number in (2, 1)]
    assert [package.version for package in packages_from_environment(found)] == ["2"]


def test_the_files_of_a_package_are_vouched_for_by_the_digest_of_its_record() -> None:
    found = Simulated("Metadata-Version: 2.4\nName: one\nVersion: 1\n", "one.py,sha256=abc,3\n")
    (item, *_) = json.loads(sbom_from_packages(packages_from_environment([found])))["components"]
    properties = [entry for entry in item.get("properties", ()) if entry["name"] == RECORD_PROPERTY]
    assert len(properties) == (1 if item["name"] == "one" else 0)


def test_doctor_writes_the_one_of_this_installation(
    edge: Command, packages: tuple[Package, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edge.doctor.findings_from_machine", lambda _: ())  # which takes seconds
    assert edge("doctor", "--sbom", tmp_path / "sbom.json", "--json").code == 0
    assert (tmp_path / "sbom.json").read_bytes() == sbom_from_packages(packages)


def test_inspect_takes_the_one_of_a_bundle_out_of_it(
    edge: Command, bundles: Maker, keyring: Keyring, tmp_path: Path
) -> None:
    parts = {"sbom.json": b'{"bomFormat": "CycloneDX"}'}
    bundle = bundles.pack("with.edge", MANIFEST, parts)
    done = edge("inspect", bundle, "--sbom", tmp_path / "sbom.json", home=keyring.home)
    assert done.code == 0, done.err
    assert (tmp_path / "sbom.json").read_bytes() == parts["sbom.json"]


def test_a_bundle_without_one_is_told(edge: Command, bundles: Maker, keyring: Keyring, tmp_path: Path) -> None:
    done = edge("inspect", bundles.null(), "--sbom", tmp_path / "sbom.json", home=keyring.home)
    check_told(done, 4, "no part 'sbom.json'")
