"""What a visitor does with the latent plot, and what the page then shows, against the store itself."""

import html
import json
import re

import numpy as np
import zarr
from playwright.sync_api import expect

from tests.explorer.browsing import WAIT, Frame, Visit, alone
from tests.explorer.conftest import N
from xfeldask.explorer.model.pictures import Pictures
from xfeldask.explorer.model.threshold import Threshold
from xfeldask.schema import SINGLE
from xfeldask.store.choosing.columns import Shots
from xfeldask.store.run import open_run

PICTURED = "n => explorer.texts().some(t => t.includes('shot ' + n + '</b>'))"
WHOLE = "explorer.cards().findIndex(v => v.model.title?.text?.includes('full resolution'))"
NO_RING = "() => explorer.marks(2).x.length == 0"


def places(shots: Shots, frame: Frame, x="c0", y="c1"):
    return frame.pixels(shots.column(x).values, shots.column(y).values)


def crossings(places, corners):
    """Places inside a polygon: a ray to the right crosses its line an odd number of times. Also the least distance."""
    inside, away = np.zeros(len(places), bool), np.full(len(places), np.inf)
    for (x0, y0), (x1, y1) in zip(corners, np.roll(corners, -1, axis=0), strict=True):
        x, y = places.T
        with np.errstate(divide="ignore", invalid="ignore"):
            inside ^= ((y0 > y) != (y1 > y)) & (x < x0 + (y - y0) * (x1 - x0) / (y1 - y0))
        along = np.clip(((x - x0) * (x1 - x0) + (y - y0) * (y1 - y0)) / ((x1 - x0) ** 2 + (y1 - y0) ** 2), 0, 1)
        away = np.minimum(away, np.hypot(x0 + along * (x1 - x0) - x, y0 + along * (y1 - y0) - y))
    return inside, away.min()


def clear(frame: Frame, at, make, seed, tries=400):
    """Of many polygons that hold some but not all shots, the one whose line stays farthest from all of them."""
    rng, best, found = np.random.default_rng(seed), 0.0, None
    for _ in range(tries):
        corners = make(rng)
        if frame.inside(corners, 5).all():
            inside, away = crossings(at, corners)
            if away > best and N / 10 < inside.sum() < N * 0.9:
                best, found = away, (corners, inside)
    assert best > 1
    return found


def chosen(page: Visit, n):
    """Wait until so many shots are told to be selected."""
    page.reads(re.compile(rf"\b{n:,} selected"))


def test_page__stands_without_a_fault(page):
    page.settle()
    assert f"{N:,} shots" in page.texts()
    assert f"drawn {N:,} of {N:,}" in page.texts()
    assert [page.image(card)[1]["visible"] for card in (0, 1)] == [True, True]
    last = page.page.get_by_role("tab").last.bounding_box()
    assert last["x"] + last["width"] < 1280, "all tabs are seen at once on a narrow screen, too"


def test_embedding__can_be_changed(page, shots):
    # before others open tabs, which would all be drawn anew
    page.settle()
    before = page.frame()
    page.page.get_by_label("embedding").select_option("second")
    page.until("() => new URLSearchParams(location.search).get('embedding') == 'second'")
    page.until("x => explorer.frame().x[0] != x", before.x[0])
    page.reads(re.compile(rf"drawn {N:,} of {N:,}"))
    page.page.get_by_label("embedding").select_option("pairs")
    page.until("x => explorer.frame().x[0] == x", before.x[0])
    page.page.get_by_label("colour by").select_option(label="verdict")
    page.until("() => new URLSearchParams(location.search).get('colour') == 'verdict'")


def test_page__looks_the_same_to_the_second_visitor(page, visit, server):
    first = page.settle()
    assert visit.open(server.address(embedding="pairs")).settle() == first
    assert min(first.width, first.height) > 350


