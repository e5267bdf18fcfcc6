"""A picture of a sensible size, with all it should say, whatever the sentence is made of."""

import re
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from grounding.errors import BadInput
from grounding.explaining import draw
from grounding.explaining.style import columns_of, families, wrap
from grounding.types import Moment, Prediction, Query, Sample
from models.explanation import Explanation
from tests.explaining.making import charts, maps, seen


def said(path):
    """All words of an SVG."""
    root = ElementTree.parse(path).getroot()
    return ["".join(e.itertext()) for e in root.iter("{http://www.w3.org/2000/svg}text")]


def test_a_png_is_as_wide_as_a_page_and_shows_the_frames(tmp_path):
    assert draw(seen(), tmp_path / "p.png") == []
    with Image.open(tmp_path / "p.png") as picture:
        assert picture.format == "PNG"
        wide, high = picture.size
        assert wide == 1600 and 600 < high < 2000
        colours = {colour for _, colour in picture.convert("RGB").getcolors(1 << 24)}
    assert {(90, 90, 90), (49, 51, 63), (15, 99, 155)} <= colours  # frames, truth, answer
    assert [p.name for p in tmp_path.iterdir()] == ["p.png"]


def test_an_svg_says_everything_in_words(tmp_path):
    draw(seen(notes=("Something is lacking.",)), tmp_path / "p.svg")
    words = said(tmp_path / "p.svg")
    for expected in (
        "a red dog barks",
        "score",
        "prior when training began",
        "prior now",
        "positives that training would choose now",
        "recording",
        "truth",
        "1: 2.0–4.0 s, score 0.80, IoU 0.50",
        "2: 4.0–8.0 s, score 0.25, IoU 0.33",
        "1 came, 0 went",
        "┄ usual level 0.10",
        "fit of each clip",
        "seconds",
        "Something is lacking.",
    ):
        assert expected in words, expected
    assert sum("query 7 of train" in w for w in words) == 1


def test_the_same_numbers_give_the_same_file(tmp_path):
    draw(seen(), tmp_path / "a.svg")
    draw(seen(), tmp_path / "b.svg")
    assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.svg").read_bytes()


def test_a_head_without_maps_has_rows_alone(tmp_path):
    bare = seen(explained=Explanation(charts=charts()[1:]), history=None, strip=None)
    draw(bare, tmp_path / "p.svg")
    words = said(tmp_path / "p.svg")
    assert "fit of each clip" in words and "answer" in words
    assert not {"score", "recording", "centres, by epoch", "starts at (s)"} & set(words)


def test_what_is_lacking_stands_where_the_third_map_would_be(tmp_path):
    fewer = seen(explained=Explanation(maps()[:2], charts()), notes=("It did not move.",))
    draw(fewer, tmp_path / "p.svg")
    assert said(tmp_path / "p.svg").count("It did not move.") == 1


def test_an_absent_moment_without_answers_is_drawn(tmp_path):
    sample = Sample(Query("nothing like it", 1, "v"), 8.0)
    prediction = Prediction(sample.query, (), 0.9)
    nothing = seen(
        sample=sample, prediction=prediction,
        truth_cells=np.zeros(0, int), answer_cells=np.zeros(0, int),
    )  # fmt: skip
    draw(nothing, tmp_path / "p.svg")
    words = [w.strip() for w in said(tmp_path / "p.svg")]
    assert "the moment is not there" in words and "nothing was found" in words
    assert "true moment" not in words and "probably not there" in words


def test_several_windows_are_all_drawn(tmp_path):
    windows = (Moment(0, 3), Moment(2, 5), Moment(7.99, 8))
    sample = Sample(Query("many", 1, "v"), 8.0, windows, 8.0)
    many = seen(sample=sample, truth_cells=np.array([0, 4, 3]))
    draw(many, tmp_path / "p.png")
    draw(many, tmp_path / "p.svg")
    assert any("0.0–3.0 s, 2.0–5.0 s, 7.99–8.00 s" in w for w in said(tmp_path / "p.svg"))


@pytest.mark.parametrize(
    "text",
    [
        "costs $5 or $6, \\frac{1}{2} of x^2_3",
        "<b>bold</b> & “quoted” ]]> --",
        "Zażółć gęślą jaźń — Ελληνικά, Кириллица, العربية",
        "绿色方块变大然后消失",
        "x" * 700,
        "a sentence that never ends " * 40,
    ],
)
def test_any_sentence_is_drawn_as_it_stands(tmp_path, text):
    draw(seen(text, strip=None), tmp_path / "p.svg")
    words = " ".join(said(tmp_path / "p.svg"))
    first = wrap(text, 105, 3)[0]
    assert first in words
    assert ("…" in words) == (len(text) > 300)


def test_letters_that_no_font_has_are_told(tmp_path):
    assert draw(seen("\U0001e940\U0001e941"), tmp_path / "p.png") != []
    assert draw(seen("\U0001e940\U0001e941"), tmp_path / "p.svg") == []  # there it is text


@pytest.mark.parametrize("name", ["p.jpg", "p", "p.pdf", ".png"])
def test_another_ending_is_refused(tmp_path, name):
    with pytest.raises(BadInput, match=r"must end in \.png or \.svg"):
        draw(seen(), tmp_path / name)
    assert list(tmp_path.iterdir()) == []


def test_the_first_font_is_always_there_and_others_only_where_installed():
    assert families([]) == ["DejaVu Sans"]
    assert families(["Noto Sans", "Comic Sans"]) == ["DejaVu Sans", "Noto Sans"]


@given(st.text(st.characters(codec="utf-8"), max_size=200), st.integers(4, 40), st.integers(1, 4))
def test_wrapped_lines_fit_and_lose_nothing_before_the_end(text, columns, most):
    lines = wrap(text, columns, most)
    assert len(lines) <= most and all(columns_of(line) <= columns for line in lines)
    joined, whole = ("".join("".join(part).split()) for part in (lines, text))
    if joined.endswith("…") and joined != whole:
        assert whole.startswith(joined[:-1])
    else:
        assert joined == whole


def test_wide_letters_take_two_columns():
    assert wrap("绿色方块变大", 6, 9) == ["绿色方", "块变大"]
    assert re.fullmatch("绿色…", wrap("绿色方块变大", 6, 1)[0])
