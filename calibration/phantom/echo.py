"""Tissues along the beams -> gray values, by the rough physics of pulse and echo.

::

    tissue -> scatterers (complex Gaussian) * amplitude + reflections (impedance steps along the beam)
           -> pulse (axial) and beam (lateral, wider off the focus)
           -> attenuation added up along the beam: shadows behind bone, enhancement behind fluid
           -> reverberation, noise -> gain, TGC -> log compression -> gray curve
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from calibration.phantom.beams import SAMPLES
from calibration.phantom.scanner import Settings
from calibration.phantom.tissue import TISSUES

Lines = NDArray[np.float32]

CELLS = 512  # side of the field of scatterers, which repeats
CELL_MM = 0.33  # its pitch at 22 weeks
MOTTLE_DB = 2.0  # standard deviation of slow changes of the echo in one tissue
REFLECTION = 2.4  # amplitude of a unit step of impedance
SHADOW_DB = 38.0  # most that attenuation takes away
TISSUE_LEVEL = 0.70  # gray value of the reference tissue at zero gain
REACH = 4  # lines to either side that a beam is wide

_ECHO, _IMPEDANCE, _LOSS = (
    np.array([getattr(tissue, name) for tissue in TISSUES.values()], np.float32)
    for name in ("echo_db", "impedance", "loss_db_mm")
)


@dataclass(frozen=True)
class Scatterers:
    """What is too small to be drawn, fixed in the tissue.

    Attributes:
        field: (512,512) complex Gaussian amplitudes of unit power.
        mottle_db: (512,512) slow changes of the echo.
    """

    field: NDArray[np.complex64]
    mottle_db: NDArray[np.float32]


def scatterers_from_generator(rng: np.random.Generator) -> Scatterers:
    """Draw a field of scatterers."""
    parts = rng.standard_normal((2, CELLS, CELLS), np.float32) * np.float32(np.sqrt(0.5))
    slow = np.fft.rfft2(rng.standard_normal((CELLS, CELLS)))
    frequency = np.hypot(np.fft.fftfreq(CELLS)[:, None], np.fft.rfftfreq(CELLS)[None])
    mottle = np.fft.irfft2(slow * np.exp(-((frequency * 22) ** 2)) + slow * 0.25 * np.exp(-((frequency * 7) ** 2)))
    field = (parts[0] + 1j * parts[1]).astype(np.complex64)
    return Scatterers(field, (mottle * (MOTTLE_DB / mottle.std())).astype(np.float32))


def scatterers_at(scatterers: Scatterers, plane_mm: Lines) -> tuple[NDArray[np.complex64], Lines]:
    """Amplitudes and mottle at places of the plane.

    Args:
        scatterers: the field.
        plane_mm: (2,R,L), mm at 22 weeks.
    """
    cells = (plane_mm * np.float32(1 / CELL_MM)).astype(np.int32) & (CELLS - 1)
    flat = cells[1] * CELLS + cells[0]
    return scatterers.field.ravel()[flat], scatterers.mottle_db.ravel()[flat]


def gray_from_tissue(
    layers: Sequence[tuple[float, NDArray[np.uint8]]],
    scatterers: tuple[NDArray[np.complex64], Lines],
    settings: Settings,
    rng: np.random.Generator,
) -> Lines:
    """One frame's samples.

    Args:
        layers: shares and tissue numbers (R,L) of the anatomies that are blended; the shares add up to 1.
        scatterers: of `scatterers_at`.
        settings: of the scanner.
        rng: for the electronic noise.

    Returns:
        (R,L), 0..1.
    """
    echo, impedance, loss = (_blended(layers, table) for table in (_ECHO, _IMPEDANCE, _LOSS))
    field, mottle = scatterers
    signal = field * np.exp((echo + mottle) * np.float32(np.log(10) / 20))
    steps = np.abs(np.diff(_smoothed(impedance), axis=0, append=impedance[-1:]))
    signal += steps * (np.float32(REFLECTION) * (np.float32(0.8) + np.float32(0.5) * np.abs(field)))
    signal = _focused(_pulsed(signal, settings), settings)
    power = signal.real**2 + signal.imag**2
    power *= np.exp(_attenuation(loss, settings) * np.float32(-np.log(10) / 10))
    power = _with_artefacts(power, settings, rng)
    return _compressed(power, settings)


def _blended(layers: Sequence[tuple[float, NDArray[np.uint8]]], table: Lines) -> Lines:
    total: Lines = table[layers[0][1]] * np.float32(layers[0][0])
    for share, tissue in layers[1:]:
        total += table[tissue] * np.float32(share)
    return total


def _smoothed(impedance: Lines) -> Lines:
    """Mean of five lines: a wall along the beam, drawn in steps, must not reflect at each of them."""
    sums = np.cumsum(np.pad(impedance, ((0, 0), (3, 2)), mode="edge"), axis=1, dtype=np.float32)
    return np.asarray((sums[:, 5:] - sums[:, :-5]) * np.float32(0.2))


def _pulsed(signal: NDArray[np.complex64], settings: Settings) -> NDArray[np.complex64]:
    sigma = settings.scanner.axial_mm / (settings.depth_mm / SAMPLES)
    reach = int(np.ceil(2 * sigma))
    taps = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma) ** 2)
    taps = (taps / np.sqrt((taps**2).sum())).astype(np.float32)
    padded = np.pad(signal, ((reach, reach), (0, 0)))
    out = padded[reach:-reach] * taps[reach]
    for step in range(1, reach + 1):
        out += (padded[reach - step : -reach - step] + padded[reach + step : len(padded) - reach + step]) * taps[
            reach + step
        ]
    return np.asarray(out)


def _focused(signal: NDArray[np.complex64], settings: Settings) -> NDArray[np.complex64]:
    depth = np.linspace(0, 1, SAMPLES)
    sigma = settings.scanner.lateral_lines * np.sqrt(1 + ((depth - settings.focus) / 0.45) ** 2)
    taps = np.exp(-0.5 * (np.arange(REACH + 1)[:, None] / sigma) ** 2)
    taps = (taps / np.sqrt(taps[0] ** 2 + 2 * (taps[1:] ** 2).sum(0))).astype(np.float32)[..., None]
    padded = np.pad(signal, ((0, 0), (REACH, REACH)))
    out = signal * taps[0]
    for step in range(1, REACH + 1):
        both = padded[:, REACH - step : -REACH - step] + padded[:, REACH + step : padded.shape[1] - REACH + step]
        out += both * taps[step]
    return np.asarray(out)


def _attenuation(loss: Lines, settings: Settings) -> Lines:
    total = np.cumsum(loss, axis=0, dtype=np.float32) * np.float32(settings.depth_mm / SAMPLES)
    total = np.roll(total, 2, axis=0)
    total[:2] = 0
    total[:, 1:-1] = (total[:, :-2] + total[:, 1:-1] + total[:, 2:]) * np.float32(1 / 3)
    return np.asarray(np.clip(total, -7.0, SHADOW_DB))


def _with_artefacts(power: Lines, settings: Settings, rng: np.random.Generator) -> Lines:
    """Echoes that go twice, the ringing in front of the probe, side lobes, and noise that the TGC raises."""
    depth = np.linspace(0, settings.depth_mm, SAMPLES, dtype=np.float32)[:, None]
    twice = int(7.0 / settings.depth_mm * SAMPLES)
    out = power.copy()
    out[twice:] += power[:-twice] * np.float32(0.004)
    ringing = np.exp(-depth / 5) * (1 + np.cos(depth * 2.2)) * np.float32(10 ** (settings.haze_db / 10))
    sums = np.cumsum(np.pad(power, ((0, 0), (17, 16)), mode="edge"), axis=1, dtype=np.float32)
    out += ringing + (sums[:, 33:] - sums[:, :-33] + power.mean()) * np.float32(0.0016 / 33)
    noise = rng.standard_exponential(power.shape, np.float32)
    out += noise * np.float32(10 ** (settings.noise_db / 10)) * (1 + 3 * (depth / settings.depth_mm) ** 2)
    return np.asarray(np.maximum(out, np.float32(1e-9)))


def _compressed(power: Lines, settings: Settings) -> Lines:
    db = np.log10(power) * np.float32(10)
    tgc = np.interp(np.linspace(0, 4, SAMPLES), np.arange(5), settings.tgc_db) + settings.gain_db
    gray = (db + tgc[:, None].astype(np.float32)) * np.float32(1 / settings.range_db) + np.float32(TISSUE_LEVEL)
    share = np.float32(settings.scanner.smoothing)
    soft = gray.copy()
    soft[1:-1] = (gray[:-2] + gray[1:-1] + gray[2:]) * np.float32(1 / 3)
    soft[:, 1:-1] = (soft[:, :-2] + soft[:, 1:-1] + soft[:, 2:]) * np.float32(1 / 3)
    gray += share * (soft - gray)
    return np.asarray(np.clip(gray, 0, 1) ** np.float32(settings.gamma))
