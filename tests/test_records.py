"""Records keep what they do not know, and refuse what is no record."""

import pytest
from pydantic import ValidationError

from xfeldask.errors import CorruptStoreError
from xfeldask.records import Record


class Fit(Record):
    n_fitted: int
    interval: tuple[float, float] | None = None


def test_record__comes_back_with_the_keys_of_a_newer_version() -> None:
    text = '{"n_fitted": 3, "interval": [0.5, 1.5], "mood": {"good": [1, null]}}'
    found = Fit.from_json(text)
    assert (found.n_fitted, found.interval) == (3, (0.5, 1.5))
    assert found.to_json() == text
    assert found.model_copy(update={"n_fitted": 4}).to_json() == text.replace("3", "4")


def test_record__does_not_write_what_was_not_given() -> None:
    assert Fit(n_fitted=3).to_json() == '{"n_fitted": 3}'
    assert Fit(n_fitted=3, interval=None).to_json() == '{"n_fitted": 3, "interval": null}'


@pytest.mark.parametrize("text", ["", "[1]", "3", '{"interval": null}', '{"n_fitted": "many"}', '{"n_fitted": 3'])
def test_record__refuses_what_is_no_record_in_one_line(text: str) -> None:
    with pytest.raises(CorruptStoreError, match=r"^the stored fit cannot be read \(.*\)$") as error:
        Fit.from_json(text)
    assert "\n" not in str(error.value)


def test_record__does_not_change() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        Fit(n_fitted=3).n_fitted = 4
