from __future__ import annotations

import numpy as np
import pytest

from xfeldask.store.packing.entropy import ACCURACY, LITERAL_LENGTHS, MATCH_LENGTHS, described_literals, make_coder


@pytest.mark.parametrize("parts", [LITERAL_LENGTHS, MATCH_LENGTHS])
def test_make_coder__gives_each_symbol_its_part_of_the_states(parts):
    coder = make_coder(parts)
    size = 1 << ACCURACY
    assert sorted(coder.states.tolist()) == list(range(size, 2 * size))
    # from any state, a symbol gives up as many bits as lead to one of its own states
    for symbol, part in enumerate(parts):
        begins = coder.first[symbol] + part
        for state in (size, size + 17, 2 * size - 1):
            given = (state + int(coder.bits[symbol])) >> 16
            assert part <= state >> given < 2 * part
            assert begins <= (state >> given) + coder.first[symbol] < begins + part


def test_make_coder__spreads_states_as_the_format_says():
    # RFC 8878, appendix A: states of the predefined literal lengths 0 are 0, 1 and, after steps of 43 of 64, 26 and 27
    order = [0, 43, 22, 1]
    coder = make_coder((4, *[1] * 60), 6)
    assert sorted(order) == (coder.states[:4] - 64).tolist()


@pytest.mark.parametrize("parts", [(1,) * 511, (0, 512), (513, -1)])
def test_make_coder__refuses_what_does_not_add_up(parts):
    with pytest.raises(ValueError, match="add up to 512"):
        make_coder(parts)


def test_described_literals__give_lengths_that_fill_the_code():
    first, *pairs = described_literals().tolist()
    weights = [weight for pair in pairs for weight in (pair >> 4, pair & 15)]
    assert first - 127 == len(weights)
    left = 2 ** max(weights) - sum(2 ** (weight - 1) for weight in weights)
    assert left == 1  # that of the last byte, which is not told
    assert np.all(np.diff(weights) == -1)
