"""DICOM: what a scanner sends goes to the plane check; reports and key images go to the archive."""
