from __future__ import annotations

import functools
import gzip
import http.server
import socket
import threading

import gemmi
import numpy as np
import pytest
from scipy.spatial import cKDTree

from xfeldask.errors import FormatError, InputError, MissingFileError, UnknownNameError
from xfeldask.formats.structures import fetch_structure, is_pdb_id, read_structure

N = "ATOM      1  N   SER A   1       5.011  62.430  14.345  1.00 41.79           N  "
CIF = """data_x
loop_
_atom_site.group_PDB
_atom_site.id
_atom_site.type_symbol
_atom_site.label_atom_id
_atom_site.label_alt_id
_atom_site.label_comp_id
_atom_site.label_asym_id
_atom_site.label_seq_id
_atom_site.Cartn_x
_atom_site.Cartn_y
_atom_site.Cartn_z
_atom_site.occupancy
ATOM 1 N N . SER A 1 5.0 6.0 7.0 1.0
ATOM 2 C CA . SER A 1 5.0 6.5 8.0 0.5
"""


def written(tmp_path, name, text):
    path = tmp_path / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


@pytest.fixture(scope="module")
def assembly(shared):
    return read_structure(shared / "data" / "1ei7.pdb")


@pytest.mark.rounding
def test_read_structure__builds_the_assembly(assembly):
    counts = {str(name): int((assembly.element == name).sum()) for name in np.unique(assembly.element)}
    assert counts == {"C": 52768, "N": 14620, "O": 16524, "S": 68}
    assert len(assembly) == 83_980
    assert assembly.centered().radius == pytest.approx(9.826e-9, rel=1e-3)


@pytest.mark.rounding
def test_read_structure__agrees_with_gemmi(shared, assembly):
    structure = gemmi.read_structure(str(shared / "data" / "1ei7.pdb"))
    structure.remove_waters()
    structure.transform_to_assembly("1", gemmi.HowToNameCopiedChain.Short)
    expected = np.array([cra.atom.pos.tolist() for cra in structure[0].all()]) * 1e-10
    distance, index = cKDTree(expected * 1e10).query(assembly.position * 1e10)
    assert distance.max() < 1e-4
    assert len(np.unique(index)) == len(expected) == len(assembly)


def test_read_structure__takes_the_asymmetric_unit(shared):
    path = shared / "data" / "1ei7.pdb"
    assert len(read_structure(path, assembly="asymmetric-unit")) == 2470
    assert len(read_structure(path, assembly="asymmetric-unit", waters=True)) == 2804


def test_read_structure__keeps_ligands_and_occupancies(shared):
    atoms = read_structure(shared / "data" / "2cex.pdb")
    assert len(atoms) == 2363
    assert atoms.occupancy[atoms.element == "Zn"].tolist() == [0.5]


def test_read_structure__lists_the_assemblies(shared):
    with pytest.raises(UnknownNameError, match="known: 1, asymmetric-unit"):
        read_structure(shared / "data" / "1ei7.pdb", assembly="2")


def test_read_structure__reads_the_same_from_any_format(shared, tmp_path, assembly):
    structure = gemmi.read_structure(str(shared / "data" / "1ei7.pdb"))
    structure.setup_entities()
    text = structure.make_mmcif_document().as_string()
    for name, content in [
        ("a.cif", text.encode()),
        ("a.mmcif", text.encode()),
        ("a.cif.gz", gzip.compress(text.encode())),
        ("a.ENT.GZ", gzip.compress((shared / "data" / "1ei7.pdb").read_bytes())),
    ]:
        atoms = read_structure(written(tmp_path, name, content))
        assert len(atoms) == len(assembly)
        np.testing.assert_allclose(atoms.position.mean(axis=0), assembly.position.mean(axis=0), atol=1e-13)


def test_read_structure__keeps_alternate_locations_and_hydrogens(tmp_path):
    a = N.replace(" N   SER", " N  ASER").replace("1.00 41", "0.30 41")
    b = N.replace(" N   SER", " N  BSER").replace("1.00 41", "0.70 41")
    d = N.replace(" N   SER", " D   SER").replace("          N ", "          D ")
    atoms = read_structure(written(tmp_path, "a.pdb", f"{a}\n{b}\n{d}\nEND"))
    assert sorted(zip(atoms.element.tolist(), atoms.occupancy.round(3).tolist(), strict=True)) == [
        ("H", 1.0),
        ("N", 0.3),
        ("N", 0.7),
    ]


def test_read_structure__reads_only_the_first_model(tmp_path):
    bad = N.replace("62.430", "   nan")
    text = f"MODEL        1\n{N}\nENDMDL\nMODEL        2\n{bad}\n{bad}\nENDMDL\nEND"
    assert len(read_structure(written(tmp_path, "m.pdb", text))) == 1


