"""What a bundle was built from and with, as CycloneDX: model, calibration data, packages of this environment."""

from __future__ import annotations

import re
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, requires, version

from compile.model.spec import ModelSpec

DISTRIBUTION = "vmamba-edge"


def sbom_from_build(spec: ModelSpec, digests: Mapping[str, str]) -> bytes:
    """CycloneDX 1.6 JSON of a build.

    Args:
        spec: the model.
        digests: role -> sha256 of the files it was made from.

    Source: CycloneDX specification 1.6 (ECMA-424).
    """
    from cyclonedx.model import HashAlgorithm, HashType
    from cyclonedx.model.bom import Bom
    from cyclonedx.model.component import Component, ComponentType
    from cyclonedx.output.json import JsonV1Dot6

    bom = Bom()
    root = bom.metadata.component = Component(name=spec.name, type=ComponentType.MACHINE_LEARNING_MODEL)
    for role, digest in sorted(digests.items()):
        hashes = [HashType(alg=HashAlgorithm.SHA_256, content=digest)]
        bom.components.add(Component(name=role, type=ComponentType.DATA, hashes=hashes))
    for name, number in sorted(tool_versions().items()):
        bom.components.add(Component(name=name, version=number, type=ComponentType.LIBRARY))
    bom.register_dependency(root, bom.components)
    return JsonV1Dot6(bom).output_as_string(indent=1).encode()


def tool_versions() -> dict[str, str]:
    """Versions of this project and of the packages it names that are installed here."""
    names = {
        DISTRIBUTION,
        *(re.split(r"[^A-Za-z0-9._-]", line, maxsplit=1)[0] for line in requires(DISTRIBUTION) or ()),
    }
    versions = {}
    for name in names:
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            continue
    return versions
