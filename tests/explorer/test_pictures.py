from __future__ import annotations

import shutil
from threading import Barrier

import numpy as np
import pytest
import zarr

from tests.explorer.few_shots import few_shots, pictures
from tests.tiny import tiny_run
from xfeldask.errors import CorruptStoreError
from xfeldask.explorer.model.pictures import PHOTONS, WHOLE, ZOOMS, Pictures
from xfeldask.physics.detectors import assembled_index, scattering_vector, square
from xfeldask.store.packing.codecs import EXACT
from xfeldask.store.run import Run


def test_binned__is_the_image_without_bins_that_no_good_pixel_is_in():
    run = few_shots()
    found, weight = pictures().binned(3).values, run.image_grid.weight
    np.testing.assert_array_equal(found[weight > 0], run.read("image", 3)[weight > 0])
    assert np.isnan(found[weight == 0]).all()


def test_whole__has_every_pixel_where_it_scatters_to():
    run = few_shots()
    picture = pictures().whole(5)
    left, bottom, width, height = picture.extent
    rows, columns = picture.values.shape
    row, column = assembled_index(run.geometry)
    good = run.geometry.mask
    np.testing.assert_array_equal(picture.values[row[good], column[good]], run.read("photons", 5)[good])
    # the middle of a pixel of the picture is its scattering vector in 1/nm, as far as small angles hold
    s = scattering_vector(run.geometry.pixel_position, run.wavelength) * 1e-9
    np.testing.assert_allclose(left + (column + 0.5) * width / columns, s[..., 0], atol=0.6 * width / columns)
    np.testing.assert_allclose(bottom + (row + 0.5) * height / rows, s[..., 1], atol=0.6 * height / rows)


def test_particles__of_a_store_that_does_not_tell_are_none():
    found = pictures()
    assert not found.has_particles
    assert found.particles(0) is None


def test_photons__are_found_when_there_are_some_though_the_page_was_opened_before(tmp_path, monkeypatch):
    run = Run.open(shutil.copytree(few_shots().path, tmp_path / "run.zarr"), "r+")
    status = run.array("shot_status", EXACT)
    done = np.asarray(status[:])
    status[:] = np.zeros_like(done)
    found, wanted = Pictures(Run.open(run.path)), Pictures(few_shots())
    assert found.bins(PHOTONS)[0] == "low_q", "of nothing, the finer bins hold all"
    status[:] = done
    assert found.bins(PHOTONS)[0] == wanted.bins(PHOTONS)[0]
    np.testing.assert_array_equal(found.seen(3).values, wanted.seen(3).values)
    monkeypatch.setattr(Run, "done", None)  # looked for once
    assert found.seen(4).extent == wanted.seen(4).extent


def test_tiles__are_read_side_by_side_and_told_in_their_order(monkeypatch):
    found, shots, side_by_side = pictures(), [5, 2, 7, 3], Barrier(4)
    alone = [found.seen(shot, WHOLE).values for shot in shots]
    read = Run.read

    def waits_for_the_others(self, name, shots):
        side_by_side.wait(60)
        return read(self, name, shots)

    monkeypatch.setattr(Run, "read", waits_for_the_others)
    values, labels = found.tiles(shots, WHOLE, list("abcd"))
    assert labels == list("abcd")
    np.testing.assert_array_equal(values, alone)


def test_picture__of_a_shot_that_is_damaged_names_it(tmp_path):
    run = Run.open(shutil.copytree(few_shots().path, tmp_path / "run.zarr"))
    for name in ("photons", "image"):
        for file in (run.path / name / "c" / "0").rglob("0"):
            if file.is_file():
                file.write_bytes(b"torn")
    found = Pictures(run)
    for read in (found.binned, found.whole):
        with pytest.raises(CorruptStoreError, match=r"shot 2 cannot be read .*; xfeldask verify names what is broken"):
            read(2)
    last = run.n_shots - 1
    values, labels = found.tiles([2, last], WHOLE, ["one", "other"])
    assert labels == ["one · damaged", "other"]
    assert np.isnan(values[0]).all()
    np.testing.assert_array_equal(values[1], found.binned(last).values)


@pytest.fixture(scope="module")
def narrow(tmp_path_factory):
    """Pictures of a run whose photons lie near the beam, and a few far away."""
    geometry = square(256, 1e-4, 0.1)
    photons = np.zeros((4, *geometry.shape), np.uint8)
    photons[:, 0, 108:148, 108:148] = 1
    photons[:, 0, 3, 3] = 5
    return Pictures(tiny_run(tmp_path_factory.mktemp("narrow") / "run.zarr", photons, geometry))


def test_seen__is_the_square_that_holds_the_photons_of_the_run_in_fine_bins(narrow):
    photons, low_q, whole = (narrow.seen(1, zoom) for zoom in ZOOMS)
    assert photons.extent[2] < low_q.extent[2] < whole.extent[2]
    # as far as the photons go, and about the beam
    assert photons.values.shape == (38, 38)
    assert photons.values.sum() == 38**2
    np.testing.assert_allclose(photons.extent[0], -photons.extent[2] / 2)
    np.testing.assert_array_equal(low_q.values, narrow.run.read("low_q", 1))
    assert whole.values.sum() == 1605


def test_seen__of_photons_all_over_the_detector_is_of_coarse_bins():
    found = pictures()
    image = found.seen(3)
    # as large as the picture of all of it, or as large as photons go
    assert image.values.shape[0] <= found.binned(3).values.shape[0]
    np.testing.assert_array_equal(found.seen(3, "whole detector").values, found.binned(3).values)


def test_cut__of_a_picture_is_the_part_that_others_show(narrow):
    photons, whole = narrow.seen(0), narrow.whole(0)
    part = narrow.cut(whole, "photons")
    np.testing.assert_allclose(part.extent, photons.extent, rtol=0.05)
    assert part.values.sum() == photons.values.sum()
    assert narrow.cut(whole, "whole detector") is whole


def test_truth__of_neighbours_is_read_once():
    found, read = Pictures(few_shots()), []
    values = np.arange(20.0).reshape(10, 2)
    array = zarr.array(values, chunks=(4, 2))

    class Counted:
        chunks = array.chunks

        def __getitem__(self, rows):
            read.append(rows)
            return array[rows]

    found._arrays["position"] = Counted()
    for shot in (0, 3, 9, 4, 8, 1):
        np.testing.assert_array_equal(found._told("position", shot), values[shot])
    assert read == [slice(0, 4), slice(8, 12), slice(4, 8)]