def test_read_structure__keeps_a_water_when_asked(tmp_path):
    water = "HETATM    2  O   HOH A   2       5.011  62.430  14.345  1.00 41.79           O  "
    path = written(tmp_path, "w.pdb", f"{N}\n{water}")
    assert read_structure(path).element.tolist() == ["N"]
    assert read_structure(path, waters=True).element.tolist() == ["N", "O"]


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("a.pdb", f"{N}\n{N.replace('62.430', 'garbag')}", "line 2: the y coordinate is 'garbag'"),
        ("a.pdb", N.replace("62.430", "   nan"), "line 1: the y coordinate is 'nan'"),
        ("a.pdb", f"{N}\n{N[:40]}", "line 2: the y coordinate is"),
        ("a.pdb", N.replace(" 1.00", "25.00"), "line 1: the occupancy is '25.00'"),
        ("a.pdb", N.replace(" 1.00", " x.00"), "line 1: the occupancy is 'x.00'"),
        ("a.pdb", N.replace("           N", "          QQ"), "unknown element"),
        ("a.pdb", "REMARK nothing here", "holds no atoms"),
        ("a.pdb", "", "is empty"),
        ("a.pdb", b"\x00\xff" * 100, "is a binary file"),
        ("a.pdb.gz", gzip.compress(N.encode(), mtime=0)[:-9], "damaged gzip"),
        ("a.pdb.gz", b"\x00\xff" * 100, "is a binary file"),
        ("a.cif", "", "is empty"),
        ("a.cif", "\n# comment\n", "holds no data block"),
        ("a.cif", "hello", "line 1: cannot be read as mmCIF"),
        ("a.cif", "data_x\n", "holds no atoms"),
        ("a.cif", CIF.replace("6.5", "garbage"), "line 16: atom 2 has the Cartn_y 'garbage'"),
        ("a.cif", CIF.replace("6.5", "?"), r"line 16: atom 2 has the Cartn_y '\?'"),
        ("a.cif", CIF.replace("0.5", "1.5"), "line 16: atom 2 has the occupancy '1.5'"),
        ("a.cif", CIF.replace("6.5", "6.5 6.5"), "Wrong number of values"),
        ("a.cif", CIF.replace("2 C", "2 Qq"), "unknown element"),
        ("a.xyz", N, "unknown ending"),
    ],
)
def test_read_structure__refuses(tmp_path, name, content, told):
    with pytest.raises(FormatError, match=told) as refused:
        read_structure(written(tmp_path, name, content))
    assert "\n" not in str(refused.value)


def test_read_structure__reads_the_cif_that_the_refusals_start_from(tmp_path):
    assert read_structure(written(tmp_path, "a.cif", CIF)).occupancy.tolist() == [1.0, 0.5]


def test_read_structure__refuses_a_directory_and_a_missing_file(tmp_path):
    with pytest.raises(FormatError, match="is a directory"):
        read_structure(tmp_path)
    with pytest.raises(MissingFileError, match="no structure file"):
        read_structure(tmp_path / "none.pdb")


def test_is_pdb_id__knows_both_forms():
    assert all(map(is_pdb_id, ["3iyf", "1EI7", "9abc", "pdb_00001ei7", "PDB_10000abc"]))
    assert not any(map(is_pdb_id, ["", "0abc", "abcd", "3iy", "3iyfx", "3iyf.pdb", "pdb_1ei7", "3iyf\n"]))


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format, *args):
        pass


@pytest.fixture
def pdb(tmp_path, monkeypatch):
    """A folder that a server on this machine gives out as the PDB."""
    folder = tmp_path / "served"
    folder.mkdir()
    handler = functools.partial(Quiet, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        monkeypatch.setenv("XFELDASK_PDB_URL", f"http://127.0.0.1:{server.server_port}")
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        yield folder
        server.shutdown()
        thread.join()


def test_fetch_structure__fetches_once(pdb, tmp_path, capfd):
    (pdb / "3iyf.cif.gz").write_bytes(gzip.compress(CIF.encode()))
    path = fetch_structure("3IYF", cache=tmp_path / "cache")
    assert len(read_structure(path)) == 2
    (pdb / "3iyf.cif.gz").unlink()
    assert fetch_structure("pdb_00003iyf", cache=tmp_path / "cache") == path
    assert capfd.readouterr() == ("", "")


def test_fetch_structure__tells_of_no_such_entry(pdb, tmp_path):
    with pytest.raises(MissingFileError, match=r"'9zzz' .* has no such entry; .*chaperonin"):
        fetch_structure("9zzz", cache=tmp_path / "cache")
    assert not list((tmp_path / "cache").iterdir())


@pytest.mark.parametrize("content", [b"<html>log in</html>", gzip.compress(CIF.encode(), mtime=0)[:-9]])
def test_fetch_structure__never_caches_a_bad_download(pdb, tmp_path, content):
    (pdb / "3iyf.cif.gz").write_bytes(content)
    with pytest.raises(MissingFileError, match="'3iyf'"):
        fetch_structure("3iyf", cache=tmp_path / "cache")
    assert not list((tmp_path / "cache").iterdir())


def test_fetch_structure__tells_that_the_pdb_is_out_of_reach(tmp_path, monkeypatch):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    monkeypatch.setenv("XFELDASK_PDB_URL", f"http://127.0.0.1:{port}")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with pytest.raises(MissingFileError, match=r"could not be reached at http://127.0.0.1.*local \.cif"):
        fetch_structure("3iyf", cache=tmp_path)


def test_fetch_structure__tells_of_a_cache_that_cannot_be_written(pdb, tmp_path):
    (pdb / "3iyf.cif.gz").write_bytes(gzip.compress(CIF.encode()))
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(MissingFileError, match="give a cache folder"):
        fetch_structure("3iyf", cache=tmp_path / "file")


def test_fetch_structure__refuses_what_is_no_id(tmp_path):
    with pytest.raises(InputError, match="no PDB id"):
        fetch_structure("../etc", cache=tmp_path)
