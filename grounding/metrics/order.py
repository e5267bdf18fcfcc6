"""Order of events: does a scorer of (item, text) pairs know which of two events came first?

Scores of any scorer in, percentages out; nothing here encodes a text or a recording. Sources:
CAR, "Chronologically Accurate Retrieval" (ECCV 2024); ZSTE of TeminAL (arXiv 2408.09269), with its
published defects mended; text, audio and group scores as in Winoground and CompA.
"""

from __future__ import annotations

from math import comb

import numpy as np
import numpy.typing as npt

from grounding.errors import BadInput
from grounding.metrics.ranking import ranks, recalls
from grounding.metrics.rate import Rate, places, rate, scores
from grounding.metrics.retrieval import Floats
from grounding.timeline import Ints

Groups = npt.ArrayLike | None  # (N,) what each item was made from; see `rate`


def chronology(
    true: npt.ArrayLike, permuted: npt.ArrayLike, groups: Groups = None
) -> dict[str, Rate]:
    """Scores of the true and of the permuted text, (N,) and (N,) -> `CAR` and `order-accuracy`.

    Only items with two or more events belong here, and one permutation of each. Keep texts of one
    style on both sides (events joined in true and in permuted order); a human caption against
    permuted events can be won by style and needs its own row.

    Raises:
        BadInput: a score that is no finite number, or unequal lengths.
    """
    t = scores("true scores", true, None)
    p = scores("permuted scores", permuted, len(t))
    tied = t == p
    return {
        "CAR": rate(
            _share(t > p),
            tied,
            0.5,
            "true order scored strictly above the permuted one; a tie is a miss",
            groups,
        ),
        "order-accuracy": rate(
            np.where(tied, 0.5, t > p),
            tied,
            0.5,
            "true order scored above the permuted one; a tie is half a hit",
            groups,
        ),
    }


def negative_retrieval(true: npt.ArrayLike, permuted: npt.ArrayLike) -> dict[str, float]:
    """Find the true text among all true and all permuted texts, for every item.

    Args:
        true: (N, N) scores of item i with the true text j.
        permuted: (N, K) scores of item i with the permuted text k, K <= N.

    Returns:
        R@1, 2, 3, 5, 10 in percent and MedR; by chance k / (N + K) and (N + K + 1) / 2.

    Raises:
        BadInput: shapes that do not fit, or a score that is no finite number.
    """
    t = scores("true scores", true, None, len(np.asarray(true)))
    p = scores("permuted scores", permuted, len(t), None)
    return recalls(ranks(np.concatenate([t, p], 1), np.arange(len(t))))


def two_by_two(similarity: npt.ArrayLike, groups: Groups = None) -> dict[str, Rate]:
    """Two texts and two recordings of the same events in opposite order.

    Args:
        similarity: (N, 2, 2), [item, text, recording]; text i belongs to recording i.

    Returns:
        `text` (each recording prefers its text), `audio` (each text prefers its recording),
        `group` (both). A tie is a miss. Chance 25, 25 and 16.7 (two of four random numbers above
        the other two).

    Raises:
        BadInput: another shape, or a score that is no finite number.
    """
    s = scores("similarity", similarity, None, 2, 2)
    right, crossed = s[:, [0, 1], [0, 1]], s[:, [1, 0], [0, 1]]  # (N, 2): by recording
    by_text = s[:, [0, 1], [1, 0]]  # each text with the other recording
    text, audio = (right > crossed).all(1), (right > by_text).all(1)
    tied = [(right == crossed).any(1), (right == by_text).any(1)]
    return {
        "text": rate(
            _share(text),
            tied[0],
            0.25,
            "both recordings score their own text strictly above the other's",
            groups,
        ),
        "audio": rate(
            _share(audio),
            tied[1],
            0.25,
            "both texts score their own recording strictly above the other's",
            groups,
        ),
        "group": rate(
            _share(text & audio),
            tied[0] | tied[1],
            1 / 6,
            "text and audio score both right",
            groups,
        ),
    }


def zste_1(similarity: npt.ArrayLike, label: npt.ArrayLike, groups: Groups = None) -> Rate:
    """Task 1 (1A): one event; (N, C) scores of C single-class texts, (N,) its class.

    Raises:
        BadInput: a shape, class or score that cannot be.
    """
    return _choice(similarity, label, "the one event's class scores highest of {} texts", groups)


