"""Whom a service believes after an installation."""

from __future__ import annotations

from dataclasses import replace

import pytest

from edge.deploy.keys import keys_for_service
from edge.errors import TrustError
from edge.keyring import Key

SIGNER, OTHER = Key("maker", "11" * 32, "trusted", False), Key("other", "22" * 32, "trusted", False)


def test_a_new_service_believes_the_signer_alone() -> None:
    assert keys_for_service((), (OTHER, SIGNER), SIGNER).keys == (SIGNER,)


def test_what_the_service_believed_it_believes() -> None:
    assert keys_for_service((OTHER,), (SIGNER,), SIGNER).keys == (OTHER, SIGNER)


def test_two_keys_of_one_name_are_told_apart() -> None:
    namesake = replace(OTHER, name="maker")
    names = [key.name for key in keys_for_service((namesake,), (SIGNER,), SIGNER).keys]
    assert names == ["maker", f"maker-{SIGNER.fingerprint[:8]}"]


def test_a_revocation_counts_wherever_it_was_made() -> None:
    revoked = replace(OTHER, state="revoked")
    assert keys_for_service((OTHER,), (revoked,), SIGNER).keys == (revoked, SIGNER)
    assert keys_for_service((), (revoked,), SIGNER).keys == (SIGNER, revoked)
    with pytest.raises(TrustError, match="revoked on this device"):
        keys_for_service((replace(SIGNER, state="revoked"),), (SIGNER,), SIGNER)
