"""Pages of a listing."""

from benchmarks.ossserver.listing import Page, Query, list_page

KEYS = sorted(["a", "b/1", "b/2", "b/c/3", "b0", "c//d", "é", "\U0001f600"])


def test_everything() -> None:
    assert list_page(KEYS, Query(limit=100)) == Page(tuple(KEYS), (), None)


def test_order_is_that_of_the_bytes() -> None:
    assert sorted(KEYS) == sorted(KEYS, key=str.encode)


def test_a_delimiter_rolls_up() -> None:
    assert list_page(KEYS, Query(delimiter="/")) == Page(("a", "b0", "é", "\U0001f600"), ("b/", "c/"), None)
    assert list_page(KEYS, Query(prefix="b/", delimiter="/")) == Page(("b/1", "b/2"), ("b/c/",), None)
    assert list_page(KEYS, Query(prefix="c/", delimiter="/")) == Page((), ("c//",), None)


def test_a_prefix_is_no_directory() -> None:
    assert list_page(KEYS, Query(prefix="b")).keys == ("b/1", "b/2", "b/c/3", "b0")


def test_a_common_prefix_counts_as_one_and_ends_a_page() -> None:
    first = list_page(KEYS, Query(delimiter="/", limit=2))
    assert first == Page(("a",), ("b/",), "b/")
    assert list_page(KEYS, Query(delimiter="/", after="b/", limit=2)) == Page(("b0",), ("c/",), "c/")


def test_a_start_inside_a_common_prefix_still_shows_it() -> None:
    assert list_page(KEYS, Query(delimiter="/", after="b/1", limit=1)) == Page((), ("b/",), "b/")


def test_a_full_last_page_says_that_nothing_follows() -> None:
    assert list_page(["a", "b"], Query(limit=2)).next_after is None


def test_a_longer_delimiter() -> None:
    assert list_page(["x--1", "x--2", "y"], Query(delimiter="--")) == Page(("y",), ("x--",), None)


def test_nothing() -> None:
    assert list_page([], Query()) == Page((), (), None)
    assert list_page(KEYS, Query(prefix="zz")) == Page((), (), None)