def zste_2(
    similarity: npt.ArrayLike, pair: npt.ArrayLike, overlaid: npt.ArrayLike, groups: Groups = None
) -> dict[str, Rate]:
    """Task 2: name both events of a composite; keys such as `2 overlay, both`.

    The paper's suffixes A to D have no legend we could read; here overlay and concatenation are
    told apart, and "both events are the two best" from "at least one of them is".

    Args:
        similarity: (N, C) scores of C single-class texts.
        pair: (N, 2) the two classes, in any order.
        overlaid: (N,) True where the events sound at once, False where one follows the other.

    Raises:
        BadInput: a shape, class or score that cannot be, or a pair of equal classes.
    """
    s = scores("similarity", similarity, None, None)
    total = s.shape[1]
    classes = _pairs(pair, len(s), total)
    both, one, tied = _top_two(s, classes)
    mixed = np.asarray(overlaid, bool)
    chances = (1 / comb(total, 2), 1 - comb(total - 2, 2) / comb(total, 2))
    told = (
        f"both events are the two best of {total} texts",
        f"at least one event is among the two best of {total} texts",
    )
    found = {}
    for kind, chosen in (("overlay", mixed), ("concatenated", ~mixed)):
        own = None if groups is None else np.asarray(groups)[chosen]
        found[f"2 {kind}, both"] = rate(both[chosen], tied[chosen], chances[0], told[0], own)
        found[f"2 {kind}, at least one"] = rate(one[chosen], tied[chosen], chances[1], told[1], own)
    return found


def zste_3(similarity: npt.ArrayLike, relation: npt.ArrayLike, groups: Groups = None) -> Rate:
    """Task 3: (N, 3) scores of "A before B", "B before A", "A while B"; (N,) which is true.

    Raises:
        BadInput: a shape, relation or score that cannot be.
    """
    scores("similarity", similarity, None, 3)
    told = "right one of {}: A before B, B before A, A while B"
    if not (np.asarray(relation) == 2).any():
        told += " (never 'while' here: 50 % for a scorer that never says it)"
    return _choice(similarity, relation, told, groups)


def zste_4(similarity: npt.ArrayLike, target: npt.ArrayLike, groups: Groups = None) -> Rate:
    """Task 4: (N, P) scores of P phrases "x before y" and "x while y", (N,) place of "A before B".

    The phrases come from `phrases`: the same for every recording of a pair.

    Raises:
        BadInput: a shape, place or score that cannot be.
    """
    return _choice(similarity, target, "'A before B' scores highest of {} phrases", groups)


def phrases(
    classes: int, first: int, second: int, *, others: int = 5, size: int = 50, seed: int = 0
) -> list[tuple[str, int, int]]:
    """The phrases of task 4 for one pair: ("before" or "while", class, class).

    "A before B" comes first, "A while B" second, then distractors over A, B and `others` further
    classes. They are drawn once for a pair of classes, in either order, and a seed; "while" is
    said once for two classes, because "B while A" means the same as "A while B". Classes are
    numbers: no word is ever found inside another one.

    Raises:
        BadInput: equal or unknown classes, or fewer phrases than `size`.
    """
    if first == second or not (0 <= first < classes and 0 <= second < classes):
        raise BadInput(f"classes {first} and {second}: pick two different ones below {classes}")
    low, high = sorted((first, second))
    rng = np.random.default_rng([seed, low, high])
    rest = [c for c in range(classes) if c not in (low, high)]
    if len(rest) < others:
        raise BadInput(f"{others} other classes asked, {len(rest)} there are; lower `others`")
    words = [low, high, *(int(c) for c in rng.choice(rest, others, replace=False))]
    told = [("before", first, second), ("while", first, second)]
    free = [("before", x, y) for x in words for y in words if x != y and (x, y) != (first, second)]
    free += [
        ("while", x, y)
        for i, x in enumerate(words)
        for y in words[i + 1 :]
        if {x, y} != {low, high}
    ]
    if len(free) + 2 < size:
        raise BadInput(f"{size} phrases asked, {len(free) + 2} can be made; lower `size`")
    drawn = rng.choice(len(free), size - 2, replace=False)
    return told + [free[int(i)] for i in drawn]


