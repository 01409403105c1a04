"""`selfcheck`, on the CPU and on a GPU, if there is one."""

from __future__ import annotations

import re

import pytest

from tests.orient.devices import gpu
from tests.orient.shots import PIXELS, shots
from xfeldask import devices
from xfeldask.devices import Device
from xfeldask.orient.schedule import Level
from xfeldask.physics.orientations import IDENTITY
from xfeldask.verbs import selfcheck as verb

CHECKS = ["device", "products", "iteration", "reconstruction", "phases", "evidence", "speed"]


def test_selfcheck__of_the_cpu_finds_all_as_it_should_be(run):
    code, out, err = run("selfcheck", "--device", "cpu")
    assert (code, err) == (0, "")
    assert re.findall(r"│ (\w+) +│", out) == CHECKS
    assert out.endswith("\nAll is as it should be.\n")


def test_selfcheck__tells_what_is_wrong(run, monkeypatch):
    class Off(Device):
        """Products are off by what half precision would have them off."""

        def product(self, a, b):
            return super().product(a, b) * 1.001

    on = Off(half=True)
    found = verb._products(on)
    assert not found.fits
    level = Level(2, 6.0, 1, everywhere=True)
    for device, fits in ((on, False), (Device(half=True), True)):
        assert verb._iteration(device, shots(60, 300, 5).frames, PIXELS, level, IDENTITY).fits is fits
    monkeypatch.setattr(verb, "selfcheck", lambda *_, **__: [found])
    code, out, err = run("selfcheck", "--device", "cpu")
    assert code == 1
    assert "NOT AS IT SHOULD BE: of matrices in half precision" in out
    assert "All is" not in out
    assert "products not as it should be; take device='cpu'" in err


@pytest.mark.parametrize(
    ("device", "ends"), [("auto", "no GPU is used: CuPy is not installed; "), ("cpu", " GB free$")]
)
def test_selfcheck__says_why_it_takes_no_gpu_unless_none_is_asked_for(monkeypatch, device, ends):
    def reached(*_: object) -> None:
        raise LookupError(*told)

    told = list[str]()
    monkeypatch.setattr(devices, "find_spec", lambda _: None)
    monkeypatch.setattr(verb, "Finding", lambda what, found, fits: told.append(found))
    monkeypatch.setattr(verb, "_products", reached)
    with pytest.raises(LookupError, match=rf"^the CPU, .*{ends}"):
        verb.selfcheck(device)


@pytest.mark.cuda
def test_selfcheck__of_the_gpu_finds_all_as_it_should_be():
    device = gpu()
    found = verb.selfcheck("cuda")
    assert found[0].told.startswith(device.label)
    assert [each.what for each in found] == [*CHECKS[:2], "photons", *CHECKS[2:]]
    assert [each for each in found if not each.fits] == []
