"""What the annotation lines of the sample promise; nothing is rendered here."""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import replace
from typing import Any

import pytest

from grounding.sample.dice import Dice
from grounding.sample.questions import SPLITS, needs_of, share_out, windows_of, write_lines
from grounding.sample.script import FIGURES, Event, Script, draw_scripts
from grounding.sample.sentences import (
    BOTH,
    SIGHT,
    SOUND,
    SYNONYMS,
    Ask,
    reword,
    vocabulary,
)

Lines = dict[str, list[dict[str, Any]]]


@pytest.fixture(scope="module")
def whole() -> list[Script]:
    return draw_scripts(96, 0)


@pytest.fixture(scope="module")
def lines(whole: list[Script]) -> Lines:
    texts = write_lines(whole, 0)
    return {split: [json.loads(line) for line in texts[split].splitlines()] for split in SPLITS}


def every(lines: Lines) -> list[dict[str, Any]]:
    return [line for split in SPLITS for line in lines[split]]


def test_the_splits_share_no_video_but_the_synonyms_ask_about_the_tests(lines: Lines) -> None:
    vids = {split: {line["vid"] for line in lines[split]} for split in SPLITS}
    assert [len(vids[split]) for split in ("train", "val", "test")] == [66, 10, 20]
    assert len(vids["train"] | vids["val"] | vids["test"]) == 96
    assert vids["test-synonyms"] <= vids["test"]
    assert 700 <= len(lines["train"]) <= 900


def test_a_line_has_the_contracts_keys(lines: Lines) -> None:
    keys = {"qid", "vid", "query", "duration", "relevant_windows", "needs"}
    for line in every(lines):
        assert set(line) - {"glance"} == keys
        assert line["needs"] in ("sight", "sound", "both")
    qids = [line["qid"] for line in every(lines)]
    assert qids == list(range(len(qids)))


def test_windows_lie_in_the_video_in_order_and_apart(lines: Lines) -> None:
    for line in every(lines):
        ends = [0.0]
        for start, end in line["relevant_windows"]:
            assert ends[-1] <= start < end <= line["duration"]
            assert 2.9 < end - start < 8.1
            ends.append(end)
        assert line["duration"] + 0.05 >= 20 and line["duration"] <= 60


def test_glances_are_for_training_and_inside_a_window(lines: Lines) -> None:
    for split in SPLITS:
        for line in lines[split]:
            due = split == "train" and line["relevant_windows"] != []
            assert ("glance" in line) == due
            if due:
                t = line["glance"]
                assert t == round(t, 2)
                assert any(start <= t < end for start, end in line["relevant_windows"])


def test_glances_are_spread_over_the_whole_window(lines: Lines) -> None:
    parts = [
        (line["glance"] - start) / (end - start)
        for line in lines["train"]
        for start, end in line["relevant_windows"]
        if "glance" in line and start <= line["glance"] < end
    ]
    for tenth in range(10):
        inside = sum(tenth / 10 <= part < (tenth + 1) / 10 for part in parts)
        assert 0.05 < inside / len(parts) < 0.15


def test_one_line_in_twenty_asks_for_what_is_not_there(lines: Lines) -> None:
    for split in SPLITS:
        absent = sum(not line["relevant_windows"] for line in lines[split])
        assert absent / len(lines[split]) == pytest.approx(0.05, abs=0.6 / len(lines[split]))


def test_some_queries_have_several_windows(lines: Lines) -> None:
    for split in SPLITS:
        several = sum(len(line["relevant_windows"]) > 1 for line in lines[split])
        assert 0.04 < several / len(lines[split]) < 0.3


def test_all_needs_occur_in_every_split(lines: Lines) -> None:
    for split in SPLITS:
        for needs in ("sight", "sound", "both"):
            share = sum(line["needs"] == needs for line in lines[split]) / len(lines[split])
            assert share > 0.1, (split, needs)


def test_the_tests_templates_are_unseen_in_training(lines: Lines) -> None:
    for family in (SIGHT, SOUND, BOTH):
        assert not set(family["train"]) & set(family["test"])
    trained = {line["query"] for line in lines["train"]} | {line["query"] for line in lines["val"]}
    assert not trained & {line["query"] for line in lines["test"]}


@pytest.mark.parametrize("videos", [8, 96])
def test_the_tests_words_were_trained(videos: int) -> None:
    texts = write_lines(draw_scripts(videos, 1), 1)
    words = {
        split: vocabulary([json.loads(line)["query"] for line in text.splitlines()])
        for split, text in texts.items()
    }
    assert words["test"] <= words["train"]


def test_every_synonym_sentence_has_a_word_that_training_never_says(lines: Lines) -> None:
    trained = vocabulary([line["query"] for line in lines["train"]])
    new = {word for _, others in SYNONYMS for word in others}
    assert not new & trained
    for line in lines["test-synonyms"]:
        assert vocabulary([line["query"]]) & new, line["query"]


def test_rewording_mends_the_article() -> None:
    said = reword("when does a green circle spin?", Dice(0))
    assert said.split()[2] == ("an" if said.split()[3] == "emerald" else "a")
    assert said.endswith("?")
    assert not {"green", "circle", "spin?"} & set(said.split())


