"""Where frames come from: images, folders, DICOM files, videos."""
