"""Bodies of remote_write that somebody might send, and what may happen to them on the way."""

from __future__ import annotations

from hypothesis import strategies as st

text = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=6)
label_sets = st.dictionaries(text, st.one_of(text, st.just("v" * 200)), max_size=4).map(
    lambda labels: tuple(sorted({**labels, "__name__": "m"}.items()))
)
times = st.one_of(st.integers(-(1 << 63), (1 << 63) - 1), st.integers(1_600_000_000_000, 1_800_000_000_000))
samples = st.lists(st.tuples(times, st.floats()), max_size=4)
bodies = st.lists(st.tuples(label_sets, samples, st.integers(0, 2), st.integers(0, 2)), max_size=5)
"""Label set, samples (unix ms, value), how many exemplars, how many histograms; by series."""

edits = st.lists(
    st.tuples(st.sampled_from(["cut", "insert", "set"]), st.integers(0, 4000), st.binary(min_size=1, max_size=6)),
    min_size=1,
    max_size=4,
)


def mutated(message: bytes, edits) -> bytes:
    """The bytes after some edits."""
    out = bytearray(message)
    for kind, place, content in edits:
        at = place % (len(out) + 1)
        if kind == "cut":
            del out[at : at + len(content)]
        elif kind == "insert":
            out[at:at] = content
        else:
            out[at : at + len(content)] = content
    return bytes(out)
