"""A folder of images, DICOM files and videos as a source, in path order.

A single picture is a still and never dropped; the frames of a clip come at its own rate, and the newest wins.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from edge.errors import InputError
from edge.exam_keys import ExamKey
from edge.service.frame import Frame
from edge.service.own_source import OwnSource, path_from_where
from edge.service.roi import kept_from_file
from edge.service.source_options import SourceOptions


@dataclass(frozen=True)
class FolderSource(OwnSource):
    """Every picture of a folder once.

    A file that cannot be read is passed over and told of at the end; where not one could be, by the first one's error.

    Attributes:
        folder: a folder, or one file.
        options: pace and clock.
    """

    folder: Path
    options: SourceOptions
    kind: str = "folder"
    is_live: bool = False
    reopens: bool = False
    is_screen: bool = False

    def frames(self) -> Iterator[Frame]:
        """Every picture of every file, the files `pause_s` apart unless fast.

        Raises:
            InputError: there is no picture; or, after all that could be read, some could not or show no fan where they
                must.
        """
        from edge.sources.images import files_from_path, frames_from_file

        files = files_from_path(self.folder)
        count, errors = 0, list[InputError]()
        pictures_from_file = frames_from_file if self.options.is_whole else kept_from_file
        for file in files:
            start_s = self.options.clock() + (self.options.pause_s if count else 0.0)
            try:
                key = _key_from_file(file)
                for picture in pictures_from_file(file):
                    start_s += self.options.wait_until(start_s + (picture.time_ms or 0.0) / 1e3)
                    now_s, is_still = self.options.clock(), picture.time_ms is None
                    yield Frame(picture.pixels, count, now_s, self.kind, key, is_still, machine=picture.machine)
                    count += 1
            except InputError as error:
                errors.append(error)
        if errors and count == 0:
            raise errors[0]
        if errors:
            told = f"{len(errors)} of {len(files)} files could not be used whole. The first: {errors[0].cause}"
            raise InputError(told, errors[0].cure)


def _key_from_file(file: Path) -> ExamKey | None:
    """Patient and study of a DICOM file; None for others, which tell nothing."""
    from edge.sources.dicom_key import key_from_dicom
    from edge.sources.images import kind_from_file

    return key_from_dicom(file) if kind_from_file(file) == "dicom" else None


def open_folder_source(where: str, options: SourceOptions) -> FolderSource:
    """`folder:PATH`.

    Raises:
        UsageError: no path was given.
        ImageError: nothing is there.
    """
    return FolderSource(path_from_where("folder", where), options)
