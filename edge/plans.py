"""The plans that this device built for itself, and the plugins they run with: a cache that can always be made again.

::

    HOME/plans/<bundle>-<key>.plan   sealed (edge/seal.py): length of the facts, facts as JSON, plugin, plan
    HOME/plans/<bundle>-<form>.log   what TensorRT said at the last build of this form, whatever came of it
    HOME/plans/timing-<key>.cache    sealed: TensorRT's timings of kernels on this device

<bundle> is the bundle's digest; <key> digests everything else that decides a plan: versions, device, plugin, options. A
plan is never rebuilt behind somebody's back: it takes minutes, so the message names the command.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from edge.errors import DeviceError, EdgeError, TrustError
from edge.files import sha256_from_bytes, write_atomic
from edge.gpu import Gpu
from edge.record import RecordError, bytes_from_record, json_from_bytes, record_from_json
from edge.seal import Seal

SCHEMA = 1  # raised with every change that an older runtime cannot read
LENGTH_BYTES = 4  # of the facts' length, little-endian
DIGITS = 16  # of a digest in a file name: 64 bits, enough among the plans of one device
PLAN, TIMING = "plan", "timing"  # kinds of sealed files


@dataclass(frozen=True)
class PlanFacts:
    """What was built where, and for what.

    Attributes:
        schema: version of this layout.
        bundle: digest of the bundle, hexadecimal.
        name: of the bundle.
        created: ISO 8601, UTC.
        tensorrt: version, e.g. "10.3.0".
        gpu: the device it was built on.
        plugin: SHA-256 of the plugin's library; empty where the model needs none.
        options: name -> value of everything else that decides the plan.
        layers: of the network that was built.
        scans: SelectiveScan2D operators that run in the plugin.
        plugin_bytes: length of the plugin's library.
    """

    schema: int
    bundle: str
    name: str
    created: str
    tensorrt: str
    gpu: Gpu
    plugin: str
    options: Mapping[str, str]
    layers: int
    scans: int
    plugin_bytes: int

    @property
    def key(self) -> str:
        """Digest of what decides the plan besides the bundle."""
        same = replace(self, created="", name="", layers=0, scans=0, plugin_bytes=0)
        return sha256_from_bytes(bytes_from_record(same))

    @property
    def text(self) -> str:
        """For people: when, with what, on what."""
        return f"{self.created} by TensorRT {self.tensorrt} on {self.gpu.text}"

    def fits(self, tensorrt: str, gpu: Gpu) -> bool:
        """Whether this TensorRT may load it on this device."""
        return (self.tensorrt, self.gpu) == (tensorrt, gpu)


@dataclass(frozen=True)
class Plan:
    """A plan whose seal holds.

    Attributes:
        facts: what it is.
        plugin: the library that TensorRT must load first; empty where there is none.
        plan: TensorRT's serialized engine.
    """

    facts: PlanFacts
    plugin: bytes
    plan: bytes


@dataclass(frozen=True)
class PlanCache:
    """The plans of one folder, which need not exist yet.

    Attributes:
        home: the keyring's folder.
    """

    home: Path

    @property
    def folder(self) -> Path:
        """Where they lie."""
        return self.home / "plans"

    def save(self, plan: Plan) -> Path:
        """Keep a plan, and drop the ones that it replaces: of the same bundle on the same kind of device.

        Args:
            plan: what was built.

        Raises:
            MachineError: the folder cannot be written.
        """
        facts = replace(plan.facts, plugin_bytes=len(plan.plugin))
        body = bytes_from_record(facts)
        path = self.folder / f"{facts.bundle[:DIGITS]}-{facts.key[:DIGITS]}.plan"
        payload = b"".join((len(body).to_bytes(LENGTH_BYTES, "little"), body, plan.plugin, plan.plan))
        Seal(self.home).save(path, PLAN, payload)
        for other in self._files(facts.bundle):
            with contextlib.suppress(EdgeError):  # what cannot be read is told when it is asked for
                before = self._load(other).facts
                if other != path and _board(before.gpu) == _board(facts.gpu):
                    other.unlink(missing_ok=True)
        return path

    def log(self, bundle: str, form: str) -> Path:
        """Where the log of a build lies.

        Args:
            bundle: digest of the bundle.
            form: of its linear layers.
        """
        return self.folder / f"{bundle[:DIGITS]}-{form}.log"

    def save_log(self, bundle: str, form: str, lines: Sequence[str]) -> None:
        """Keep what TensorRT said, in place of what it said before.

        Args:
            bundle: digest of the bundle.
            form: of its linear layers.
            lines: without their ends.

        Raises:
            MachineError: the folder cannot be written.
        """
        write_atomic(self.log(bundle, form), "".join(f"{line}\n" for line in lines).encode(), mode=0o600)
        self.folder.chmod(0o700)

    def find(self, bundle: str, tensorrt: str, gpu: Gpu, command: str) -> Plan:
        """The plan of a bundle for this TensorRT and device.

        Args:
            bundle: digest of the bundle.
            tensorrt: version that shall load it.
            gpu: this device.
            command: what builds one, for the message.

        Raises:
            DeviceError: there is none, or only for another TensorRT or device.
            TrustError: it was altered, or made by another device.
        """
        others: list[PlanFacts] = []
        broken: list[EdgeError] = []
        for path in self._files(bundle):
            try:
                plan = self._load(path)
            except TrustError as error:
                broken.append(error)
                continue
            if plan.facts.bundle != bundle:  # sealed here, then given another name
                broken.append(TrustError(f"{path} is the plan of another bundle.", f"Delete it: rm {path}"))
                continue
            if plan.facts.fits(tensorrt, gpu):
                return plan
            others.append(plan.facts)
        if broken:
            raise TrustError(broken[0].cause, f"{broken[0].cure}, then build the plan again: {command}")
        here = f"TensorRT {tensorrt} on {gpu.text}"
        if others:
            raise DeviceError(f"The bundle's plan was built {others[0].text}; this is {here}.", f"Build it: {command}")
        raise DeviceError(f"The bundle has no plan yet for {here}.", f"Build it, which takes minutes: {command}")

    def facts(self) -> tuple[PlanFacts, ...]:
        """Of all plans whose seal holds, newest first."""
        found = []
        for path in self._files(""):
            with contextlib.suppress(EdgeError):
                found.append(self._load(path).facts)
        return tuple(found)

    def load_timing(self, tensorrt: str, gpu: Gpu) -> bytes:
        """TensorRT's timings of earlier builds here; empty where there are none, or none that this device sealed."""
        try:
            return Seal(self.home).load(self._timing(tensorrt, gpu), TIMING)
        except EdgeError:
            return b""

    def save_timing(self, tensorrt: str, gpu: Gpu, timing: bytes) -> None:
        """Keep TensorRT's timings for the next build.

        Raises:
            MachineError: the folder cannot be written.
        """
        Seal(self.home).save(self._timing(tensorrt, gpu), TIMING, timing)

    def _timing(self, tensorrt: str, gpu: Gpu) -> Path:
        return self.folder / f"timing-{sha256_from_bytes(f'{tensorrt} {gpu}'.encode())[:DIGITS]}.cache"

    def _files(self, bundle: str) -> list[Path]:
        files = self.folder.glob(f"{bundle[:DIGITS]}*.plan")
        return sorted(files, key=lambda path: path.stat().st_mtime_ns, reverse=True)

    def _load(self, path: Path) -> Plan:
        payload = Seal(self.home).load(path, PLAN)
        length = int.from_bytes(payload[:LENGTH_BYTES], "little")
        start = LENGTH_BYTES + length
        try:
            facts = record_from_json(PlanFacts, json_from_bytes(payload[LENGTH_BYTES:start]))
            if facts.schema != SCHEMA:
                raise RecordError(f"schema {facts.schema}, expected {SCHEMA}")
        except RecordError as error:  # sealed here, but by another version of this program
            raise TrustError(f"{path} is of another version: {error}.", f"Delete it: rm {path}") from error
        end = start + facts.plugin_bytes
        return Plan(facts, payload[start:end], payload[end:])


def _board(gpu: Gpu) -> tuple[str, int, int]:
    return gpu.name, gpu.capability, gpu.multiprocessors
