"""Steps of an LSTM against torch's cell."""

import torch
from torch.testing import assert_close

from vaebench.nets.recurrent import LSTM

WIDTHS, HIDDEN = (2, 3, 1), 4


def test_steps_are_those_of_torchs_cell_in_value_and_gradient():
    torch.manual_seed(0)
    lstm = LSTM(WIDTHS, HIDDEN).double()
    torch.nn.init.normal_(lstm.first)
    always, shared = torch.randn(5, 2).double(), torch.randn(1).double()
    changing = torch.randn(3, 5, 3).double()

    state, step = lstm.start, lstm.begin()
    for x in changing:
        state = step((always, x, shared), state)
    expected = tuple(s.expand(5, -1) for s in lstm.start)
    for x in changing:
        given = torch.cat([always, x, shared.expand(5, 1)], 1)
        expected = lstm.cell(given, expected)

    assert_close(state, expected)
    of = list(lstm.parameters())
    weight = torch.randn(2, 5, HIDDEN).double()
    found, right = (
        torch.autograd.grad((torch.stack(s) * weight).sum(), of) for s in (state, expected)
    )
    assert_close(found, right)


def test_what_is_given_again_is_multiplied_once_and_what_all_share_for_all():
    lstm = LSTM(WIDTHS, HIDDEN)
    sizes = []

    def counted(product, *given):
        sizes.append(given[0].numel())
        return product(*given)

    lstm.multiplied = counted
    step, state = lstm.begin(), lstm.start
    always, shared = torch.randn(5, 2), torch.randn(1)
    for _ in range(3):
        state = step((always, torch.randn(5, 3), shared), state)
    states, changes = [HIDDEN, 5 * HIDDEN, 5 * HIDDEN], [5 * 3] * 3
    assert sorted(sizes) == sorted([5 * 2, 1, *states, *changes])


def test_a_state_has_the_leading_dimensions_of_all_it_was_given():
    lstm = LSTM(WIDTHS, HIDDEN)
    given = torch.randn(7, 1, 2), torch.randn(5, 3), torch.randn(1)
    h, c = lstm.begin()(given, lstm.start)
    assert h.shape == c.shape == (7, 5, HIDDEN)
