from __future__ import annotations

import pytest

from xfeldask.errors import FormatError, MissingFileError
from xfeldask.formats.beam import read_beam

LINES = ["beam/photon_energy = 4600", "beam/photonsPerShot = 1e12", "beam/radius = 0.5e-6"]


def written(tmp_path, lines):
    path = tmp_path / "a.beam"
    path.write_text("\n".join(lines))
    return path


def test_read_beam__reads_the_reference(shared):
    assert read_beam(shared / "data" / "amo86615.beam") == {
        "photon_energy": 4600.0,
        "photons_per_pulse": 1e12,
        "focus_radius": 0.5e-6,
    }


def test_read_beam__reads_crystfel_keys_and_comments(tmp_path):
    lines = [
        "; CrystFEL",
        "beam/photon_energy 4600 ; eV",
        "beam/fluence=2e12 # photons",
        "beam/bandwidth = 1e-3",
    ]
    beam = read_beam(written(tmp_path, [*lines, "beam/radius = 1e-6"]))
    assert beam == {"photon_energy": 4600.0, "photons_per_pulse": 2e12, "focus_radius": 1e-6}


@pytest.mark.parametrize("value", ["", "nan", "inf", "0", "-1", "fast", "0.5 um"])
def test_read_beam__refuses_a_value_with_its_line(tmp_path, value):
    path = written(tmp_path, [*LINES[:2], f"beam/radius = {value}"])
    with pytest.raises(FormatError, match=r"line 3: beam/radius is .* \[m\]"):
        read_beam(path)


@pytest.mark.parametrize("missing", range(3))
def test_read_beam__names_a_missing_key(tmp_path, missing):
    lines = [line for i, line in enumerate(LINES) if i != missing]
    with pytest.raises(FormatError, match=f"add a line '{LINES[missing].split()[0]}"):
        read_beam(written(tmp_path, lines))


@pytest.mark.parametrize("again", ["beam/photonsPerShot = 1e12", "beam/fluence = 3e11"])
def test_read_beam__refuses_a_key_given_twice(tmp_path, again):
    with pytest.raises(FormatError, match=r"line 4: .* second time"):
        read_beam(written(tmp_path, [*LINES, again]))


def test_read_beam__refuses_what_is_no_beam_file(tmp_path):
    binary = tmp_path / "b.beam"
    binary.write_bytes(b"\x00\x01\xff")
    empty = tmp_path / "e.beam"
    empty.write_text(" \n")
    with pytest.raises(FormatError, match="binary"):
        read_beam(binary)
    with pytest.raises(FormatError, match="is empty"):
        read_beam(empty)
    with pytest.raises(FormatError, match="directory"):
        read_beam(tmp_path)
    with pytest.raises(MissingFileError, match="no beam file"):
        read_beam(tmp_path / "none.beam")
