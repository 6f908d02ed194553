import threading
import time

import pytest

from adhelpers.ground import ordered_map


def test_order_is_kept_when_later_items_finish_first():
    def slow_first(i):
        time.sleep(0.05 if i == 0 else 0)
        return i

    assert list(ordered_map(slow_first, range(20), workers=4)) == list(range(20))


def test_look_ahead_is_bounded():
    drawn = []

    def items():
        for i in range(1000):
            drawn.append(i)
            yield i

    results = ordered_map(lambda i: i, items(), workers=2, ahead=4)
    assert next(results) == 0
    assert len(drawn) <= 5


def test_items_run_at_the_same_time():
    meeting = threading.Barrier(3, timeout=5)
    assert list(ordered_map(lambda _: meeting.wait() >= 0, range(3), workers=3)) == [True] * 3


def test_an_exception_comes_in_its_turn():
    def fail_at_three(i):
        if i == 3:
            raise RuntimeError("three")
        return i

    results = ordered_map(fail_at_three, range(10), workers=4)
    assert [next(results) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(RuntimeError, match="three"):
        next(results)
