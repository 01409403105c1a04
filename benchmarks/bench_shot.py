"""One shot: what the samplers take, and what skopi takes for the same image."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits
from zarr.storage import MemoryStore

from benchmarks.common import PNCCD, SQUARE, Folder, Store, effort, in_turns, measures, prepared, ratio
from xfeldask.config import BEAMS, Experiment
from xfeldask.engines.preparation import Prepared, prepare
from xfeldask.engines.skopi import SkopiEngine
from xfeldask.engines.thinning import Thinning
from xfeldask.engines.workshop import make_workshop, simulate_shard
from xfeldask.errors import InputError
from xfeldask.formats.inputs import resolve
from xfeldask.physics import sampling
from xfeldask.physics.forward import ForwardModel
from xfeldask.physics.images import Recorder, joined
from xfeldask.physics.plan import plan_shots
from xfeldask.physics.planned_shots import shots_of_plan
from xfeldask.physics.rates import tile_rates
from xfeldask.physics.scattering import Shot
from xfeldask.physics.shot_blocks import split
from xfeldask.store.layout import create_template
from xfeldask.store.shards import Shard

IMAGES = [f"identity on {SQUARE}", f"random orientation on {PNCCD}"]
IDENTITY = np.array([[1.0, 0.0, 0.0, 0.0]])


class Images:
    """Shots of 1EI7; drawing them includes recording the photons in frames and images."""

    def __init__(self, image: str, n_shots: int) -> None:
        turned = IDENTITY if image.startswith("identity") else None
        self.ready: Prepared = prepared("1ei7", image.split()[-1], n_shots, turned)
        engine = self.ready.engine
        assert isinstance(engine, Thinning)
        self.model: ForwardModel = engine.model
        experiment, geometry, indices = self.ready.inputs.experiment, self.ready.inputs.geometry, np.arange(n_shots)
        self.plan = plan_shots(experiment, geometry.pixel_size, indices, turned)
        self.shots = list(split(shots_of_plan(self.plan, experiment.seed, indices, geometry)))
        self.recorder = Recorder(geometry, "uint8")
        self.rate = np.empty(self.model.screen.spread.size)

    def _recorded(self, pixel: NDArray[np.uint32], count: NDArray[np.int64]) -> int:
        return int(self.recorder.record(joined([(pixel, count)])).photon_count.item())

    def thinned(self, shot: Shot) -> int:
        body, screen = self.model.scatterer, self.model.screen
        tile_rates(body, screen, shot, self.rate)
        pixel = sampling.draw_thinned(body, screen, shot, self.rate)
        return self._recorded(pixel, np.ones(pixel.size, np.int64))

    def every_pixel(self, shot: Shot) -> int:
        return self._recorded(*sampling.draw_every_pixel(self.model.scatterer, self.model.screen, shot))

    def all(self, draw: Callable[[Shot], int]) -> int:
        return sum(draw(shot) for shot in self.shots)


class OneShot:
    """1EI7, one core, drawn and recorded."""

    params = IMAGES
    param_names = ("image",)
    timeout = 600

    def setup(self, image: str) -> None:
        self.images = Images(image, effort(2, 100))
        # every pixel takes long: a few shots tell it
        self.few = self.images.shots[: effort(1, 5)]

    @cached_property
    def seconds(self) -> dict[str, NDArray[np.float64]]:
        """Of one shot, in each round."""
        images = self.images
        out = in_turns(
            {
                "thinned": lambda: images.all(images.thinned),
                "every pixel": lambda: [images.every_pixel(shot) for shot in self.few],
            },
            effort(1, 9),
        )
        return {"thinned": out["thinned"] / len(images.shots), "every pixel": out["every pixel"] / len(self.few)}

    @measures("ms", "0.5 or less")
    def track_thinned(self, image: str) -> float:
        """one shot, thinned over tiles"""
        return float(np.median(self.seconds["thinned"])) * 1e3

    @measures("ms")
    def track_every_pixel(self, image: str) -> float:
        """one shot, every pixel drawn"""
        return float(np.median(self.seconds["every pixel"])) * 1e3

    @measures("photons")
    def track_photons(self, image: str) -> float:
        """photons of a shot"""
        return self.images.all(self.images.thinned) / len(self.images.shots)


class ReadShot:
    """Shots drawn, read by the pnCCD at a noise in photons, and encoded; and the same without a response."""

    params = (0.0, 0.15, 0.2)
    param_names = ("noise",)
    timeout = 600

    def setup(self, noise: float) -> None:
        self.n_shots = effort(2, 128)
        response = {"preset": "pnccd", "noise": noise * BEAMS["amo86615"].photon_energy}
        self.plain, self.read = (self.drawing({}), self.drawing({"response": response}))

    def drawing(self, detector: dict[str, object]) -> Callable[[], int]:
        ready = prepare(resolve(Experiment(particle="chaperonin", n_shots=self.n_shots, detector=detector)))
        root, shots = create_template(MemoryStore(), ready.layout, {}, {}), np.arange(self.n_shots)
        shop, plan = make_workshop(root, ready.engine, ready.inputs.geometry, ready.readout), ready.plan(shots)

        def draw() -> int:
            sink = Shard(shop.arrays, Path(), shop.layout, 0)
            shop.fill(sink, plan, shots)
            return sink.encode()

        return draw

    @cached_property
    def seconds(self) -> dict[str, NDArray[np.float64]]:
        """Of one shot, in each round."""
        found = in_turns({"plain": self.plain, "read": self.read}, effort(1, 9))
        return {name: seconds / self.n_shots for name, seconds in found.items()}

    @measures("ms")
    def track_read(self, noise: float) -> float:
        """one shot drawn, read and encoded"""
        return float(np.median(self.seconds["read"])) * 1e3

    @measures("times", "3 or less")
    def track_slower(self, noise: float) -> float:
        """slower than without a response"""
        return ratio(self.seconds["read"], self.seconds["plain"])


class AgainstSkopi(Folder):
    """The same image by skopi: slice of its volume, correction, Poisson; one core each, in turns."""

    params = IMAGES
    param_names = ("image",)
    timeout = 1200

    def setup(self, image: str) -> None:
        self.images = Images(image, effort(16, 256))
        inputs = self.images.ready.inputs
        try:
            n_grid, beam = effort(51, 151), inputs.experiment.beam
            assert inputs.atoms is not None
            self.skopi = SkopiEngine(inputs.atoms, None, beam, n_grid, geometry=inputs.geometry)
        except InputError as error:
            raise NotImplementedError(str(error)) from None
        self.store = Store.make(self.make_folder() / "run.zarr", self.images.ready)

    def skopi_shot(self) -> NDArray[np.int64]:
        """Without the phase of a position, which is zero here: what a user of skopi would hurry to leave out."""
        from skopi.geometry import take_slice

        engine, turn = self.skopi, self.images.plan.orientation[0, 0]
        momentum = engine.detector.pixel_position_reciprocal
        pattern = take_slice(engine.volume, engine.voxel_length, momentum, turn, inverse=True)
        photons: NDArray[np.int64] = engine.detector.add_correction_and_quantization(np.abs(pattern) ** 2)
        return photons

    def stored(self) -> None:
        simulate_shard(self.store.run, 0)

    @cached_property
    def seconds(self) -> dict[str, NDArray[np.float64]]:
        """Of one shot, in each round."""
        with threadpool_limits(1):
            out = in_turns(
                {
                    "skopi": self.skopi_shot,
                    "thinned": lambda: self.images.all(self.images.thinned),
                    "stored": self.stored,
                },
                effort(1, 7),
            )
        out["thinned"] /= len(self.images.shots)
        out["stored"] /= len(self.images.shots)
        return out

    @measures("ms")
    def track_skopi(self, image: str) -> float:
        """one shot by skopi"""
        return float(np.median(self.seconds["skopi"])) * 1e3

    @measures("times", "800 or more")
    def track_sampler_faster(self, image: str) -> float:
        """sampler faster than skopi"""
        return ratio(self.seconds["skopi"], self.seconds["thinned"])

    @measures("times", "300 or more")
    def track_stored_faster(self, image: str) -> float:
        """simulated and stored faster than skopi simulates"""
        return ratio(self.seconds["skopi"], self.seconds["stored"])

    @measures("ms")
    def track_stored(self, image: str) -> float:
        """one shot simulated and stored, one core"""
        return float(np.median(self.seconds["stored"])) * 1e3
