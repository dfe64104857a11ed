"""The bill of materials of an installation, as CycloneDX: every Python package of this environment, Python, the system.

The same environment gives the same bytes: no time, and a serial number made of the content.
"""

from __future__ import annotations

import hashlib
import platform
import re
import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.metadata import Distribution, distributions
from typing import TYPE_CHECKING

from edge.doctor import DISTRIBUTION

if TYPE_CHECKING:
    from cyclonedx.model.component import Component

NAMESPACE = uuid.uuid5(uuid.NAMESPACE_URL, "urn:vmamba-edge:sbom")
RECORD_PROPERTY = "vmamba-edge:record-sha256"  # RECORD holds the digest of every installed file
LICENSE_PREFIX = "License :: "  # of a trove classifier
MAX_LICENSE = 100  # characters; some packages put the whole text where its name belongs


@dataclass(frozen=True)
class Package:
    """One installed distribution.

    Attributes:
        name: normalized, see PEP 503.
        version: as installed.
        license: what the package calls it; "" where it does not say.
        is_spdx: the licence is an SPDX expression (PEP 639).
        record: hexadecimal SHA-256 of its RECORD; "" where it has none.
    """

    name: str
    version: str
    license: str
    is_spdx: bool
    record: str


def packages_from_environment(found: Iterable[Distribution] | None = None) -> tuple[Package, ...]:
    """What is installed here, by name.

    Args:
        found: the distributions; None: all that this interpreter would import.
    """
    packages: dict[str, Package] = {}
    for distribution in distributions() if found is None else found:
        name = re.sub(r"[-_.]+", "-", distribution.metadata["Name"] or "").lower()
        if name:  # the first of a name is the one that is imported
            packages.setdefault(name, _package(name, distribution))
    return tuple(packages[name] for name in sorted(packages))


def sbom_from_packages(packages: Iterable[Package], bundle: str = "") -> bytes:
    """CycloneDX 1.6 JSON of an installation.

    Args:
        packages: what is installed.
        bundle: digest of the bundle that it runs, if one is installed.

    Source: CycloneDX specification 1.6 (ECMA-424).
    """
    from cyclonedx.model.bom import Bom
    from cyclonedx.model.component import Component, ComponentType
    from cyclonedx.output.json import JsonV1Dot6

    packages = tuple(sorted(packages, key=lambda package: package.name))
    bom = Bom()
    own = next((package.version for package in packages if package.name == DISTRIBUTION), None)
    root = bom.metadata.component = Component(
        name=DISTRIBUTION, version=own, type=ComponentType.APPLICATION, bom_ref="installation"
    )
    for package in packages:
        bom.components.add(_component(package))
    interpreter = f"{platform.python_implementation()} {platform.python_version()}"
    for name, version, kind in (
        (platform.python_implementation(), platform.python_version(), ComponentType.PLATFORM),
        (*_system(), ComponentType.OPERATING_SYSTEM),
    ):
        bom.components.add(Component(name=name, version=version, type=kind, bom_ref=name))
    if bundle:
        bom.components.add(_model(bundle))
    bom.register_dependency(root, bom.components)
    bom.serial_number = uuid.uuid5(NAMESPACE, repr((packages, interpreter, _system(), bundle)))
    return _without_time(JsonV1Dot6(bom).output_as_string())


def _package(name: str, distribution: Distribution) -> Package:
    record = distribution.read_text("RECORD")
    digest = hashlib.sha256(record.encode()).hexdigest() if record else ""
    if expression := distribution.metadata["License-Expression"]:
        return Package(name, distribution.version, expression, True, digest)
    return Package(name, distribution.version, _license(distribution), False, digest)


def _license(distribution: Distribution) -> str:
    told = distribution.metadata
    classifiers = [text for text in told.get_all("Classifier") or () if text.startswith(LICENSE_PREFIX)]
    named = [text.rpartition(" :: ")[2] for text in classifiers if text != f"{LICENSE_PREFIX}OSI Approved"]
    for text in (told["License"], "; ".join(sorted(named))):
        line = " ".join((text or "").split())
        if line and line != "UNKNOWN" and len(line) <= MAX_LICENSE:
            return line
    return ""


def _component(package: Package) -> Component:
    from cyclonedx.model import Property
    from cyclonedx.model.component import Component, ComponentType
    from cyclonedx.model.license import DisjunctiveLicense, LicenseExpression
    from packageurl import PackageURL

    told = LicenseExpression(package.license) if package.is_spdx else DisjunctiveLicense(name=package.license or "?")
    url = PackageURL("pypi", name=package.name, version=package.version)
    return Component(
        name=package.name,
        version=package.version,
        type=ComponentType.LIBRARY,
        bom_ref=str(url),
        purl=url,
        licenses=[told] if package.license else [],
        properties=[Property(name=RECORD_PROPERTY, value=package.record)] if package.record else [],
    )


def _model(digest: str) -> Component:
    from cyclonedx.model import Property
    from cyclonedx.model.component import Component, ComponentType

    properties = [Property(name="vmamba-edge:bundle-digest", value=digest)]
    kind = ComponentType.MACHINE_LEARNING_MODEL
    return Component(name="bundle", version=digest[:16], type=kind, bom_ref="bundle", properties=properties)


def _system() -> tuple[str, str]:
    try:
        release = platform.freedesktop_os_release()
    except OSError:
        return platform.system(), platform.machine()
    return release.get("ID", "linux"), release.get("VERSION_ID", "")


def _without_time(text: str) -> bytes:
    import json

    document = json.loads(text)
    document["metadata"].pop("timestamp", None)
    return (json.dumps(document, indent=1, ensure_ascii=False) + "\n").encode()
