"""Which device is taken, what is told where there is none, and how cuBLAS is called: by a stand-in that counts columns
first, as its manual says."""

from __future__ import annotations

import ctypes
import sys
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from xfeldask import devices
from xfeldask.devices import Cuda, Device, device_of, in_blocks, operand, visible_gpus
from xfeldask.errors import InputError, RunError, UnknownNameError

TYPES = {0: np.float32, 2: np.float16}
"""What CUDA's numbers of types mean: CUDA_R_32F and CUDA_R_16F."""


class OnCard(np.ndarray):
    """An array that tells where it lies as CuPy's do."""

    @property
    def data(self):
        return SimpleNamespace(ptr=self.ctypes.data)


def on_card(values) -> OnCard:
    return np.asarray(values).view(OnCard)


def columns_first(pointer: int, kind: int, rows: int, columns: int, step: int) -> np.ndarray:
    """The matrix at an address, its columns one after the other, `step` apart."""
    size = step * columns * np.dtype(TYPES[kind]).itemsize
    flat = np.frombuffer((ctypes.c_char * size).from_address(pointer), TYPES[kind])
    return flat.reshape(columns, step)[:, :rows].T


def gemm_ex(handle, op_a, op_b, m, n, k, alpha, a, a_type, lda, b, b_type, ldb, beta, c, c_type, ldc, compute, _):
    """C = alpha op(A) op(B) + beta C."""
    assert (handle, compute) == (77, 68)
    left = columns_first(a, a_type, *((m, k) if op_a == 0 else (k, m)), lda)
    right = columns_first(b, b_type, *((k, n) if op_b == 0 else (n, k)), ldb)
    one, zero = (ctypes.cast(p, ctypes.POINTER(ctypes.c_float))[0] for p in (alpha, beta))
    left, right = (x.astype(np.float32).T if op else x.astype(np.float32) for x, op in ((left, op_a), (right, op_b)))
    out = columns_first(c, c_type, m, n, ldc)
    out[:] = one * (left @ right) + (0 if zero == 0 else zero * out)


def cupy(count: int = 1, blas: bool = True) -> dict[str, ModuleType]:
    """CuPy on a machine with so many GPUs."""
    found, cuda = ModuleType("cupy"), ModuleType("cupy.cuda")
    found.__spec__ = SimpleNamespace(name="cupy")
    pool = SimpleNamespace(free_bytes=lambda: 3, free_all_blocks=lambda: None)
    vars(found).update(cuda=cuda, float16=np.float16, float32=np.float32, matmul=np.matmul, asnumpy=np.array,
                       arange=np.arange, get_default_memory_pool=lambda: pool,
                       empty=lambda shape, dtype: np.full(shape, np.nan, dtype).view(OnCard))  # fmt: skip

    def devices_counted() -> int:
        if count < 0:
            raise RuntimeError("cudaErrorInsufficientDriver: CUDA driver version is insufficient")
        return count

    cuda.runtime = SimpleNamespace(getDeviceCount=devices_counted, memGetInfo=lambda: (4, 9),
                                   getDeviceProperties=lambda _: {"name": b"NVIDIA Test 80GB"})  # fmt: skip
    cuda.Device, cuda.device = lambda: SimpleNamespace(id=0), SimpleNamespace(get_cublas_handle=lambda: 77)
    names = {"CUBLAS_OP_N": 0, "CUBLAS_OP_T": 1, "CUBLAS_COMPUTE_32F": 68, "CUBLAS_GEMM_DEFAULT": -1,
             "CUBLAS_POINTER_MODE_HOST": 0}  # fmt: skip
    if blas:
        cuda.cublas = SimpleNamespace(gemmEx=gemm_ex, setPointerMode=lambda *_: None, **names)
    return {"cupy": found, "cupy.cuda": cuda}


@pytest.fixture
def put(monkeypatch):
    """Put a CuPy into this process, or take it away."""

    def put(modules: dict[str, ModuleType] | None) -> None:
        monkeypatch.setattr(devices, "find_spec", lambda _: modules)
        for name, module in (modules or {}).items():
            monkeypatch.setitem(sys.modules, name, module)

    return put


def test_device__is_a_gpu_where_there_is_one(put):
    put(cupy())
    for name in ("auto", "cuda"):
        device = device_of(name)
        assert (device.name, device.label, device.half, device.free()) == ("cuda", "NVIDIA Test 80GB", True, 7)
    assert device_of("cpu") is None


