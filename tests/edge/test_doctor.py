from __future__ import annotations

from edge.doctor import findings_from_machine, packages_from_requirements
from edge.keyring import Keyring


def test_extras_are_read_from_the_requirements() -> None:
    lines = [
        "numpy>=1.24",
        'tomli>=2.0; python_version < "3.11"',
        "torch>=2.5; extra == 'compile'",
        "vmamba-edge[device]; extra == 'compile'",
        'onnx>=1.17; extra == "device"',
    ]
    assert packages_from_requirements(lines) == {"compile": ["torch"], "device": ["onnx"]}


def test_what_is_not_ok_has_a_cure(keyring: Keyring) -> None:
    for finding in findings_from_machine(keyring):
        assert (finding.status == "ok") == (finding.cure == ""), finding


def test_a_damaged_keyring_is_found_broken(keyring: Keyring) -> None:
    keyring.new("clinic")
    (keyring.home / "keys.json").write_text("{")
    (finding,) = [finding for finding in findings_from_machine(keyring) if finding.name == "keyring"]
    assert finding.status == "broken"


def test_a_keyring_with_a_key_is_ok(keyring: Keyring) -> None:
    keyring.new("clinic")
    assert [f.status for f in findings_from_machine(keyring) if f.name == "keyring"] == ["ok"]