def test_the_same_sentence_is_asked_of_many_videos(lines: Lines) -> None:
    where = defaultdict(set)
    for line in lines["train"]:
        where[line["query"]].add(line["vid"])
    shared = sum(len(where[line["query"]]) > 1 for line in lines["train"])
    assert shared / len(lines["train"]) > 0.35
    assert max(len(vids) for vids in where.values()) >= 5


def test_no_sentence_is_asked_twice_of_a_video(lines: Lines) -> None:
    asked = [(line["vid"], line["query"]) for line in every(lines)]
    assert len(asked) == len(set(asked))


def test_the_same_seed_gives_the_same_bytes_and_another_seed_does_not() -> None:
    first = write_lines(draw_scripts(16, 5), 5)
    assert first == write_lines(draw_scripts(16, 5), 5)
    assert first != write_lines(draw_scripts(16, 6), 6)


def test_the_draws_are_those_of_every_platform() -> None:
    dice = Dice(7, 1)
    assert [dice.below(1000) for _ in range(6)] == [770, 111, 189, 159, 431, 501]


def test_the_kinds_of_file_are_mixed(whole: list[Script]) -> None:
    assert len({(script.width, script.height) for script in whole}) >= 5
    assert len({script.rate for script in whole}) == 4
    assert sum(script.silent for script in whole) == 1
    assert sum(script.rotation != 0 for script in whole) == 1
    assert 8 <= sum(script.irregular for script in whole) <= 12
    assert all(3 <= len(script.events) <= 7 for script in whole)
    for script in whole:
        if script.silent:
            assert all(event.sound is None for event in script.events)


def test_events_overlap_sometimes(whole: list[Script]) -> None:
    overlapping = total = 0
    for script in whole:
        for event in script.events:
            total += 1
            overlapping += any(
                other is not event and other.first < event.last and event.first < other.last
                for other in script.events
            )
    assert 0.10 < overlapping / total < 0.22


def test_what_overlaps_can_be_told_apart(whole: list[Script]) -> None:
    for script in whole:
        for i, one in enumerate(script.events):
            for two in script.events[i + 1 :]:
                if two.first >= one.last:
                    continue
                assert one.sound is None or one.sound != two.sound
                if one.action and two.action:
                    assert one.box != two.box
                    assert one.action != two.action
                    assert not set(one.colours) & set(two.colours)
                    assert not (one.action in FIGURES and two.action in FIGURES)


def test_no_fixed_span_answers_many_queries(lines: Lines) -> None:
    for centre in (0.25, 0.5, 0.75):
        hits = total = 0
        for line in lines["train"]:
            middle = centre * line["duration"]
            windows = line["relevant_windows"]
            total += bool(windows)
            hits += any(
                min(middle + 2.75, end) - max(middle - 2.75, start)
                >= 0.5 * (max(middle + 2.75, end) - min(middle - 2.75, start))
                for start, end in windows
            )
        assert hits / total < 0.22


def script_of(*events: Event) -> Script:
    """A video of 40 s with each event 3 s long, one every 5 s."""
    placed = [
        replace(event, first=5 * 25 * i, last=(5 * i + 3) * 25) for i, event in enumerate(events)
    ]
    plain = next(s for s in draw_scripts(8, 0) if not s.silent and s.rate == 25)
    return replace(plain, frames=1000, events=tuple(placed))


RED = Event("bounce", ("red",), ("circle",), sound="slow")
BLUE = Event("bounce", ("blue",), ("circle",))


def test_a_sentence_is_true_of_every_event_it_fits() -> None:
    script = script_of(RED, BLUE, RED, Event("collide", ("red", "blue"), ("circle", "square")))
    assert windows_of(Ask("bounce", ("red",), ("circle",)), script) == [(0, 3), (10, 13)]
    assert windows_of(Ask("bounce"), script) == [(0, 3), (5, 8), (10, 13)]
    assert windows_of(Ask(sound="slow"), script) == [(0, 3), (10, 13)]
    swapped = Ask("collide", ("blue", "red"), ("square", "circle"))
    assert windows_of(swapped, script) == [(15, 18)]
    assert windows_of(Ask("collide", ("blue", "red"), ("circle", "square")), script) == []
    assert windows_of(Ask("spin"), script) == []


def test_both_means_that_either_sense_alone_is_enough() -> None:
    red, heard = Ask("bounce", ("red",)), Ask(sound="slow")
    assert needs_of(red, script_of(RED)) == "both"
    assert needs_of(heard, script_of(RED)) == "both"
    assert needs_of(red, script_of(RED, BLUE)) == "both"
    assert needs_of(heard, script_of(RED, BLUE)) == "sound"  # by eye, the blue one may be meant
    beats = Event(sound="slow")
    assert needs_of(red, script_of(RED, beats)) == "sight"  # by ear, the beats may be meant
    assert needs_of(heard, script_of(RED, beats)) == "sound"
    assert needs_of(Ask("bounce"), script_of(RED, BLUE)) == "sight"


def test_shares_are_by_proportion() -> None:
    parts = share_out(draw_scripts(48, 0), 0)
    assert [len(parts[s]) for s in ("train", "val", "test")] == [33, 5, 10]
