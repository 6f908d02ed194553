import threading
import time

import numpy as np
import pytest
from threadpoolctl import threadpool_info

from adhelpers.ground import linear_algebra_threads, ordered_map


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


@pytest.mark.parametrize(
    ("width", "is_one"), [(16, True), (1280, True), (2048, True), (2560, False)]
)
def test_linear_algebra_takes_one_thread_unless_a_matrix_is_wide(width, is_one):
    def threads():
        return [one["num_threads"] for one in threadpool_info() if one["user_api"] == "blas"]

    np.linalg.inv(np.eye(2))
    before = threads()
    with linear_algebra_threads(width):
        assert threads() == ([1] * len(before) if is_one else before)
    assert threads() == before
