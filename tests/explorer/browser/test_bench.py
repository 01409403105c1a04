"""Labels by the keyboard, in a store that may be written."""

import re
import shutil

import numpy as np
import pytest

from tests.explorer.browsing import WAIT, Server, Visit
from xfeldask.store.results.labels import NO_LABEL, classes_of
from xfeldask.store.run import open_run

PRESSED = "1203X"
"""Keys for five shots, each of another class; a large letter without Shift is what CapsLock makes of a small one."""
MANY = 200
MEANT = {"1": "single", "2": "multiple", "0": "blank", "X": "other", "3": "ice"}
SHOT = "() => +new URLSearchParams(location.search).get('shot')"


@pytest.fixture
def labelled(browser, stores, tmp_path):
    """A page whose store may be written, and the store."""
    path = shutil.copytree(stores["whole"], tmp_path / "run.zarr")
    with Server(tmp_path, [path], allow_write=True) as server:
        visit = Visit(browser.new_page()).open(server.address(embedding="pairs"))
        yield visit, path
        visit.page.close()
        assert visit.faults == []
        assert server.faults() == ""


def sign(page):
    """Open the tab of labels, and give them a person's name."""
    page.tab("labels")
    page.page.get_by_label("your name").fill("anna")
    page.page.get_by_label("your name").press("Enter")
    page.page.get_by_text("in the store").first.wait_for()


def told(page, n):
    page.page.get_by_text(re.compile(rf"\b{n} labels?\b")).first.wait_for()


def stored(path):
    """Labels in the store, in words, by shot."""
    found = open_run(path).labels.get("anna")
    if found is None:
        return {}
    names = {value: name for name, value in classes_of(found).items()}
    return {int(shot): names[int(found[shot])] for shot in np.flatnonzero(found != NO_LABEL)}


def test_shots__are_labelled_by_keys_undone_redone_and_in_the_store(labelled):
    page, path = labelled
    sign(page)
    page.page.get_by_label("a class of your own").fill("ice")
    page.page.get_by_label("a class of your own").press("Enter")
    page.page.get_by_role("button", name="ice (3)").wait_for()
    seen = []
    for n, key in enumerate(PRESSED, 1):
        page.until("seen => !seen.includes((" + SHOT + ")())", seen)
        seen.append(page.ask(SHOT))
        page.page.keyboard.press(key)
        told(page, n)
    for n in (4, 3):
        page.page.keyboard.press("u")
        told(page, n)
    page.page.keyboard.press("y")
    told(page, 4)
    wanted = dict(zip(seen[:4], (MEANT[key] for key in PRESSED[:4]), strict=True))
    keeps(page, path, wanted)


@pytest.mark.campaign
def test_two_hundred_shots__are_judged_taught_from_compared_and_exported(labelled, tmp_path):
    page, path = labelled
    n_particles = open_run(path).array("n_particles")[:]
    sign(page)
    page.page.get_by_role("tab", name="labels", exact=True).focus()
    given = {}
    for n in range(1, MANY + 1):
        page.until("seen => !seen.includes((" + SHOT + ")())", list(given))
        shot = page.ask(SHOT)
        key = str(min(int(n_particles[shot]), 2))
        given[shot] = MEANT[key]
        page.page.keyboard.press(key)
        told(page, n)
        if n % 50 == 0:
            for back in (1, 2, 3):
                page.page.keyboard.press("u")
                told(page, n - back)
            for again in (2, 1, 0):
                page.page.keyboard.press("y")
                told(page, n - again)
    keeps(page, path, given)

    page.page.get_by_role("button", name="teach the rule").click()
    page.reads(f"taught from {MANY} labels; this is pairs_taught now")
    assert page.query()["embedding"] == "pairs_taught"
    embeddings = [open_run(path).embedding(name).dataset() for name in ("pairs", "pairs_taught")]
    before, after = (found.is_single.values for found in embeddings)

    page.tab("compare")
    page.page.get_by_role("button", name="compare", exact=True).click()
    page.reads(f"A {before.sum():,} shots (accepted by pairs); B {after.sum():,} shots (accepted by pairs_taught)")

    page.tab("verdict")
    page.page.get_by_role("button", name="select the accepted").click()
    page.reads(f"{after.sum():,} selected")
    page.tab("export")
    with page.page.expect_download(timeout=WAIT) as download:
        page.page.get_by_role("button", name="shots.npy").click()
    download.value.save_as(tmp_path / "shots.npy")
    np.testing.assert_array_equal(np.load(tmp_path / "shots.npy"), np.flatnonzero(after))


def keeps(page, path, wanted):
    """Wait until the store has these labels."""
    for _ in range(600):
        if stored(path) == wanted:
            break
        page.page.wait_for_timeout(100)
    assert stored(path) == wanted
