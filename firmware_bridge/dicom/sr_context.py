"""Who says it: the observers of a report, the algorithm, the fetus. Parts of the document in, content items out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edge.audit import UNAUTHENTICATED
from edge.reports.document import ExamDocument
from edge.reports.uids import uid_from_object
from firmware_bridge.dicom.outbox_study import MANUFACTURER
from firmware_bridge.dicom.sr_items import CONTEXT, MODIFIER, code_item, person_item, text_item, uid_item

if TYPE_CHECKING:
    from pydicom import Dataset

OBSERVER_TYPE = ("121005", "DCM", "Observer Type")
PERSON, DEVICE = ("121006", "DCM", "Person"), ("121007", "DCM", "Device")
PERSON_NAME, PERSON_LOGIN = ("121008", "DCM", "Person Observer Name"), ("128774", "DCM", "Person Observer's Login Name")
DEVICE_UID, DEVICE_NAME = ("121012", "DCM", "Device Observer UID"), ("121013", "DCM", "Device Observer Name")
DEVICE_MAKER = ("121014", "DCM", "Device Observer Manufacturer")
DEVICE_MODEL = ("121015", "DCM", "Device Observer Model Name")
LANGUAGE = ("121049", "DCM", "Language of Content Item and Descendants")
ENGLISH = ("en", "RFC5646", "English")
SUBJECT_CLASS, FETUS = ("121024", "DCM", "Subject Class"), ("83418008", "SCT", "Fetus")
SUBJECT_ID = ("121030", "DCM", "Subject ID")
ALGORITHM_NAME, ALGORITHM_VERSION = ("111001", "DCM", "Algorithm Name"), ("111003", "DCM", "Algorithm Version")
ALGORITHM_PARAMETERS = ("111002", "DCM", "Algorithm Parameters")
ALGORITHM_MAKER = ("122405", "DCM", "Algorithm Manufacturer")


def language() -> Dataset:
    """TID 1204; the Chinese words stand beside the English ones."""
    return code_item(MODIFIER, LANGUAGE, ENGLISH)


def device_observer(document: ExamDocument, bundle: str) -> list[Dataset]:
    """TID 1002 and 1004: the software with its model; another bundle is another device.

    Args:
        document: of the exam.
        bundle: digest of the bundle that answered, hexadecimal.
    """
    return [
        code_item(CONTEXT, OBSERVER_TYPE, DEVICE),
        uid_item(CONTEXT, DEVICE_UID, uid_from_object(bundle, "device")),
        text_item(CONTEXT, DEVICE_NAME, f"{document.software.name} {document.software.version}"),
        text_item(CONTEXT, DEVICE_MAKER, MANUFACTURER),
        text_item(CONTEXT, DEVICE_MODEL, _model(document, bundle)),
    ]


def person_observer(operator: str | None) -> list[Dataset]:
    """TID 1002 and 1003: the id of who was picked at the device, as a family name; nothing where nobody was."""
    if operator is None or operator == UNAUTHENTICATED:
        return []
    return [
        code_item(CONTEXT, OBSERVER_TYPE, PERSON),
        person_item(CONTEXT, PERSON_NAME, f"{operator}^"),
        text_item(CONTEXT, PERSON_LOGIN, operator),
    ]


def fetus_subject(fetus: int) -> list[Dataset]:
    """TID 1006 and 1008: which fetus the items below speak of."""
    return [code_item(CONTEXT, SUBJECT_CLASS, FETUS), text_item(CONTEXT, SUBJECT_ID, str(fetus))]


def algorithm(document: ExamDocument, bundle: str) -> list[Dataset]:
    """TID 4019: the model; its version is the digest of its bundle, since no other names its weights.

    Args:
        document: of the exam.
        bundle: digest of the bundle that answered, hexadecimal.
    """
    uses = [model for model in document.models if model.bundle == bundle]
    measured = any(model.has_threshold for model in uses)
    protocol = document.protocol
    return [
        text_item(MODIFIER, ALGORITHM_NAME, _model(document, bundle)),
        text_item(MODIFIER, ALGORITHM_VERSION, f"sha256:{bundle}"),
        text_item(MODIFIER, ALGORITHM_MAKER, MANUFACTURER),
        text_item(MODIFIER, ALGORITHM_PARAMETERS, f"Protocol {protocol.id}, version sha256:{protocol.sha256}"),
        text_item(MODIFIER, ALGORITHM_PARAMETERS, f"Threshold {'measured' if measured else 'not measured'}"),
    ]


def _model(document: ExamDocument, bundle: str) -> str:
    """Name of the bundle that opened the exam; a later one's was not recorded."""
    is_first = document.marks is not None and bundle == document.models[0].bundle
    return document.marks.model if document.marks is not None and is_first else document.software.name