def test_hover__shows_what_the_store_holds(page, shots, stores):
    frame, root = page.settle(), zarr.open_group(stores["whole"], mode="r")
    at, pictures = places(shots, frame), Pictures(open_run(stores["whole"]))
    lonely = alone(shots, frame)
    kinds = shots.column("hit").values[lonely]
    for shot in [*lonely[:3], *(lonely[kinds == kind][-1] for kind in np.unique(kinds))]:
        page.point(at[shot])
        page.until(PICTURED, f"{shot:,}")
        pattern, how = page.image(0)
        wanted = pictures.seen(int(shot))
        np.testing.assert_array_equal(pattern, wanted.values)
        assert np.nansum(pattern) >= 0.8 * root["image"][int(shot)].sum()
        np.testing.assert_allclose(how["extent"], wanted.extent)
        particles, how = page.image(1)
        wanted = pictures.particles(int(shot))
        np.testing.assert_allclose(particles, wanted.values, rtol=1e-6)
        np.testing.assert_allclose(how["extent"], wanted.extent)
        ring = page.ask("() => explorer.marks(2)")
        np.testing.assert_allclose([ring["x"][0], ring["y"][0]], shots.latent[shot, :2])


def test_hover__finds_nothing_beyond_15_pixels(page, shots):
    frame = page.settle()
    at = places(shots, frame)
    shot = alone(shots, frame, apart=40)[0]
    # away from the others, so that this one stays the nearest
    others = np.delete(at, shot, axis=0)
    step = at[shot] - others[np.linalg.norm(others - at[shot], axis=1).argmin()]
    step /= np.linalg.norm(step)
    page.point(at[shot] + 12 * step)
    page.until(PICTURED, f"{shot:,}")
    page.point(at[shot] + 18 * step)
    page.until(NO_RING)
    page.point(at[shot] + 12 * step)
    page.until("() => explorer.marks(2).x.length == 1")


def test_tap__pins_a_shot_with_every_pixel(page, shots, stores):
    page.tab("shot")
    frame = page.settle()
    first, second = alone(shots, frame)[:2]
    at = places(shots, frame)
    page.page.mouse.click(*at[first])
    page.until("n => new URLSearchParams(location.search).get('shot') == n", str(first))
    page.until("() => explorer.marks(0).x.length == 1")
    pin = page.ask("() => explorer.marks(0)")
    np.testing.assert_allclose([pin["x"][0], pin["y"][0]], shots.latent[first, :2])
    whole = Pictures(open_run(stores["whole"])).whole(int(first)).values
    # tabs that were opened before have pictures too
    page.until(f"n => {WHOLE} >= 0 && explorer.image(explorer.cards()[{WHOLE}]).values.length == n", whole.size)
    # what is unknown is covered
    np.testing.assert_array_equal(page.image(page.ask(f"() => {WHOLE}"))[0], np.nan_to_num(whole))
    # hovering goes on, and the pinned shot comes back when the pointer has gone
    page.point(at[second])
    page.until(PICTURED, f"{second:,}")
    page.point((frame.left - 60, frame.top))
    page.until(PICTURED, f"{first:,}")


def test_lasso__selects_what_lies_inside(page, shots):
    # a tab that is opened may leave the plot another width
    page.tab("gallery")
    frame = page.settle()
    at = places(shots, frame)

    def star(rng):
        angle, size = np.sort(rng.uniform(0, 2 * np.pi, 9)), min(frame.width, frame.height)
        around = np.column_stack([np.cos(angle), np.sin(angle)]) * rng.uniform(0.04, 0.6, (9, 1)) * size
        return np.median(at, axis=0) + rng.uniform(-0.15, 0.15, 2) * size + around

    for seed in range(2):
        corners, inside = clear(frame, at, star, seed, tries=2000)
        page.drag(np.vstack([corners, corners[:1]]))
        chosen(page, inside.sum())
        page.until(
            "first => explorer.plots().some(v => v.model.renderers.some("
            "r => String(r.data_source?.data?.label?.[0]).split(/[^0-9,]/)[0] == first))",
            f"{np.flatnonzero(inside)[0]:,}",
        )  # fmt: skip
        labels = page.ask(
            "() => explorer.plots().flatMap(v => v.model.renderers)"
            ".filter(r => r.glyph.type == 'Text' && r.data_source.data.label)"
            ".map(r => Array.from(r.data_source.data.label)).at(-1)"
        )
        found = [int(label.split()[0].replace(",", "")) for label in labels]
        assert found == np.flatnonzero(inside)[: len(labels)].tolist()
    page.clear()


