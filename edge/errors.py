"""The one exception tree of the project, grouped by who can act.

::

    EdgeError                    cause + cure, exit code
    |-- MachineError        1    disk, memory, a process that was killed     -> whoever owns the machine
    |   `-- PeerError              another process or device does not answer; trying again may help
    |-- UsageError          2    a command or call that cannot mean anything -> whoever typed it
    |-- InputError          3    a file that does not hold what it should
    |   |-- ImageError             frame, image, DICOM object, video
    |   |-- LabelsError            LABELS.csv, folders, splits
    |   |-- CheckpointError        weights
    |   `-- ModelError             ONNX graphs, model names
    |-- DeviceError         4    this device, version or backend does not fit -> the integrator
    |-- GateError           5    the engine does not answer as the float model -> the model engineer
    `-- TrustError          6    signature, digest, untrusted key, rollback  -> whoever signed or trusts

In: what went wrong and what to do. Out: one line of cause, one of cure, and the exit code of the command line.
"""

from __future__ import annotations


class EdgeError(Exception):
    """Base of every error this project raises on purpose.

    Args:
        cause: what was found and what was expected, one line.
        cure: what to do about it, one line.
        word: of `edge/page/static/texts.js` ("error_WORD"), where a sonographer may meet it; "": it is for technicians.
    """

    exit_code = 1

    def __init__(self, cause: str, cure: str, word: str = "") -> None:
        super().__init__(f"{cause} {cure}")
        self.cause = cause
        self.cure = cure
        self.word = word


class MachineError(EdgeError):
    """The machine failed: disk, memory, a killed process."""

    exit_code = 1


class PeerError(MachineError):
    """Another process or device is away, silent or not understood; trying again may help."""


class UsageError(EdgeError):
    """The call cannot mean anything: wrong option, wrong name."""

    exit_code = 2


class InputError(EdgeError):
    """A file does not hold what it should."""

    exit_code = 3


class ImageError(InputError):
    """A frame, image, DICOM object or video that cannot be read."""


class LabelsError(InputError):
    """A label table or dataset folder that cannot be used."""


class CheckpointError(InputError):
    """Weights that do not fit the model."""


class ModelError(InputError):
    """An ONNX graph or model file that cannot be used."""


class DeviceError(EdgeError):
    """This device, version or backend does not fit the artefact."""

    exit_code = 4


class GateError(EdgeError):
    """The engine does not answer as the float model does."""

    exit_code = 5


class TrustError(EdgeError):
    """Signature, digest, key or release that must not be trusted."""

    exit_code = 6