def zste_5(
    similarity: npt.ArrayLike, pair: npt.ArrayLike, groups: Groups = None
) -> dict[str, Rate]:
    """Task 5: (N, 2, C) scores of "the first sound is x" and "the second sound is x"; (N, 2) which.

    Returns:
        `5` (the published rule: of all 2 C texts the two best are the right ones; its published
        code looked for both among the first-sound texts, where the second can never be) and
        `5 each slot` (each of the two slots apart).

    Raises:
        BadInput: a shape, class or score that cannot be, or a pair of equal classes.
    """
    s = scores("similarity", similarity, None, 2, None)
    total = s.shape[2]
    classes = _pairs(pair, len(s), total)
    both, _, tied = _top_two(s.reshape(len(s), -1), classes + np.array([0, total]))
    slots = [_share_of_best(s[:, slot], classes[:, slot]) for slot in (0, 1)]
    return {
        "5": rate(
            both,
            tied,
            1 / comb(2 * total, 2),
            f"first and second event in their slots are the two best of {2 * total} texts",
            groups,
        ),
        "5 each slot": rate(
            slots[0][0] * slots[1][0],
            slots[0][1] | slots[1][1],
            1 / total**2,
            f"in each of the two slots the right one of {total} texts scores highest",
            groups,
        ),
    }


def summary(rates: dict[str, Rate]) -> list[str]:
    """One line a rate, with its definition beside the number."""
    return [
        f"{name}: {r.percent:.1f} [{r.low:.1f}, {r.high:.1f}], chance {r.chance:.1f}, "
        f"{r.count} items, {r.ties} ties ({r.definition})"
        for name, r in rates.items()
    ]


def _share(right: npt.ArrayLike) -> Floats:
    return np.asarray(right, np.float64)


def _choice(
    similarity: npt.ArrayLike, target: npt.ArrayLike, definition: str, groups: Groups
) -> Rate:
    s = scores("similarity", similarity, None, None)
    value, tied = _share_of_best(s, places("target", target, s.shape[1], len(s)))
    return rate(value, tied, 1 / s.shape[1], _shared(definition.format(s.shape[1])), groups)


def _shared(definition: str) -> str:
    return f"{definition}; tied texts share the hit"


def _share_of_best(s: Floats, target: Ints) -> tuple[Floats, npt.NDArray[np.bool_]]:
    """(N, C), (N,) -> 1 / (number of equal best) where the target is one of the best, else 0."""
    own = s[np.arange(len(s)), target][:, None]
    equal = (s == own).sum(1)
    return np.where((s > own).any(1), 0.0, 1 / equal), (equal > 1) & ~(s > own).any(1)


def _pairs(pair: npt.ArrayLike, items: int, total: int) -> Ints:
    if total < 2:
        raise BadInput(f"similarity has {total} texts; a pair of classes needs two or more")
    classes = places("pair", pair, total, items, 2)
    if (classes[:, 0] == classes[:, 1]).any():
        item = int((classes[:, 0] == classes[:, 1]).argmax())
        raise BadInput(f"pair: item {item} is twice class {classes[item, 0]}; a pair has two")
    return classes


def _top_two(s: Floats, pair: Ints) -> tuple[Floats, Floats, npt.NDArray[np.bool_]]:
    """(N, C), (N, 2) -> the chance that both, and that at least one, of a pair are the two best.

    1 or 0, and in between where equal scores leave it to chance; third, where that is so.
    """
    own = np.take_along_axis(s, pair, 1)
    low, high = own.min(1)[:, None], own.max(1)[:, None]
    alike = own[:, 0] == own[:, 1]
    # others above, and level with, the lower and the higher of the pair
    above_low, level_low = (s > low).sum(1) - ~alike, (s == low).sum(1) - 1 - alike
    above_high, level_high = (s > high).sum(1), (s == high).sum(1) - 1 - alike
    both = np.where(
        above_low > 0,
        0.0,
        np.where(alike, 2 / (2 + level_low), 1.0) / (1 + level_low),
    )
    at_top = 1 + alike
    field = at_top + level_high  # how many share the place of the higher one
    none_of_two = level_high * (level_high - 1) / np.maximum(field * (field - 1), 1)
    one = np.select(
        [above_high >= 2, above_high == 1],
        [0.0, at_top / field],
        np.where(field == 1, 1.0, 1 - none_of_two),
    )
    return both, one, ((both > 0) & (both < 1)) | ((one > 0) & (one < 1))
