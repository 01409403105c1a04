"""Which code packs chunks, whoever else opens stores at the same time."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Event

import numpy as np
import pytest
import zarr

from xfeldask.store.layout import ALL_CHUNKS, shot_array
from xfeldask.store.packing.codecs import EXACT, FAST, pipeline

SETTING = "codec_pipeline.path"


@pytest.fixture
def group(tmp_path):
    group = zarr.create_group(tmp_path / "a")
    group.create_array("counts", shape=(12,), chunks=(4,), dtype="uint32", fill_value=0, config=ALL_CHUNKS)
    return group


def name_of(array):
    return type(array.async_array.codec_pipeline).__name__


def test_pipeline__threads_that_overlap_leave_the_setting_as_it_was():
    before, first_is_in, first_may_go = zarr.config.get(SETTING), Event(), Event()

    def hold():
        with pipeline(FAST):
            first_is_in.set()
            first_may_go.wait(10)
            return zarr.config.get(SETTING)

    def follow():
        first_is_in.wait(10)
        first_may_go.set()
        with pipeline(EXACT):
            return zarr.config.get(SETTING)

    with ThreadPoolExecutor() as pool:
        seen = [pool.submit(task) for task in (hold, follow)]
        assert [future.result() for future in seen] == [FAST, EXACT]
    assert zarr.config.get(SETTING) == before


def test_pipeline__is_put_back_after_an_error():
    before = zarr.config.get(SETTING)
    with pytest.raises(KeyError), pipeline(FAST):
        raise KeyError
    assert zarr.config.get(SETTING) == before


def test_shot_array__writes_every_chunk_whatever_the_user_has_set(group, tmp_path):
    with zarr.config.set({SETTING: FAST}):
        array = shot_array(group, "counts")
    array[...] = np.zeros(12, np.uint32)
    assert sorted(f.name for f in (tmp_path / "a/counts/c").iterdir()) == ["0", "1", "2"]


def test_shot_array__reads_by_the_pipeline_asked_for(group):
    assert name_of(shot_array(group, "counts")) == "BatchedCodecPipeline"
    assert name_of(shot_array(group, "counts", FAST)) == "ZarrsCodecPipeline"
