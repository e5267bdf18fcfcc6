import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from grounding.errors import BadInput
from grounding.metrics.answers import grounded_answers, iop, judged, per_video, rtl
from grounding.metrics.retrieval import iou, pad_windows

NAN = float("nan")


def test_iop_by_hand():
    truth = pad_windows([[[10, 20], [30, 40]], [[10, 20]], [[10, 20]], [[10, 20]], [], [[0, 5]]])
    predicted = np.array([[15, 35], [12, 14], [15, 15], [25, 25], [0, 5], [NAN, NAN]])
    # half in the better window; inside; an instant inside; one outside; no truth; no answer
    assert iop(predicted, truth) == pytest.approx([0.25, 1, 1, 0, NAN, 0], nan_ok=True)


def test_grounded_answers_by_hand():
    """The cases of NExT-GQA's rules: right answers count only where they look at the place."""
    truth = pad_windows([[[10, 20]]] * 4)
    predicted = np.array([[12.0, 18], [0, 100], [12, 18], [30, 40]])
    values = grounded_answers(predicted, truth, [True, True, False, True])
    means = {name: 100 * v.mean() for name, v in values.items()}
    assert means["Acc@QA"] == 75 and means["Acc@GQA"] == 25
    assert means["mIoP"] == pytest.approx(100 * (1 + 0.1 + 1 + 0) / 4)
    assert means["IoP@0.3"] == means["IoP@0.5"] == 50
    assert means["mIoU"] == pytest.approx(100 * (0.6 + 0.1 + 0.6 + 0) / 4)
    with pytest.raises(BadInput, match="one of each per question"):
        grounded_answers(predicted, truth, [True])


spans = st.tuples(st.floats(0, 50), st.floats(0.1, 50)).map(lambda p: [p[0], p[0] + p[1]])


@given(spans, st.lists(spans, min_size=1, max_size=3))
def test_iop_is_never_below_iou_and_one_inside(predicted, truth):
    windows = pad_windows([truth])
    assert iop(np.array([predicted]), windows)[0] >= iou([predicted], windows[0]).max() - 1e-12
    assert iop(windows[:, 0], windows)[0] == 1


def test_rtl_averages_within_videos_first():
    predicted = np.array([[0.0, 10], [0, 10], [0, 10], [NAN, NAN]])
    truth = np.array([[0.0, 10], [0, 10], [5, 15], [0, 10]])
    found = rtl(predicted, truth, ["a", "a", "a", "b"])
    assert found["mIoU"][0] == pytest.approx(100 * (7 / 9 + 0) / 2)
    assert found["P@0.5"][0] == pytest.approx(100 * (2 / 3 + 0) / 2)
    assert found["mIoU"][1] <= found["mIoU"][0] <= found["mIoU"][2]
    alone = rtl(predicted[:1], truth[:1], ["a"])
    assert alone["mIoU"][0] == 100 and np.isnan(alone["mIoU"][1])
    assert per_video(np.array([1.0, NAN, 0.5]), ["b", "b", "a"]).tolist() == [0.5, 1]


def test_a_judge_marks_between_0_and_1():
    def exact(question, reference, answer):
        return float(reference == answer)

    triples = [("who?", "a man", "a man"), ("what?", "a dog", "a cat")]
    assert judged(exact, triples).tolist() == [1, 0]
    with pytest.raises(BadInput, match=r"gave 7.0 for 'who\?'"):
        judged(lambda question, reference, answer: 7, triples)
