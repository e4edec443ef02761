"""What starts beside the first steps is told of them in order, and loses none."""

import threading

import pytest

from vaebench.training.beside import Beside


def test_calls_that_come_back_are_answered_in_the_order_of_their_first_coming():
    told = []
    work = Beside(lambda: None)

    def call(name):
        work.catch_up()  # as whoever is called may ask for what has started
        told.append(name)

    work.waiting += [lambda name=name: call(name) for name in "abc"]
    work.started()
    work.catch_up()
    assert told == ["a", "b", "c"]
    assert work.waiting == []


def test_what_is_not_over_has_not_started():
    gate = threading.Event()
    work = Beside(gate.wait)
    assert not work.is_over()
    gate.set()
    work.started()
    assert work.is_over()


def test_what_fails_to_start_says_so_whenever_it_is_asked():
    work = Beside(lambda: [].pop())
    for _ in range(2):
        with pytest.raises(IndexError):
            work.started()