def test_tiles_of_the_gallery__are_picked_by_keys_and_selected(page):
    page.settle()
    page.tab("gallery")
    at = page.ask(
        "() => { const view = explorer.plots().filter(v => v.model.renderers.some(r => r.glyph.type == 'Text')).at(-1);"
        " view.el.scrollIntoView(); const {x, y, width} = view.el.getBoundingClientRect(); return [x, y, width]; }"
    )
    tiles = [(at[0] + at[2] / 10 * (place + 0.5), at[1] + at[2] / 25) for place in range(10)]
    for place, key, held, picked in ((1, None, 0, 1), (4, "Shift", 400, 4), (2, "Control", 0, 3)):
        if key:
            page.page.keyboard.down(key)
        page.page.mouse.click(*tiles[place], delay=held)
        if key:
            page.page.keyboard.up(key)
        button = page.page.get_by_role("button", name=f"select the {picked} picked")
        button.wait_for()
    button.click()
    page.until("() => new URLSearchParams(location.search).get('shot') == '1'")
    chosen(page, 3)
    page.clear()


def test_box__adds_and_subtracts(page, shots):
    frame = page.settle()
    at = places(shots, frame)

    def box(rng):
        (left, top), (right, low) = rng.uniform((frame.left, frame.top), np.add((frame.left, frame.top),
                                                (frame.width, frame.height)), (2, 2))  # fmt: skip
        return np.array([[left, top], [right, top], [right, low], [left, low]])

    page.tool("BoxSelectTool")
    selected, boxes = np.zeros(N, bool), (clear(frame, at, box, seed, tries=60) for seed in range(200))
    for button, told, combine in (
        ("add", "adds to", lambda old, new: old | new),
        ("subtract", "takes from", lambda old, new: old & ~new),
        ("intersect", "keeps of", lambda old, new: old & new),
        ("replace", "replaces", lambda old, new: new),
    ):
        # one by which the number of selected shots becomes another
        corners, inside = next(b for b in boxes if combine(selected, b[1]).sum() not in (0, selected.sum()))
        selected = combine(selected, inside)
        page.page.get_by_role("button", name=button, exact=True).click()
        page.reads(f"a lasso or box {told} the selection")
        page.drag(np.array([corners[0], (corners[0] + corners[2]) / 2, corners[2]]))
        chosen(page, selected.sum())
    page.page.get_by_role("button", name="invert", exact=True).click()
    chosen(page, N - selected.sum())
    page.tool("LassoSelectTool")
    page.clear()


def test_chips__hide_a_class(page, shots):
    frame = page.settle()
    verdict = shots.column("verdict")
    value = next(value for value, meaning in verdict.classes if meaning == "multiple")
    n = int((verdict.values == value).sum())
    chip = page.page.get_by_label(f"multiple ({n:,})")
    at, lonely = places(shots, frame), alone(shots, frame, apart=20)
    hidden, seen = (next(i for i in lonely if (verdict.values[i] == value) == is_hidden) for is_hidden in (True, False))
    chip.uncheck()
    page.reads(re.compile(rf"drawn {N - n:,} of {N:,} · {n:,} hidden"))
    page.until("() => new URLSearchParams(location.search).get('hidden') == '[\"multiple\"]'")
    page.point(at[seen])
    page.until(PICTURED, f"{seen:,}")
    page.point(at[hidden])
    page.until(NO_RING)
    chip.check()
    page.reads(re.compile(rf"drawn {N:,} of {N:,}$"))


