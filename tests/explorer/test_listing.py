"""What lists offer, and in which words."""

from __future__ import annotations

import numpy as np

from tests.explorer.few_shots import NUMBER, N, session
from xfeldask.explorer.model.listing import COMPONENTS, OWN, SHOT, SORTING, TRUTH, group_of, listed
from xfeldask.store.choosing.columns import NO_YES, Column


def test_listed__names_what_expressions_take_by_groups():
    looked = session()
    found = listed(looked)
    assert list(found) == [COMPONENTS, SORTING, TRUTH, SHOT]
    assert found[COMPONENTS]["c0 · component 0"] == "c0"
    assert found[SHOT]["photon_count · photons counted in the shot"] == "photon_count"
    assert found[TRUTH]["hit · truth"] == "hit"
    assert found[SORTING]["confusion"] == "confusion"
    for names in found.values():
        for name in names.values():
            looked.choose_where(f"{name} == {name}")
            assert not looked.where or looked.where.startswith(name)


def test_listed__leaves_constants_out_unless_they_are_chosen():
    looked = session()
    constant = {name for name in looked.quantities if len(np.unique(looked.shots.column(name).values)) == 1}
    assert "shot_status" in constant
    everything = {name for names in listed(looked).values() for name in names.values()}
    assert everything == set(looked.quantities) - constant
    assert "shot_status" in listed(looked, keep=["shot_status"])[SHOT].values()


def test_group__of_what_a_person_made_is_their_own():
    looked = session()
    looked.choose(NUMBER == 2)
    looked.save("doubles", write=False)
    looked.shots.add(Column("label_anna", "label by anna", "1", np.zeros(N, np.int8), ((0, "none"),)))
    looked.shots.add(Column("cluster", "cluster", "1", np.zeros(N, np.int8), ((0, "a"), (1, "b"))))
    assert {group_of(looked, name) for name in ("doubles", "label_anna", "cluster")} == {OWN}
    assert set(listed(looked)[OWN].values()) == {"doubles", "label_anna", "cluster"}
    assert looked.shots.column("doubles").classes == NO_YES
