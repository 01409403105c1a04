from __future__ import annotations

import pickle

import pytest
from distributed import Client, LocalCluster

from tests.engines.test_cuda_thinning import Card
from xfeldask.engines import cuda_thinning
from xfeldask.errors import InputError, UnknownNameError
from xfeldask.verbs.arguments import drawing_device
from xfeldask.verbs.arguments.drawing_device import CPU, Drawing, drawing, drawn_on, told_device

MISSING = InputError("CuPy finds no GPU")


@pytest.fixture
def card(monkeypatch):
    monkeypatch.setattr(cuda_thinning, "device_of", lambda name: Card())
    monkeypatch.setattr(cuda_thinning, "find_spec", lambda name: name)


def workers(monkeypatch, *found):
    monkeypatch.setattr(drawing_device, "in_each_process", lambda *_: list(found))


@pytest.mark.usefixtures("card")
def test_drawn_on__asks_the_workers_of_a_cluster(monkeypatch):
    here = drawing("cuda", "xfeldask")
    assert here.label == "NVIDIA Test 80GB"
    assert pickle.loads(pickle.dumps(here)) == here
    with (
        LocalCluster(n_workers=2, threads_per_worker=1, processes=False, dashboard_address=":0") as cluster,
        Client(cluster),
    ):
        assert [each.label for each in drawn_on("cuda", "xfeldask")] == 2 * ["NVIDIA Test 80GB"]
        with pytest.raises(InputError, match="2 of 2 workers cannot draw on a GPU: photons cannot be drawn on NVIDIA"):
            drawn_on("cuda", "skopi")


def test_drawn_on__refuses_where_a_worker_has_no_gpu(monkeypatch):
    workers(monkeypatch, Drawing("NVIDIA H100", 9), Drawing("", problem=MISSING), Drawing("", problem=MISSING))
    with pytest.raises(InputError, match="2 of 3 workers cannot draw on a GPU: CuPy finds no GPU"):
        drawn_on("cuda", "xfeldask")
    workers(monkeypatch, Drawing("", problem=UnknownNameError("device", "gpu", ["cuda"])))
    with pytest.raises(UnknownNameError, match="unknown device 'gpu'"):
        drawn_on("gpu", "xfeldask")


def test_drawn_on__asks_nobody_for_the_cpu(monkeypatch):
    monkeypatch.setattr(drawing_device, "in_each_process", None)
    assert told_device(drawn_on("cpu", "skopi"), True) == CPU


def test_told_device__names_all_that_workers_draw_on(capsys):
    cards = [Drawing("NVIDIA H100", 80_000_000_000), Drawing("NVIDIA A100", 40_000_000_000), Drawing(CPU)]
    assert told_device(cards[:2], True) == "NVIDIA A100, NVIDIA H100"
    assert capsys.readouterr().err == "2 processes draw on NVIDIA A100, NVIDIA H100, 40.0 GB free or more\n"
    assert told_device(cards[:1], True) == "NVIDIA H100"
    assert capsys.readouterr().err == "drawing on NVIDIA H100, 80.0 GB free\n"
    assert told_device(cards, False) == "NVIDIA A100, NVIDIA H100, the CPU"
    told_device(cards, True)
    assert capsys.readouterr().err == "3 processes draw on NVIDIA A100, NVIDIA H100, the CPU, 40.0 GB free or more\n"