def test_where__selects_and_tells_what_it_cannot_read(page, shots):
    page.settle()
    # with figures that follow the selection
    page.tab("gallery")
    field = page.page.get_by_label("select where")
    field.fill("photon_count > 800 and hit == 'single'")
    field.press("Enter")
    wanted = (shots.column("photon_count").values > 800) & (shots.column("hit").values == SINGLE)
    assert 0 < wanted.sum() < N
    chosen(page, wanted.sum())
    for wrong, told in (("photon_count >", "cannot be read"), ("photons > 3", "unknown"), ("<b>x</b> > 1", "<b>")):
        field.fill(wrong)
        field.press("Enter")
        page.until("t => explorer.texts().some(text => text.includes(t))", html.escape(html.escape(told)))
        assert f"{wanted.sum():,} selected" in page.texts(), "what was selected stays"
    page.clear()


def press(page: Visit, slider, key, times=1):
    """Press a key so many times, each when the slider has moved by the one before, or until its end; return where."""
    slider.focus()
    end = slider.get_attribute("aria-valuemax" if key in ("End", "PageUp") else "aria-valuemin")
    for _ in range(times):
        before = slider.get_attribute("aria-valuenow")
        if float(before) == float(end):
            break
        page.page.keyboard.press(key)
        expect(slider).not_to_have_attribute("aria-valuenow", before, timeout=WAIT)
    return float(slider.get_attribute("aria-valuenow"))


def test_verdict__counts_as_the_library_does(page, shots):
    page.settle()
    page.tab("verdict")
    slider = page.page.get_by_role("slider").last
    threshold = Threshold(shots.column("score").values, shots.column("hit").values == SINGLE)
    seen = set()
    for key, times in (("ArrowLeft", 2), ("PageDown", 1), ("End", 1), ("Home", 1), ("PageUp", 2)):
        at = threshold.confusion(press(page, slider, key, times))
        seen.add(at.accepted)
        rows = [
            ("singles", at.singles_accepted, at.singles_rejected, at.singles),
            ("multiples", at.multiples_accepted, at.multiples_rejected, at.multiples),
            ("shots", at.accepted, at.rejected, N),
        ]
        told = " ".join(f"{name} {accepted:,} {rejected:,} {both:,}" for name, accepted, rejected, both in rows)
        page.until(
            "rows => explorer.texts().some(t => t.replace(/(&lt;.*?&gt;| )+/g, ' ').includes(rows))", told
        )  # fmt: skip
    assert len(seen) > 3
    page.page.get_by_role("button", name="select the accepted").click()
    chosen(page, at.accepted)
    page.clear()


def test_address__brings_the_view_back(visit, server, shots):
    state = {
        "embedding": "pairs", "x": "c2", "y": "photon_count", "colour": "hit", "hidden": json.dumps(["blank"]),
        "where": "photon_count > 800", "shot": 17,
    }  # fmt: skip
    page = visit.open(server.address(**state))
    page.settle()
    blank = int((shots.column("hit").values == 0).sum())
    chosen(page, int((shots.column("photon_count").values > 800).sum()))
    page.reads(re.compile(rf"{blank:,} hidden"))
    page.until(PICTURED, "17")
    labels = page.ask("() => [explorer.plane().model.below[0].axis_label, explorer.plane().model.left[0].axis_label]")
    assert labels[0].startswith("component 2")
    assert labels[1].startswith("photons counted")
    assert page.page.get_by_label("select where").input_value() == state["where"]
    assert not page.page.get_by_label(re.compile(rf"blank \(.*{blank:,}\)")).is_checked()
    # and the address that the page then makes is the same view
    at = places(shots, page.frame(), "c2", "photon_count")
    shot = next(i for i in alone(shots, page.frame(), "c2", "photon_count") if shots.column("hit").values[i] != 0)
    page.page.mouse.click(*at[shot])
    page.until("n => new URLSearchParams(location.search).get('shot') == n", str(shot))
    assert page.query() == {name: str(value) for name, value in (state | {"shot": shot}).items()}


