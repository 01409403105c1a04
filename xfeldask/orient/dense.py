"""Shots compared with all slices at once, as products of matrices, on any device.

Written once against the Python array API, for NumPy, CuPy and whatever else has its functions. What all rotations share
is taken off the logarithms of the slices: it changes no probability, and the rest is small enough for half precision.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from xfeldask.devices import ADVICE, Device, in_blocks
from xfeldask.errors import MemoryNeededError
from xfeldask.orient import kernels
from xfeldask.orient.parallel import View
from xfeldask.orient.posterior import LEAST, MOST_KEPT, SHARE, Posterior
from xfeldask.orient.rotations import TILE
from xfeldask.orient.sparse import SparseFrames

MOST_SHOTS, MOST_ROTATIONS = 8192, 4096
"""Shots that are compared, and rotations that are sliced, in a block at most."""

BRIGHT = 256
"""Count up to which half precision is taken: a bin of so many photons is off by some hundredths of a nat."""

COMMON = 256
"""Rotations that what all of them share is taken from."""

PLACE, CHANCE = 80, 28
"""Memory that slicing takes for a pixel of a rotation, and comparing for a rotation of a shot, at most [bytes]."""

KEPT = 0.25
"""Fraction of the free memory in which a matrix of shots stays from one iteration to the next."""


def memory_needed(rotations: int, pixels: int, *, half: bool = True, merge: bool = True) -> int:
    """Return the memory that slices take, and what is merged into them [bytes].

    Examples
    --------
    >>> memory_needed(50_100, 3_544)
    1775544000
    """
    # what is merged is added to what was, both of single precision
    return rotations * pixels * ((2 if half else 4) + (8 if merge else 0))


class Slices(NamedTuple):
    """Slices of all models as a matrix, as shots are multiplied with it.

    Attributes
    ----------
    table : half or float32 (rotation, pixel), logarithms of what a pixel gets of a slice's photons, over `shared`
    total : float32 (rotation,), sums of the slices
    shared : float64 (pixel,), taken off, over the mean pattern
    """

    table: Any
    total: Any
    shared: NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class DenseFrames:
    """Photons of shots as a matrix (shot, pixel) on a device, in which it stays if there is room.

    Attributes
    ----------
    device : Device
    frames : SparseFrames
    """

    device: Device
    frames: SparseFrames
    _stays: dict[int, Any] = field(default_factory=dict)

    @cached_property
    def half(self) -> bool:
        """Whether half precision suffices for all counts."""
        return self.device.half and int(self.frames.count.max(initial=0)) <= BRIGHT

    @property
    def dtype(self) -> Any:
        """Type of the matrices."""
        return self.device.xp.float16 if self.half else self.device.xp.float32

    def rows(self, shots: slice, pixels: int) -> Any:
        """Return the photons of some shots in the first pixels, half or float32 (shot, pixel)."""
        if pixels not in self._stays:
            self._stays.clear()
            size = len(self.frames) * pixels * (2 if self.half else 4)
            self._stays[pixels] = None  # also where memory runs out on the way
            if size <= KEPT * self.device.free():
                self._stays[pixels] = self._whole(pixels)
        whole = self._stays[pixels]
        return self.device.array(self._counts(shots, pixels)) if whole is None else whole[shots, :]

    def _whole(self, pixels: int) -> Any:
        out = self.device.xp.empty((len(self.frames), pixels), dtype=self.dtype)
        for start in range(0, out.shape[0], MOST_SHOTS):
            shots = slice(start, min(out.shape[0], start + MOST_SHOTS))
            out[shots, :] = self.device.array(self._counts(shots, pixels))
        return out

    def _counts(self, shots: slice, pixels: int) -> NDArray[Any]:
        start = self.frames.start[shots.start : shots.stop + 1]
        pixel = self.frames.pixel[start[0] : start[-1]]
        inside, shot = pixel < pixels, np.repeat(np.arange(len(start) - 1), np.diff(start))
        out = np.zeros((len(start) - 1, pixels), np.float16 if self.half else np.float32)
        out[shot[inside], pixel[inside]] = self.frames.count[start[0] : start[-1]][inside]
        return out

    def compared(
        self, view: View, contrast: NDArray[np.float64], turns: NDArray[np.float64], prior: NDArray[np.float64],
        exponent: float, *, merge: bool, barred: NDArray[np.bool_] | None = None,
    ) -> tuple[Posterior, NDArray[np.float64] | None]:  # fmt: skip
        """Compare all shots with all rotations of all models, and merge them where they fit.

        Parameters
        ----------
        view : View
        contrast : float64 (model, n, n, n), intensities over their mean profile
        turns : float64 (rotation, 3, 3), of whole tiles
        prior : float64 (model, rotation), as of `log_prior`
        exponent : float, of the likelihood
        merge : bool
        barred : bool (shot, model), optional, models that a shot is not of

        Returns
        -------
        posterior : Posterior
        sums : float64 (model, n, n, n, 2), photons, and those of the mean profile; none unless they are merged

        Raises
        ------
        MemoryNeededError
            The slices do not fit into the memory of the device.
        RunError
            Not even one shot does.
        """
        if len(view.share) > 1:
            return self._by_share(view, contrast, turns, prior, exponent, merge, barred)
        device, xp, shots = self.device, self.device.xp, len(self.frames)
        needed = memory_needed(prior.size, len(view.at), half=self.half, merge=merge)
        if needed > device.free():
            raise MemoryNeededError(f"slicing at {prior.size:,} rotations", needed, device.free(), ADVICE)
        slices = self._sliced(view, contrast, turns)
        values = xp.zeros(slices.table.shape, dtype=xp.float32) if merge else None
        weight = device.array(prior.reshape(-1).astype(np.float32))
        out = Posterior.blank(shots, len(prior))

        def work(rows: slice) -> None:
            nonlocal values
            counts = self.rows(rows, len(view.at))
            its = weight if barred is None else self._without(weight, barred[rows])
            probability, found = self._judged(device.product(counts, slices.table.T), slices, its, exponent, out)
            for name, value in found._asdict().items():
                getattr(out, name)[rows] = value
            if values is not None:
                values += device.product(xp.astype(probability, self.dtype).T, counts)

        row = (CHANCE + 4 * (barred is not None)) * prior.size + 4 * len(view.at)
        in_blocks(device, shots, row, MOST_SHOTS, work, f"comparing a shot with {prior.size:,} rotations")
        shared = np.empty(shots)
        kernels.weighed(slices.shared, self.frames.start, view.end, self.frames.pixel, self.frames.count, shared)
        posterior = out._replace(evidence=out.evidence + shared)
        return posterior, None if values is None else self._merged(values, slices, view, contrast, turns)

    def _by_share(
        self, view: View, contrast: NDArray[np.float64], turns: NDArray[np.float64], prior: NDArray[np.float64],
        exponent: float, merge: bool, barred: NDArray[np.bool_] | None,
    ) -> tuple[Posterior, NDArray[np.float64] | None]:  # fmt: skip
        """Compare shots of which like parts are background, one part after the other; see `compared`."""
        out, sums = Posterior.blank(len(self.frames), len(prior)), np.zeros((*contrast.shape, 2))
        for k in range(len(view.share)):
            shots = np.flatnonzero(view.level == k)
            some = DenseFrames(self.device, self.frames[shots])
            its = view._replace(
                share=view.share[k : k + 1], reference=view.reference[k : k + 1], level=np.zeros(len(shots), np.int64),
                end=some.frames.ends(len(view.at)), photons=view.photons[shots], constant=view.constant[shots],
            )  # fmt: skip
            no = None if barred is None else barred[shots]
            found, added = some.compared(its, contrast, turns, prior, exponent, merge=merge, barred=no)
            for name, value in found._asdict().items():
                getattr(out, name)[shots] = value
            sums += 0 if added is None else added
        return out, sums if merge else None

    def _sliced(self, view: View, contrast: NDArray[np.float64], turns: NDArray[np.float64]) -> Slices:
        """Slice all models."""
        device, xp, m = self.device, self.device.xp, len(view.at)
        at, turn, models = *self._places(view, turns), contrast.astype(np.float32)
        pattern = device.array(view.pattern.astype(np.float32))
        shared = device.array(view.reference[0].astype(np.float32))
        part, under = float(view.share[0]), device.array(view.under.astype(np.float32))

        def logs(k: int, chosen: Any) -> tuple[Any, Any]:
            cells = _cells(xp, at, device.array(turn[chosen]), models.shape[-1])
            expected = _read(xp, device.array(models[k].reshape(-1)), cells) * pattern
            total = xp.sum(expected, axis=1)
            if part:
                return xp.log((1 - part) * expected / total[:, None] + part * under) - shared, total
            return xp.log(expected) - xp.log(total)[:, None] - shared, total

        some = np.unique(np.linspace(0, len(turns) - 1, COMMON).round().astype(np.int64))
        mean = sum(xp.sum(logs(k, some)[0], axis=0) for k in range(len(models))) / (len(some) * len(models))
        n = len(contrast) * len(turns)
        table, totals = xp.empty((n, m), dtype=self.dtype), xp.empty(n, dtype=xp.float32)

        def work(k: int, rows: slice) -> None:
            found, total = logs(k, rows)
            place = slice(k * len(turns) + rows.start, k * len(turns) + rows.stop)
            table[place, :], totals[place] = xp.astype(found - mean, self.dtype), total

        for k in range(len(models)):
            in_blocks(device, len(turns), PLACE * m, MOST_ROTATIONS, partial(work, k), "slicing at a rotation")
        return Slices(table, totals, device.host(mean).astype(np.float64))

    def _places(self, view: View, turns: NDArray[np.float64]) -> tuple[Any, NDArray[np.float32]]:
        """Return pixels (3, pixel) on the device, and rotations as `_cells` takes them."""
        at = np.ascontiguousarray(view.at.T, np.float32)
        return self.device.array(at), np.ascontiguousarray(np.swapaxes(turns, 1, 2), np.float32)

    def _without(self, prior: Any, barred: NDArray[np.bool_]) -> Any:
        """Return the prior of each rotation for each shot, (shot, rotation): minus infinity where it is barred."""
        xp, (shots, models) = self.device.xp, barred.shape
        no = self.device.array(np.where(barred, -np.inf, 0.0).astype(np.float32))
        return xp.reshape(xp.reshape(prior, (1, models, -1)) + no[:, :, None], (shots, -1))

    def _judged(
        self, likelihood: Any, slices: Slices, prior: Any, exponent: float, like: Posterior
    ) -> tuple[Any, Posterior]:
        """Turn log likelihoods (shot, rotation) into probabilities, and into what is known of each shot."""
        xp, host, models = self.device.xp, self.device.host, like.responsibility.shape[1]
        scaled = likelihood * exponent
        whole, chance = _softmax(xp, scaled + prior)
        evidence = whole if exponent == 1 else _softmax(xp, likelihood + prior)[0]
        # log p - prior is the likelihood over the whole; what is no rotation has no probability
        information = (xp.sum(chance * scaled, axis=1) - whole) / float(np.log(2))
        exposure = xp.matmul(chance, (1 / slices.total)[:, None])[:, 0]
        chance = xp.where(chance < LEAST, xp.zeros_like(chance), chance)
        held = xp.sum(xp.reshape(chance, (chance.shape[0], models, -1)), axis=2)
        rotation, best = _likeliest(xp, chance)
        return chance, Posterior(*map(host, (rotation, best, held, evidence, information, exposure)))

    def _merged(
        self, values: Any, slices: Slices, view: View, contrast: NDArray[np.float64], turns: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """Accumulate photons and exposure on the grid of the intensity, the adjoint of slicing."""
        device, xp, size, models = self.device, self.device.xp, contrast.shape[-1], contrast.astype(np.float32)
        at, turn = self._places(view, turns)
        pattern = device.array(view.pattern.astype(np.float32))
        part, under = float(view.share[0]), device.array(view.under.astype(np.float32))
        out = xp.zeros((len(contrast), 2, size**3), dtype=xp.float64)

        def work(k: int, rows: slice) -> None:
            place = slice(k * len(turns) + rows.start, k * len(turns) + rows.stop)
            photons = values[place, :]
            # the fluence is what makes a slice's sum the photons of the shots
            fluence = (1 - part) * xp.sum(photons, axis=1) / slices.total[place]
            cells = _cells(xp, at, device.array(turn[rows]), size)
            if part:
                expected = _read(xp, device.array(models[k].reshape(-1)), cells) * pattern
                signal = (1 - part) * expected / slices.total[place][:, None]
                photons = photons * signal / (signal + part * under)
            summed = [_spread(device, each, cells, size) for each in (photons, fluence[:, None] * pattern)]
            for i, each in enumerate(summed):
                out[k, i, :] += each

        row, what = 2 * PLACE * len(view.at), "merging at a rotation"
        for k in range(len(contrast)):
            in_blocks(device, len(turns), row, MOST_ROTATIONS, partial(work, k), what)
        return np.moveaxis(device.host(out).reshape(len(contrast), 2, size, size, size), 1, -1)


class _Cells(NamedTuple):
    """Where slices lie in a grid: the index of the first corner, the way to the others, and the weights of them."""

    index: Any
    part: Any
    steps: tuple[int, int, int]

    def corners(self) -> Any:
        """Yield index and weight of each of the eight."""
        for corner in range(8):
            bits = [corner >> axis & 1 for axis in range(3)]
            part = (self.part[:, axis, :] for axis in range(3))
            u, v, w = (each if bit else 1 - each for each, bit in zip(part, bits, strict=True))
            yield self.index + sum(bit * step for bit, step in zip(bits, self.steps, strict=True)), u * v * w


def _cells(xp: Any, at: Any, turn: Any, size: int) -> _Cells:
    """Return where pixels (3, pixel) lie in a grid, turned by each of (rotation, 3, 3), the transposed rotations."""
    place = xp.reshape(xp.matmul(xp.reshape(turn, (-1, 3)), at), (turn.shape[0], 3, -1)) + float(size // 2)
    low = xp.clip(xp.floor(place), 0.0, float(size - 2))
    cell, steps = xp.astype(low, xp.int32), (size * size, size, 1)
    return _Cells(sum(cell[:, axis, :] * step for axis, step in enumerate(steps)), place - low, steps)


def _read(xp: Any, model: Any, cells: _Cells) -> Any:
    """Read a grid (n * n * n,) by trilinear interpolation, float32 (rotation, pixel)."""
    shape = cells.index.shape
    return sum(weight * xp.reshape(xp.take(model, xp.reshape(index, (-1,)), axis=0), shape)
               for index, weight in cells.corners())  # fmt: skip


def _spread(device: Device, values: Any, cells: _Cells, size: int) -> Any:
    """Add values (rotation, pixel) to a grid, the adjoint of `_read`, float64 (n * n * n,)."""
    flat = device.xp.reshape
    return sum(device.summed_at(flat(index, (-1,)), flat(weight * values, (-1,)), size**3)
               for index, weight in cells.corners())  # fmt: skip


def _softmax(xp: Any, logs: Any) -> tuple[Any, Any]:
    """Return the logarithm of the sum of each row, (shot,), and the share of each, (shot, rotation)."""
    top = xp.max(logs, axis=1, keepdims=True)
    share = xp.exp(logs - top)
    whole = xp.sum(share, axis=1, keepdims=True)
    return (top + xp.log(whole))[:, 0], share / whole


def _likeliest(xp: Any, chance: Any) -> tuple[Any, Any]:
    """Return the likeliest rotations of each shot and their probabilities, (shot, `MOST_KEPT`), the likeliest first.

    They lie in as many tiles, those whose likeliest rotation is among the likeliest: few numbers are left to sort.
    """
    tiles = xp.reshape(chance, (chance.shape[0], -1, TILE))
    tile = xp.argsort(-xp.max(tiles, axis=2), axis=1)[:, :MOST_KEPT]
    index = xp.reshape(tile[:, :, None] * TILE + xp.arange(TILE)[None, None, :], (chance.shape[0], -1))
    near = xp.take_along_axis(chance, index, axis=1)
    order = xp.argsort(-near, axis=1)[:, :MOST_KEPT]
    rotation, best = (xp.take_along_axis(each, order, axis=1) for each in (index, near))
    few = best < SHARE * best[:, :1]
    return xp.where(few, -1, rotation), xp.where(few, 0.0, best)
