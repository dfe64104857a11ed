"""The structured report as its readers see it: pydicom, highdicom, dciodvfy, dsrdump."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pydicom import Dataset, dcmread

from edge.protocol import load_protocol
from edge.reports.gather import Report
from edge.reports.uids import uid_from_object
from firmware_bridge.dicom.outbox_study import facts_from_document, part10_from_dataset
from firmware_bridge.dicom.sr import COMPREHENSIVE_SR
from tests.edge.reports.exams import DEMO_MARKS
from tests.firmware_bridge.dicom.finished import CHINESE, errors_of, finished, named, peer_text, sr_of

Item = tuple[str, str, Any]  # path of concept meanings, relationship, value


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Report:
    return finished(tmp_path_factory.mktemp("exam"), fetuses=2)


@pytest.fixture(scope="module")
def data(report: Report) -> Dataset:
    return sr_of(report)


@pytest.fixture(scope="module")
def written(data: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("sr") / "sr.dcm"
    path.write_bytes(part10_from_dataset(data))
    return path


def items(node: Dataset, path: str = "") -> Iterator[Item]:
    """All content items below a container."""
    for item in node.get("ContentSequence", ()):
        here = f"{path}/{item.ConceptNameCodeSequence[0].CodeMeaning}"
        code = item.get("ConceptCodeSequence")
        value = item.get("TextValue") or item.get("UID") or item.get("PersonName") or (code and code[0].CodeMeaning)
        yield here, str(item.RelationshipType), value
        yield from items(item, here)


def templates(node: Dataset) -> Iterator[Dataset]:
    """The templates that the containers say they follow."""
    yield from node.get("ContentTemplateSequence", ())
    for item in node.get("ContentSequence", ()):
        yield from templates(item)


def group(data: Dataset, name: str) -> Dataset:
    """The measurement group of a plane."""
    measurements = next(one for one in data.ContentSequence if one.ConceptNameCodeSequence[0].CodeValue == "126010")
    return next(one for one in measurements.ContentSequence if one.ContentSequence[0].TextValue == name)


def said(node: Dataset) -> dict[str, Any]:
    return {path.rsplit("/", 1)[1]: value for path, _, value in items(node)}


@pytest.mark.peer
def test_dciodvfy_finds_no_error(written: Path) -> None:
    assert errors_of(written) == []
    assert "ComprehensiveSR" in peer_text("dciodvfy", written)


@pytest.mark.peer
def test_dciodvfy_finds_no_error_in_the_largest_and_the_emptiest_exam(tmp_path: Path) -> None:
    large = finished(
        tmp_path / "a", protocol=load_protocol("prenatal21"), fetuses=3, marks=DEMO_MARKS, reason="x\\y 胎位"
    )
    empty = finished(tmp_path / "b", marks=None, ended=False)
    empty = replace(empty, document=replace(empty.document, pictures=(), operator="unauthenticated"))
    for report in (large, empty):
        path = tmp_path / f"{report.document.exam}.dcm"
        path.write_bytes(part10_from_dataset(sr_of(report)))
        assert errors_of(path) == []
        assert "\nE: " not in peer_text("dsrdump", path)


@pytest.mark.peer
def test_dsrdump_reads_it_with_its_chinese_name(written: Path) -> None:
    text = peer_text("dsrdump", "+Pl", written)
    assert CHINESE in text
    assert 'CONTAINER:(,,"Imaging Measurement Report")' in text
    assert "not for clinical decisions" in text
    assert "\nE: " not in text


def test_highdicom_finds_a_measurement_report_with_its_groups(written: Path) -> None:
    from highdicom.sr import MeasurementReport, srread

    content = MeasurementReport.from_sequence([srread(written).content[0]])
    groups = content.get_image_measurement_groups()
    assert len(groups) == 14
    assert {one.tracking_identifier for one in groups} >= {"1/femur", "2/femur"}


def test_a_captured_plane_names_its_algorithm_and_its_step(report: Report, data: Dataset) -> None:
    row = report.document.rows[0]
    told = said(group(data, f"1/{row.plane}"))
    assert told["Algorithm Name"] == "fetal-planes"
    assert told["Algorithm Version"] == f"sha256:{'b' * 64}"
    assert told["Confidence step"] == "high / 高"
    assert told["State on the checklist"] == "captured / 已采集"
    assert told["Device Observer Name"].startswith("vmamba-edge ")
    assert "Person Observer Name" not in told


def test_a_plane_that_a_person_marked_names_the_person_and_no_algorithm(report: Report, data: Dataset) -> None:
    row = next(row for row in report.document.rows if row.state == "not_obtainable")
    told = said(group(data, f"1/{row.plane}"))
    assert told["Person Observer Name"] == "op9^"
    assert told["Why it was not obtainable"] == "fetal position 胎位"
    assert "Algorithm Name" not in told
    assert "Device Observer UID" not in told


def test_every_referenced_image_is_evidence_and_has_the_uid_of_the_fhir_file(report: Report, data: Dataset) -> None:
    series = data.CurrentRequestedProcedureEvidenceSequence[0].ReferencedSeriesSequence[0]
    evidence = {one.ReferencedSOPInstanceUID for one in series.ReferencedSOPSequence}
    assert evidence == {uid_from_object(report.document.exam, f"frame/{frame}") for frame in report.jpegs}
    text = data.to_json()
    assert all(uid in text for uid in evidence)


def test_it_never_rates_what_a_picture_shows(data: Dataset) -> None:
    concepts = [path.rsplit("/", 1)[1] for path, _, _ in items(data)]
    codes = [value for _, _, value in items(data) if isinstance(value, str)]
    assert not any("ormal" in concept for concept in concepts)
    assert [value for value in codes if "ormal" in value] == [
        "Which planes were stored. It says nothing about normal or abnormal."
    ]
    assert {one.TemplateIdentifier for one in templates(data)} == {"1500", "1501"}
    assert not any("%" in value or "0.9" in value for value in codes)


def test_research_use_stands_in_both_languages(report: Report, data: Dataset) -> None:
    comments = [value for path, _, value in items(data) if "Comment" in path]
    assert report.document.research_use.en in comments
    assert report.document.research_use.zh in comments


def test_a_watermark_and_a_demonstration_are_told(tmp_path: Path) -> None:
    report = finished(tmp_path, marks=DEMO_MARKS)
    comments = [value for path, _, value in items(sr_of(report)) if "Comment" in path]
    assert "SYNTHETIC: trained on phantoms" in comments
    assert "DEMONSTRATION: not a patient's examination." in comments


def test_the_same_exam_is_the_same_object_byte_for_byte(report: Report, data: Dataset) -> None:
    assert part10_from_dataset(sr_of(report)) == part10_from_dataset(data)


def test_another_content_is_another_object_of_the_same_series(report: Report, data: Dataset) -> None:
    rows = (replace(report.document.rows[0], state="confirmed"), *report.document.rows[1:])
    other = sr_of(replace(report, document=replace(report.document, rows=rows)))
    assert data.SOPInstanceUID != other.SOPInstanceUID
    assert data.SeriesInstanceUID == other.SeriesInstanceUID


def test_nothing_of_it_is_complete_or_verified(data: Dataset) -> None:
    flags = (data.CompletionFlag, data.VerificationFlag, data.PreliminaryFlag)
    assert flags == ("PARTIAL", "UNVERIFIED", "PRELIMINARY")


def test_an_exam_without_a_name_has_an_empty_one_and_not_a_made_up_one(report: Report) -> None:
    data = sr_of(report, facts_from_document(report.document))
    assert str(data.PatientName) == ""
    assert data.PatientID == "HN-2201"
    assert data.AccessionNumber == "ACC-77"
    assert data.SOPClassUID == COMPREHENSIVE_SR


def test_a_name_of_one_part_is_sent_as_it_was_received_and_nobody_is_told_of_it(
    report: Report, caplog: pytest.LogCaptureFixture
) -> None:
    assert str(sr_of(report, named(report, name="Zhang")).PatientName) == "Zhang"
    assert "Zhang" not in caplog.text


def test_it_holds_no_time_but_the_exams_and_names_no_other_software(data: Dataset) -> None:
    assert (data.ContentDate, data.ContentTime) == (data.InstanceCreationDate, data.InstanceCreationTime)
    assert (data.ContentDate, data.ContentTime) == ("20261121", "100900")
    assert "highdicom" not in data.to_json()
    assert b"highdicom" not in part10_from_dataset(data)


def test_chinese_comes_back_as_it_was(written: Path) -> None:
    data = dcmread(written)
    assert data.SpecificCharacterSet == "ISO_IR 192"
    assert str(data.PatientName) == CHINESE