@pytest.mark.parametrize(
    ("modules", "told"),
    [
        (None, "CuPy is not installed; install 'xfeldask[cuda]' for CUDA 12 or 'xfeldask[cuda13]' for CUDA 13, or"),
        (cupy(0), "CuPy finds no GPU; look whether nvidia-smi lists one, or take"),
        (cupy(-1), "CuPy says cudaErrorInsufficientDriver: CUDA driver version is insufficient; look"),
        (cupy(blas=False), "CuPy says module 'cupy.cuda' has no attribute 'cublas'; look"),
    ],
)
def test_device__that_is_missing_is_told_in_one_sentence(put, modules, told):
    put(modules)
    assert device_of("auto") is None
    with pytest.raises(InputError) as error:
        device_of("cuda")
    assert str(error.value).startswith(f"device 'cuda' cannot be used: {told}")
    assert str(error.value).endswith("or take device='cpu' (--device cpu)")


@pytest.mark.parametrize(
    ("modules", "named", "seen"),
    [
        (cupy(3), "", ["0", "1", "2"]),
        (cupy(2), "GPU-7a, GPU-9b", ["GPU-7a", "GPU-9b"]),
        (cupy(1), "5,99", ["5"]),  # CUDA stops at a name that it does not know
        (cupy(0), "", []),
        (None, "0,1", []),
    ],
)
def test_visible_gpus__are_told_as_cuda_takes_them(put, monkeypatch, modules, named, seen):
    put(modules)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", named)
    assert visible_gpus() == seen


def test_device__of_another_name_is_refused():
    with pytest.raises(UnknownNameError, match="did you mean cuda"):
        device_of("cude")


@pytest.mark.parametrize("turned", [(False, False), (True, False), (False, True), (True, True)])
def test_product__of_halves_is_single(put, turned):
    put(cupy())
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(5, 7)).astype(np.float16), rng.normal(size=(7, 3)).astype(np.float16)
    a, b = (on_card(np.asfortranarray(x) if t else x) for x, t in zip((a, b), turned, strict=True))
    for device in (device_of("cuda"), Device()):
        found = device.product(a, b)
        assert found.dtype == np.float32
        np.testing.assert_allclose(found, a.astype(float) @ b.astype(float), rtol=1e-5, atol=1e-5)
    single = a.astype(np.float32), b.astype(np.float32)
    np.testing.assert_allclose(Cuda().product(*single), a.astype(float) @ b.astype(float), rtol=1e-5, atol=1e-5)


def test_operand__that_is_not_contiguous_is_copied():
    whole = np.arange(12.0).reshape(3, 4)
    matrix, turned, step = operand(whole[:, ::2])
    assert (turned, step, matrix.flags.c_contiguous) == (False, 2, True)
    assert (matrix == whole[:, ::2]).all()


def test_weights__of_one_index_are_added_up():
    index, weight = np.array([2, 0, 2], np.int32), np.array([1, 2, 4], np.float32)
    assert Device().summed_at(index, weight, 4).tolist() == [2, 0, 5, 0]


def test_smearing__joins_the_ends_as_scipy_does(put, monkeypatch):
    point = np.zeros((9, 9), np.float32)
    point[0, 4] = 1
    found = Device().smeared(point, 1.5)
    assert found.sum() == pytest.approx(1)
    np.testing.assert_allclose(found[1:], found[:0:-1], atol=1e-7)
    put(cupy())
    filters = ModuleType("cupyx.scipy.ndimage")
    filters.gaussian_filter = gaussian_filter
    monkeypatch.setitem(sys.modules, "cupyx.scipy.ndimage", filters)
    np.testing.assert_array_equal(Cuda().smeared(point, 1.5), found)


def test_blocks__are_halved_until_they_fit():
    done, tried = list[slice](), list[int]()

    def work(rows: slice) -> None:
        tried.append(rows.stop - rows.start)
        if rows.stop - rows.start > 3 or (rows.start >= 6 and rows.stop - rows.start > 1):
            raise MemoryError
        done.append(rows)

    in_blocks(Device(), 9, 8, 8, work, "it")
    assert tried == [8, 4, 2, 2, 2, 2, 1, 1, 1]
    assert [row for rows in done for row in range(rows.start, rows.stop)] == list(range(9))


def test_blocks__of_which_none_fits_are_told():
    def work(_: slice) -> None:
        raise MemoryError

    with pytest.raises(RunError, match=r"comparing ran out of memory on the CPU, .* GB free; take fewer rotations"):
        in_blocks(Device(), 9, 8, 2, work, "comparing")
    with pytest.raises(RunError, match=r"drawing ran out of memory on the CPU, .* GB free; wait$"):
        in_blocks(Device(), 9, 8, 2, work, "drawing", "wait")