def test_zoom__draws_what_is_in_view(page, shots):
    frame = page.settle()
    page.point((frame.left + frame.width / 2, frame.top + frame.height / 2))
    page.page.mouse.wheel(0, -600)
    page.reads(re.compile(r"\d+ outside the view"))
    page.settle()
    at = places(shots, page.frame())
    inside = int(page.frame().inside(at).sum())
    page.until("told => explorer.texts().some(t => t.includes(told))", f"drawn {inside:,} of {N:,}")
    page.ask("() => explorer.plane().reset()")
    page.reads(re.compile(rf"drawn {N:,} of {N:,}$"))
    after = page.settle()
    # as wide as before or not: that is as the labels of the axes have it
    assert (after.x, after.y) == (frame.x, frame.y)


def colour_by(page, label):
    page.page.get_by_label("colour by", exact=True).select_option(label=label)


BARS = "() => explorer.plane().model.right.filter(m => m.type == 'ColorBar' && m.visible).map(m => m.title)"


def test_hexagons__are_drawn_and_explained_the_first_time_they_are_chosen(page, shots):
    page.settle()
    colour_by(page, "hexagons")
    page.until(f"() => JSON.stringify(({BARS})()) == JSON.stringify(['shots in a hexagon'])")
    page.settle()
    photons = shots.column("photon_count")
    colour_by(page, "photon_count · " + photons.label)
    page.until(f"title => JSON.stringify(({BARS})()) == JSON.stringify([title])", f"{photons.label} (count)")
    colour_by(page, "verdict")
    page.until(f"() => ({BARS})().length == 0")


def test_saved_selection__is_listed_coloured_used_and_deleted(page):
    page.settle()
    page.page.get_by_label("select where", exact=True).fill("n_particles == 2")
    page.page.get_by_label("select where", exact=True).press("Enter")
    page.until("() => explorer.texts().some(t => / [1-9]\\d* selected/.test(t))")
    page.page.get_by_label("save the selection as").fill("doubles")
    page.page.get_by_role("button", name="save", exact=True).click()
    use = page.page.get_by_role("button", name=re.compile(r"^doubles \("))
    use.wait_for()
    colour_by(page, "doubles · selection doubles")
    page.reads(re.compile(r"^\S yes \("))
    page.clear()
    use.click()
    page.until("() => new URLSearchParams(location.search).get('where') == 'doubles'")
    page.page.get_by_role("button", name="delete doubles").click()
    use.wait_for(state="detached")
    page.until("() => new URLSearchParams(location.search).get('colour') == 'verdict'")
    page.clear()


def test_bar__between_plots_and_tabs_is_moved_and_lassos_are_in_the_address_and_undone_by_keys(page):
    before = page.settle()
    bar = page.page.get_by_role("separator", name="height of the plots")
    bar.focus()
    for _ in range(2):
        page.page.keyboard.press("ArrowUp")
    page.until("height => explorer.frame().height < height - 50", before.height)
    frame = page.settle()
    angle = np.linspace(0, 2 * np.pi, 40)
    middle = np.array([frame.left + frame.width / 2, frame.top + frame.height / 2])
    page.drag(middle + 60 * np.column_stack([np.cos(angle), np.sin(angle)]))
    page.until("() => new URLSearchParams(location.search).get('outline')?.startsWith('lasso c0 c1 ')")
    bar.focus()
    page.page.keyboard.press("Control+Z")  # without Shift: what CapsLock makes of Control+z
    page.until("() => !new URLSearchParams(location.search).has('outline')")
    page.reads("shots · 0 selected")
    bar.dblclick()
    page.until("height => explorer.frame().height == height", before.height)
