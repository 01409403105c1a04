from __future__ import annotations

import re

import numpy as np
import pytest

from tests.tiny import frames, tiny_run
from xfeldask.config import Photonize
from xfeldask.errors import InputError
from xfeldask.physics.adu_peaks import fit_peaks
from xfeldask.physics.photonizing import histogram_centers
from xfeldask.report.figure_files import refuse_no_picture, write_figure
from xfeldask.report.photon_peaks import peaks_told, photon_histogram
from xfeldask.store.adu_histogram import create_histogram, histogram_array
from xfeldask.store.intake import Intake

X = histogram_centers()


def counted(zero=1e6, one=1e4, gain=1.0):
    """Pixels without a photon, and with one, each with a noise of 0.15 photons."""
    return sum(n * np.exp(-((X - at) ** 2) / (2 * 0.15**2)) for n, at in ((zero, 0.0), (one, gain))).astype(np.int64)


def run_of(path, counts):
    intake = Intake(sources=("a.npy",), format="npy", fingerprint="f", n_shots=4, geometry="g", photon_energy=4600.0,
                    photonize=Photonize(gain=8, threshold=0.6))  # fmt: skip
    run = tiny_run(path, frames(4), ingest=intake.to_json(), ingest_digest=intake.digest).reopened("r+")
    create_histogram(run.group, 2, X)
    histogram_array(run.group)[0] = counts
    return run.reopened()


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return run_of(tmp_path_factory.mktemp("peaks") / "run.zarr", counted())


def test_figure__has_the_histogram_its_peaks_and_the_threshold(run):
    (ax,) = photon_histogram(run).axes
    labels = [text.get_text() for text in ax.get_legend().texts]
    peaks = fit_peaks(counted())
    assert labels[0].startswith(f"no photon: at {peaks.zero:.3f}, {peaks.zero_width:.3f} wide")
    assert labels[1].startswith(f"one photon: at {peaks.one:.3f}")
    assert labels[2] == "threshold 0.6"
    np.testing.assert_allclose(ax.patches[0].get_data().values, np.maximum(counted(), 0.5))


def test_words__say_where_the_peaks_are(run, tmp_path):
    # the gain of the second is too large by a quarter
    for found, gain in ((run, 1.0), (run_of(tmp_path / "low.zarr", counted(gain=0.8)), 0.8)):
        told = re.match(r"one photon at ([\d.]+) of the gain, no photon at -?0\.00\d and 0\.1[45]\d", peaks_told(found))
        assert float(told[1]) == pytest.approx(gain, abs=0.01)
    none = run_of(tmp_path / "none.zarr", counted(one=0))
    assert peaks_told(none).startswith("no peak of one photon, no photon at ")
    assert len(photon_histogram(none).axes[0].get_legend().texts) == 2
    exact = np.where(np.abs(X) < 0.005, 1e6, 0)
    assert peaks_told(run_of(tmp_path / "exact.zarr", exact)).endswith("that of no photon too narrow to be measured")


def test_histogram__where_nothing_was_photonized_is_refused(tmp_path):
    plain = tiny_run(tmp_path / "plain.zarr", frames(2))
    assert peaks_told(plain) is None
    with pytest.raises(InputError, match="was not photonized; there is no histogram of ADU to draw"):
        photon_histogram(plain)


def test_picture__is_written_or_it_is_said_why_not(run, tmp_path):
    write_figure(photon_histogram(run), tmp_path / "a.png")
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")
    for name, why in (("a.xyz", "give it an ending of a picture"), ("none/a.png", "there is no folder")):
        with pytest.raises(InputError, match=f"cannot write .*: {why}"):
            refuse_no_picture(tmp_path / name)
    with pytest.raises(InputError, match="cannot write"):
        write_figure(photon_histogram(run), tmp_path / "none/a.png")
