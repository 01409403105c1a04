"""One class has one colour, in the explorer and in the figures of the reports."""

from xfeldask.explorer.model.palette import class_colours
from xfeldask.explorer.model.shapes import HOLLOW, PICTURES, SIGNS, class_shapes
from xfeldask.scores import KINDS, OUTCOMES


def test_class_colours__of_shots_are_those_of_the_figures() -> None:
    for classes in (KINDS, OUTCOMES):
        names = tuple(found.name for found in classes)
        assert class_colours(names) == {found.name: found.color for found in classes}
        assert class_colours(names[1:])[names[1]] == classes[1].color


def test_class_colours__of_classes_that_nobody_knows_are_told_apart() -> None:
    assert len(set(class_colours(tuple("abcdefg")).values())) == 7
    ours = ("single", "multiple", "blank", "other", *"abcdefg")
    assert len(set(class_colours(ours).values())) == len(ours)


def test_class_shapes__are_told_apart_without_colour() -> None:
    for classes in (KINDS, OUTCOMES):
        names = tuple(found.name for found in classes)
        assert class_shapes(names) == {found.name: found.marker for found in classes}
    assert len(set(class_shapes(("none", "single", "multiple", "blank", "other", "ice")).values())) == 6
    assert set(class_shapes("abcdefgh").values()) == {"."}, "there are no more than seven shapes"
    assert len({*SIGNS.values()}) == len(SIGNS)
    assert SIGNS.keys() == PICTURES.keys() >= {*HOLLOW}
