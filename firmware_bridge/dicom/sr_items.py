"""Content items of structured reports: a concept and a value in, a dataset out.

A concept is (value, scheme, meaning). Codes of this project have the scheme 99VMEDGE: no SNOMED or LOINC code means
"the machine took this frame for that plane", and a code that says more than was done would be a finding.

Source: DICOM PS3.3 C.17.3.2 (document content), C.18 (value types), 8.8 (codes).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from firmware_bridge.dicom.outbox_study import MAX_LO, MAX_SH

if TYPE_CHECKING:
    from pydicom import Dataset

Concept = tuple[str, str, str]  # value, scheme, meaning

OWN = "99VMEDGE"  # private scheme: "99" and a name, PS3.16 section 8.2
CONTAINS, CONTEXT, MODIFIER, ACQUISITION = "CONTAINS", "HAS OBS CONTEXT", "HAS CONCEPT MOD", "HAS ACQ CONTEXT"


def own(value: str, meaning: str) -> Concept:
    """A concept of this project."""
    return (value, OWN, meaning)


def own_scheme() -> Dataset:
    """What the private scheme is, for whoever reads the report later.

    Source: DICOM PS3.3 C.12.1.1.7.
    """
    from pydicom import Dataset

    item = Dataset()
    item.CodingSchemeDesignator, item.CodingSchemeName = (
        OWN,
        "vmamba-edge: ids of its plane protocols and its own terms",
    )
    item.CodingSchemeResponsibleOrganization = "vmamba-edge (research software)"
    return item


def code(concept: Concept) -> Dataset:
    """A code as the item of a code sequence; a long value goes where long ones go."""
    from pydicom import Dataset

    value, scheme, meaning = concept
    item = Dataset()
    if len(value) <= MAX_SH:
        item.CodeValue = value
    else:
        item.LongCodeValue = value
    item.CodingSchemeDesignator, item.CodeMeaning = scheme, meaning.replace("\\", "/")[:MAX_LO]
    return item


def text_item(relationship: str, concept: Concept, value: str) -> Dataset:
    """TEXT; of no length limit that a checklist could meet."""
    item = _item(relationship, concept, "TEXT")
    item.TextValue = value
    return item


def code_item(relationship: str, concept: Concept, value: Concept) -> Dataset:
    """CODE."""
    item = _item(relationship, concept, "CODE")
    item.ConceptCodeSequence = [code(value)]
    return item


def uid_item(relationship: str, concept: Concept, value: str) -> Dataset:
    """UIDREF."""
    item = _item(relationship, concept, "UIDREF")
    item.UID = value
    return item


def person_item(relationship: str, concept: Concept, value: str) -> Dataset:
    """PNAME."""
    item = _item(relationship, concept, "PNAME")
    item.PersonName = value
    return item


def image_item(relationship: str, concept: Concept, sop_class: str, uid: str) -> Dataset:
    """IMAGE: a reference."""
    from pydicom import Dataset

    item, reference = _item(relationship, concept, "IMAGE"), Dataset()
    reference.ReferencedSOPClassUID, reference.ReferencedSOPInstanceUID = sop_class, uid
    item.ReferencedSOPSequence = [reference]
    return item


def container(
    relationship: str | None, concept: Concept, content: Iterable[Dataset], template: str | None = None
) -> Dataset:
    """CONTAINER.

    Args:
        relationship: to its parent; None for a document's root.
        concept: what it holds.
        content: its items.
        template: number of the template of PS3.16 that it follows, where it is the first item of one.
    """
    from pydicom import Dataset

    item = _item(relationship, concept, "CONTAINER")
    item.ContinuityOfContent = "SEPARATE"
    if template is not None:
        name = Dataset()
        name.MappingResource, name.TemplateIdentifier = "DCMR", template
        item.ContentTemplateSequence = [name]
    item.ContentSequence = list(content)
    return item


def _item(relationship: str | None, concept: Concept, kind: str) -> Dataset:
    from pydicom import Dataset

    item = Dataset()
    if relationship is not None:
        item.RelationshipType = relationship
    item.ValueType, item.ConceptNameCodeSequence = kind, [code(concept)]
    return item
