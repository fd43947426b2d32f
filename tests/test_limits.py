import time

import pytest

from layoutdeit.limits import Limits, OutOfTime, time_limit


@pytest.mark.parametrize("wrong", [0, -1, float("nan"), float("inf")])
def test_limits_are_positive_numbers(wrong):
    with pytest.raises(ValueError, match="page_s"):
        Limits(page_s=wrong)


def test_budget_grows_with_the_pages_asked_for():
    limits = Limits(document_s=100, mean_page_s=2)
    assert [limits.budget_s(pages) for pages in (0, 1, 50)] == [100, 102, 200]


def test_block_is_left_in_time_even_if_it_swallows_the_first_error():
    start = time.perf_counter()
    with pytest.raises(OutOfTime), time_limit(0.05):
        try:
            time.sleep(10)
        except OutOfTime:
            time.sleep(10)
    assert time.perf_counter() - start < 5


def test_block_in_time_is_left_alone_and_so_is_what_follows():
    with time_limit(0.05):
        pass
    time.sleep(0.1)
