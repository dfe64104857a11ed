"""Who says it: observers, algorithm and fetus of a report, as highdicom's templates. Parts of the document in."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edge.audit import UNAUTHENTICATED
from edge.reports.document import ExamDocument
from edge.reports.uids import uid_from_object
from firmware_bridge.dicom.outbox_study import MANUFACTURER

if TYPE_CHECKING:
    from highdicom.sr import AlgorithmIdentification, ObserverContext, SubjectContext


def device_observer(document: ExamDocument, bundle: str) -> ObserverContext:
    """TID 1002 and 1004: the software with its model; another bundle is another device.

    Args:
        document: of the exam.
        bundle: digest of the bundle that answered, hexadecimal.
    """
    from highdicom.sr import DeviceObserverIdentifyingAttributes, ObserverContext
    from pydicom.sr.codedict import codes

    attributes = DeviceObserverIdentifyingAttributes(
        uid=uid_from_object(bundle, "device"),
        name=f"{document.software.name} {document.software.version}",
        manufacturer_name=MANUFACTURER,
        model_name=_model(document, bundle),
    )
    return ObserverContext(codes.DCM.Device, attributes)


def person_observer(operator: str | None) -> ObserverContext | None:
    """TID 1002 and 1003: the id of who was picked at the device, as a family name; nothing where nobody was."""
    from highdicom.sr import ObserverContext, PersonObserverIdentifyingAttributes
    from pydicom.sr.codedict import codes

    if operator is None or operator == UNAUTHENTICATED:
        return None
    return ObserverContext(codes.DCM.Person, PersonObserverIdentifyingAttributes(f"{operator}^", login_name=operator))


def fetus_subject(fetus: int) -> SubjectContext:
    """TID 1006 and 1008: which fetus is spoken of."""
    from highdicom.sr import SubjectContext, SubjectContextFetus
    from pydicom.sr.codedict import codes

    return SubjectContext(codes.DCM.Fetus, SubjectContextFetus(str(fetus)))


def algorithm(document: ExamDocument, bundle: str) -> AlgorithmIdentification:
    """TID 4019: the model; its version is the digest of its bundle, since no other names its weights.

    Args:
        document: of the exam.
        bundle: digest of the bundle that answered, hexadecimal.
    """
    from highdicom.sr import AlgorithmIdentification

    measured = any(model.has_threshold for model in document.models if model.bundle == bundle)
    protocol = document.protocol
    return AlgorithmIdentification(
        name=_model(document, bundle),
        version=f"sha256:{bundle}",
        parameters=(
            f"Protocol {protocol.id}, version sha256:{protocol.sha256}",
            f"Threshold {'measured' if measured else 'not measured'}",
        ),
        manufacturer=MANUFACTURER,
    )


def _model(document: ExamDocument, bundle: str) -> str:
    """Name of the bundle that opened the exam; a later one's was not recorded."""
    is_first = document.marks is not None and bundle == document.models[0].bundle
    return document.marks.model if document.marks is not None and is_first else document.software.name
