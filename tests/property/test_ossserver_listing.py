"""However a listing is cut into pages, the pages together say what one long page says."""

from hypothesis import given
from hypothesis import strategies as st

from benchmarks.ossserver.listing import Query, list_page

KEYS = st.lists(st.text(alphabet="ab/+é", min_size=1, max_size=6), unique=True, max_size=40).map(sorted)


@given(
    keys=KEYS,
    prefix=st.text(alphabet="ab/", max_size=2),
    delimiter=st.sampled_from(["", "/", "b/"]),
    limit=st.integers(1, 5),
)
def test_pages_add_up(keys: list[str], prefix: str, delimiter: str, limit: int) -> None:
    whole = list_page(keys, Query(prefix, delimiter, limit=10_000))
    found: list[str] = []
    prefixes: list[str] = []
    after: str | None = ""
    while after is not None:
        page = list_page(keys, Query(prefix, delimiter, after, limit))
        assert page.count == limit or page.next_after is None
        found += page.keys
        prefixes += page.common_prefixes
        after = page.next_after
    assert (tuple(found), tuple(prefixes)) == (whole.keys, whole.common_prefixes)


@given(keys=KEYS, prefix=st.text(alphabet="ab/", max_size=2))
def test_with_a_delimiter_each_key_is_shown_or_lies_under_a_prefix(keys: list[str], prefix: str) -> None:
    page = list_page(keys, Query(prefix, "/", limit=10_000))
    for key in keys:
        under = [common for common in page.common_prefixes if key.startswith(common)]
        expected = 1 if key.startswith(prefix) else 0
        assert (key in page.keys) + len(under) == expected
