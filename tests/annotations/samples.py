"""Samples that no format may lose, and what comes back."""

from fractions import Fraction

from hypothesis import strategies as st

from grounding.types import Moment, Query, Sample

NTSC = Fraction(30000, 1001)
HOSTILE = [
    'she says "no", then leaves', "two\nlines\r\n\r\nand\rmore", "1 --> 2 ---> 3", "-->",
    "a <b>bold</b> & dog", "&lt;i&gt; &amp;", "{\\an8} up", "NOTE x", "WEBVTT", "7", '"7"', "",
    "\u05e9\u05dc\u05d5\u05dd \u200f\u05e2", "狗 🐕‍🦺 \u2028 \x85 é\xa0ü",
    "=1+1", "@cmd", "+1", "-2", "null", "[1]",
    "* COMMENT: x\n002  AX  V  C", "a\0b\x1b[31m", "<\u2060b>--\u2060>", " padded ", "]]>",
    "00:00:01,000 --> 00:00:02,000", "a;b\tc", "\ufffe\uffff", "'quoted'", "</ANNOTATION_VALUE>",
]  # fmt: skip
characters = st.characters(exclude_categories=["Cs"])
texts = st.text(characters, min_size=1, max_size=20) | st.sampled_from(HOSTILE)
sentences = texts.filter(str.strip)
times = st.floats(0, 36_000) | st.integers(0, 36_000_000).map(lambda n: n / 1000)
values = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 10**18) | st.floats(allow_nan=False) | texts,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(texts, inner, max_size=2),
    max_leaves=4,
)
KNOWN = {
    "qid", "vid", "query", "duration", "relevant_windows", "glance", "needs", "saliency_scores",
}  # fmt: skip
keys = texts | st.sampled_from(["fg_dB", "time", "file", "Start", "extra", "relevant_clip_ids"])
extras = st.dictionaries(keys.filter(lambda key: key not in KNOWN), values, max_size=3)


def samples(vids=texts, most=4):
    """Lists of samples whose qids differ."""
    one = st.builds(
        lambda text, qid, vid, windows, glance, needs, saliency, extra: Sample(
            Query(text, qid, vid),
            36_000.0,
            tuple(Moment(min(w), max(w)) for w in windows),
            glance,
            needs,
            saliency,
            extra,
        ),
        sentences,
        st.integers(-3, 10**16) | texts,
        vids,
        st.lists(st.tuples(times, times), max_size=3, unique=True),
        st.none() | times,
        st.none() | st.sampled_from(["sight", "sound", "both", "motion"]),
        st.none() | st.lists(st.lists(st.integers(0, 4), max_size=3), max_size=2).map(tuple),
        extras,
    )
    return st.lists(one, min_size=1, max_size=most, unique_by=lambda s: (type(s.qid), s.qid))


def sample_of(row, duration=None):
    """What a row says, as a sample."""
    return Sample(
        Query(row.text, row.qid, row.vid),
        row.duration if duration is None else duration,
        tuple(Moment(*window) for window in row.windows),
        row.glance,
        row.needs,
        row.saliency,
        row.extra,
    )
