"""Files as the tools themselves save them; layouts from their documentation and sources."""

import json
from fractions import Fraction

import pytest

from grounding.annotations.formats import FORMATS
from grounding.annotations.row import Options
from grounding.errors import AnnotationError
from grounding.types import Moment, Query, Sample
from tests.annotations.samples import NTSC, sample_of


def read(folder, name, text, options=None, file="kitchen"):
    path = folder / f"{file}{FORMATS[name].suffixes[0]}"
    data = text if isinstance(text, str) else json.dumps(text)
    path.write_text(data, encoding="utf-8", newline="")
    assert FORMATS[name].looks(data[: 1 << 16])
    others = {other for other in FORMATS if FORMATS[other].looks(data[: 1 << 16])}
    assert others == {name}
    return list(FORMATS[name].read(path, options or Options()))


def said(rows):
    return [(row.vid, row.text, row.windows) for row in rows]


DETECTIONS = [
    {"label": 0, "support": [1, 30], "confidence": 0.9},
    {"label": 1, "support": [31, 31], "attributes": {"mood": "calm"}},
    {"label": 0, "timestamps": [5.25, 7]},
    {"label": "eats", "timestamps": ["00:00:08.500", "00:01:09"]},
]


def test_fiftyone_labels_in_frames_and_seconds(tmp_path):
    document = {"classes": ["dog", "cat"], "labels": {"a/kitchen": DETECTIONS, "empty": None}}
    rows = read(tmp_path, "fiftyone", document, Options(rate=Fraction(30)))
    assert said(rows) == [
        ("a/kitchen", "dog", [(0.0, 1.0), (5.25, 7.0)]),
        ("a/kitchen", "cat", [(1.0, 31 / 30)]),
        ("a/kitchen", "eats", [(8.5, 69.0)]),
    ]
    with pytest.raises(AnnotationError, match=r":1: support counts frames"):
        read(tmp_path, "fiftyone", document)


def fiftyone_sample(**fields):
    return {
        "_id": {"$oid": "64b9e0c2f0a7d2b8c1a3e5f7"},
        "filepath": "C:\\data\\kitchen.mp4",
        "tags": [],
        "_media_type": "video",
        "metadata": {
            "_cls": "VideoMetadata", "total_frame_count": 300, "frame_rate": 29.97
        },
        **fields,
    }  # fmt: skip


def fiftyone_field(*labels):
    return {
        "_cls": "TemporalDetections",
        "detections": [
            {
                "_id": {"$oid": "64b9e0c2f0a7d2b8c1a3e5f8"}, "_cls": "TemporalDetection",
                "attributes": {}, "tags": [], "label": label, "support": [31, 60],
            }
            for label in labels
        ],
    }  # fmt: skip


def test_fiftyone_samples_know_their_rate(tmp_path):
    sample = fiftyone_sample(events=fiftyone_field("dog"), frames={}, note=None)
    (row,) = read(tmp_path, "fiftyone", {"samples": [sample]})
    assert (row.vid, row.text) == ("kitchen", "dog")
    assert row.windows == [(float(30 / NTSC), float(60 / NTSC))]


def test_fiftyone_truth_is_told_from_predictions(tmp_path):
    two = {"ground_truth": fiftyone_field("dog"), "predictions": fiftyone_field("cat")}
    (row,) = read(tmp_path, "fiftyone", {"samples": [fiftyone_sample(**two)]})
    assert row.text == "dog"
    two["mine"] = two.pop("ground_truth")
    with pytest.raises(AnnotationError, match="fields predictions, mine all hold"):
        read(tmp_path, "fiftyone", {"samples": [fiftyone_sample(**two)]})


def timeline(label, start, end, **more):
    value = {"ranges": [{"start": start, "end": end}], "timelinelabels": [label]}
    made = {"id": "Xk3", "type": "timelinelabels", "from_name": "tl", "to_name": "video"}
    return {**made, "origin": "manual", "value": value, **more}


def test_label_studio_timelines_count_frames_from_one(tmp_path):
    export = [
        {
            "id": 7,
            "data": {"video": "/data/upload/3/1f2e3d4c-kitchen%20one.mp4", "fps": 25},
            "annotations": [
                {
                    "id": 1, "completed_by": 2, "was_cancelled": False,
                    "result": [timeline("Moving", 26, 50), timeline("Moving", 101, 101)],
                },
                {"id": 2, "was_cancelled": True, "result": [timeline("Wrong", 1, 2)]},
            ],
            "predictions": [{"result": [timeline("Guessed", 1, 2)]}],
        }
    ]  # fmt: skip
    rows = read(tmp_path, "label-studio", export, Options(rate=Fraction(25)))
    assert said(rows) == [("kitchen one", "Moving", [(1.0, 2.0), (4.0, 4.04)])]
    with pytest.raises(AnnotationError, match=r":1: a timeline counts frames"):
        read(tmp_path, "label-studio", export)


def test_label_studio_regions_of_sound_may_have_their_own_text(tmp_path):
    sound = {"original_length": 12.5, "from_name": "label", "to_name": "audio", "type": "labels"}
    words = {"id": "b", "type": "textarea", "from_name": "said", "to_name": "audio"}
    span = {"start": 0.5, "end": 2.25, "channel": 0}
    export = [
        {
            "data": {"audio": "/data/local-files/?d=media/kitchen.wav"},
            "annotations": [
                {
                    "result": [
                        {**sound, "id": "a", "value": {**span, "labels": ["Dog"]}},
                        {**sound, "id": "b", "value": {**span, "labels": ["Speech"]}},
                        {**words, "value": {**span, "text": ["come", "here"]}},
                    ]
                }
            ],
        }
    ]
    assert said(read(tmp_path, "label-studio", export)) == [
        ("kitchen", "Dog", [(0.5, 2.25)]),
        ("kitchen", "come here", [(0.5, 2.25)]),
    ]


def test_label_studio_says_whose_annotation_it_is_where_there_are_several(tmp_path):
    both = [
        {"completed_by": {"id": 1, "email": "ann@example.org"}, "result": [timeline("A", 1, 25)]},
        {"completed_by": 2, "result": [timeline("A", 26, 50)]},
    ]
    export = [{"data": {"video": "https://example.org/v/kitchen.mp4?x=1"}, "annotations": both}]
    rows = read(tmp_path, "label-studio", export, Options(rate=Fraction(25)))
    assert [(r.vid, r.windows, r.extra) for r in rows] == [
        ("kitchen", [(0.0, 1.0)], {"annotator": "ann@example.org"}),
        ("kitchen", [(1.0, 2.0)], {"annotator": 2}),
    ]


def test_the_short_export_of_label_studio(tmp_path):
    export = [
        {
            "video": "/data/upload/1/0a1b2c3d-kitchen.mp4", "id": 5, "annotator": 1,
            "tl": [{"ranges": [{"start": 1, "end": 25}], "timelinelabels": ["A", "B"]}],
        }
    ]  # fmt: skip
    rows = read(tmp_path, "label-studio", export, Options(rate=Fraction(25)))
    assert said(rows) == [("kitchen", "A", [(0.0, 1.0)]), ("kitchen", "B", [(0.0, 1.0)])]


EAF = """<?xml version="1.0" encoding="UTF-8"?>
<ANNOTATION_DOCUMENT AUTHOR="" DATE="2024-05-03T11:20:42+01:00" FORMAT="3.0" VERSION="3.0"
    xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"
    xsi:noNamespaceSchemaLocation="http://www.mpi.nl/tools/elan/EAFv3.0.xsd">
    <HEADER MEDIA_FILE="" TIME_UNITS="milliseconds">
        <MEDIA_DESCRIPTOR MEDIA_URL="file:///C:/films/the%20kitchen.mp4" MIME_TYPE="video/mp4"
            RELATIVE_MEDIA_URL="./the%20kitchen.mp4"/>
        <MEDIA_DESCRIPTOR MEDIA_URL="file:///C:/films/sound.wav" MIME_TYPE="audio/x-wav"/>
        <PROPERTY NAME="URN">urn:nl-mpi-tools-elan-eaf:5c9ad7a3</PROPERTY>
        <PROPERTY NAME="lastUsedAnnotationId">6</PROPERTY>
    </HEADER>
    <TIME_ORDER>
        <TIME_SLOT TIME_SLOT_ID="ts1" TIME_VALUE="780"/>
        <TIME_SLOT TIME_SLOT_ID="ts2"/>
        <TIME_SLOT TIME_SLOT_ID="ts3" TIME_VALUE="1780"/>
        <TIME_SLOT TIME_SLOT_ID="ts4" TIME_VALUE="3600000"/>
    </TIME_ORDER>
    <TIER LINGUISTIC_TYPE_REF="default-lt" TIER_ID="speech">
        <ANNOTATION>
            <ALIGNABLE_ANNOTATION ANNOTATION_ID="a1" TIME_SLOT_REF1="ts1" TIME_SLOT_REF2="ts2">
                <ANNOTATION_VALUE>a &lt;dog&gt; &amp; a
                cat</ANNOTATION_VALUE>
            </ALIGNABLE_ANNOTATION>
        </ANNOTATION>
        <ANNOTATION>
            <ALIGNABLE_ANNOTATION ANNOTATION_ID="a2" TIME_SLOT_REF1="ts2" TIME_SLOT_REF2="ts3">
                <ANNOTATION_VALUE>a bird</ANNOTATION_VALUE>
            </ALIGNABLE_ANNOTATION>
        </ANNOTATION>
        <ANNOTATION>
            <ALIGNABLE_ANNOTATION ANNOTATION_ID="a3" TIME_SLOT_REF1="ts3" TIME_SLOT_REF2="ts4">
                <ANNOTATION_VALUE>a bird</ANNOTATION_VALUE>
            </ALIGNABLE_ANNOTATION>
        </ANNOTATION>
    </TIER>
    <TIER LINGUISTIC_TYPE_REF="note" PARENT_REF="speech" TIER_ID="note">
        <ANNOTATION>
            <REF_ANNOTATION ANNOTATION_ID="a4" ANNOTATION_REF="a3">
                <ANNOTATION_VALUE>loud</ANNOTATION_VALUE>
            </REF_ANNOTATION>
        </ANNOTATION>
    </TIER>
    <TIER LINGUISTIC_TYPE_REF="note" PARENT_REF="note" TIER_ID="deeper">
        <ANNOTATION>
            <REF_ANNOTATION ANNOTATION_ID="a5" ANNOTATION_REF="a4">
                <ANNOTATION_VALUE/>
            </REF_ANNOTATION>
        </ANNOTATION>
    </TIER>
    <LINGUISTIC_TYPE GRAPHIC_REFERENCES="false" LINGUISTIC_TYPE_ID="default-lt"
        TIME_ALIGNABLE="true"/>
    <LINGUISTIC_TYPE CONSTRAINTS="Symbolic_Association" GRAPHIC_REFERENCES="false"
        LINGUISTIC_TYPE_ID="note" TIME_ALIGNABLE="false"/>
    <CONSTRAINT DESCRIPTION="1-1 association with a parent annotation"
        STEREOTYPE="Symbolic_Association"/>
</ANNOTATION_DOCUMENT>
"""


def test_elan_tiers_with_unaligned_slots_and_references(tmp_path):
    rows = read(tmp_path, "elan", EAF)
    assert [(row.text, row.windows, row.extra) for row in rows] == [
        ("a <dog> & a cat", [(0.78, 1.28)], {"tier": "speech"}),
        ("a bird", [(1.28, 1.78), (1.78, 3600.0)], {"tier": "speech"}),
        ("loud", [(1.78, 3600.0)], {"tier": "note"}),
        ("", [(1.78, 3600.0)], {"tier": "deeper"}),
    ]
    assert {row.vid for row in rows} == {"the kitchen"}
    assert rows[0].line == 20
    assert {row.vid for row in read(tmp_path, "elan", EAF, Options(vid="v"))} == {"v"}


def test_elan_frames_and_shifted_media(tmp_path):
    frames = EAF.replace("milliseconds", "NTSC-frames")
    assert read(tmp_path, "elan", frames)[2].windows == [
        (float(1780 / NTSC), float(3600000 / NTSC))
    ]
    shifted = EAF.replace('MIME_TYPE="video/mp4"', 'MIME_TYPE="video/mp4" TIME_ORIGIN="500"')
    assert read(tmp_path, "elan", shifted)[0].windows == [(1.28, 1.78)]


VTT = """WEBVTT - made by hand
Kind: captions

STYLE
::cue(b) { color: red }

NOTE a note
of two lines

intro
00:01.000 --> 00:02.500 position:10% align:start
<v Ann><b>Hello</b> <00:01.500>there</v> &amp; welcome,
my&nbsp;friend

01:00:00.250 --> 01:00:01.000
<i.loud>bye</i>

100:00:03.000-->100:00:04.000
3 < 5\x20\x20
"""


@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
def test_webvtt_as_players_know_it(tmp_path, newline):
    rows = read(tmp_path, "vtt", "\ufeff" + VTT.replace("\n", newline), file="the%2Fkitchen")
    assert said(rows) == [
        ("the/kitchen", "Hello there & welcome, my friend", [(1.0, 2.5)]),
        ("the/kitchen", "bye", [(3600.25, 3601.0)]),
        ("the/kitchen", "3 < 5", [(360003.0, 360004.0)]),
    ]
    assert [row.line for row in rows] == [10, 15, 18]


def test_webvtt_cues_right_behind_the_header(tmp_path):
    text = "WEBVTT\n00:01.000 --> 00:02.000\na dog\n"
    assert said(read(tmp_path, "vtt", text)) == [("kitchen", "a dog", [(1.0, 2.0)])]


SRT = """1
00:00:01,000 --> 00:00:02,500
{\\an8}<i>Hello</i> <font color="#fff">there</font>
my friend

2
00:00:03,000 --> 00:00:04,000  X1:40 X2:600 Y1:20 Y2:50
2 dogs

3
00:00:05.5 --> 00:00:06,000
2 dogs
4
01:00:00,000 --> 01:00:01,000
<unclear> 7

"""


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_subrip_as_it_comes(tmp_path, newline):
    rows = read(tmp_path, "srt", SRT.replace("\n", newline))
    assert said(rows) == [
        ("kitchen", "Hello there my friend", [(1.0, 2.5)]),
        ("kitchen", "2 dogs", [(3.0, 4.0), (5.5, 6.0)]),
        ("kitchen", "<unclear> 7", [(3600.0, 3601.0)]),
    ]
    assert [row.line for row in rows] == [2, 7, 14]


EDL = """TITLE: Pool cut
FCM: NON-DROP FRAME

001  AX       AA/V  C        00:00:10:00 00:00:20:12 01:00:00:00 01:00:10:12
* FROM CLIP NAME: a dog barks
* SOURCE FILE: kitchen.MP4
002  REEL_TWO V     C        00:00:20:12 00:00:20:12 01:00:10:12 01:00:10:12
002  REEL_TWO V     D    025 00:00:30:00 00:00:31:00 01:00:10:12 01:00:11:12
EFFECTS NAME IS CROSS DISSOLVE
* FROM CLIP NAME: IMG_0001.MOV
* LOC: 01:00:10:12 RED     a door opens
M2   REEL_TWO       050.0                00:00:30:00
003  001      V     C        10:00:00:00 10:00:00:01 01:00:11:12 01:00:11:13
 |C:ResolveColorBlue |M:a bell |D:1
004  001      A     C        10:00:00:00 10:00:00:01 01:00:11:12 01:00:11:13
 |C:ResolveColorBlue |M:a bell |D:1
"""


def test_edit_lists_of_editing_programs(tmp_path):
    rows = read(tmp_path, "edl", EDL, Options(rate=Fraction(25)), file="list")
    assert said(rows) == [
        ("kitchen", "a dog barks", [(10.0, 20.48)]),
        ("list", "a door opens", [(30.0, 31.0)]),
        ("list", "a bell", [(36000.0, 36000.04)]),
    ]
    named = read(tmp_path, "edl", EDL, Options(rate=Fraction(25), vid="v"))
    assert {row.vid for row in named} == {"v"}
    with pytest.raises(AnnotationError, match=r":4: an edit list counts frames"):
        read(tmp_path, "edl", EDL)


@pytest.mark.parametrize(
    "mode,mark,frame",
    [("DROP FRAME", ";", 1078920), ("DROP FRAME", ":", 1078920), ("NON-DROP FRAME", ":", 1080000)],
)
def test_ten_hours_at_29_97_do_not_drift(tmp_path, mode, mark, frame):
    codes = f"10:00:00{mark}00 10:00:01{mark}15 00:00:00{mark}00 00:00:01{mark}15"
    text = f"TITLE: X\nFCM: {mode}\n001  AX  V  C  {codes}\n* FROM CLIP NAME: dog\n"
    (row,) = read(tmp_path, "edl", text, Options(rate=NTSC))
    assert row.windows == [(float(frame / NTSC), float((frame + 45) / NTSC))]


SHEET = """qid;File name;Sentence;Begin;End [s];Duration;Needs;Remarks;split
1;kitchen;"a dog; barks";1,5;0:03;61,25;Sound;42;train
1;kitchen;"a dog; barks";4;5;;;;
a7;hall;nobody;none;;30;;"{""a"": [1]}";
;hall;a cat;;;30;;x y;
;;;;;;;;
"""


def test_a_table_of_a_spreadsheet(tmp_path):
    rows = read(tmp_path, "csv", SHEET)
    assert [(r.line, r.qid, r.vid, r.text, r.windows, r.duration) for r in rows] == [
        (2, 1, "kitchen", "a dog; barks", [(1.5, 3.0), (4.0, 5.0)], 61.25),
        (4, "a7", "hall", "nobody", [], 30.0),
        (5, None, "hall", "a cat", [], 30.0),
    ]
    assert rows[0].needs == "sound" and rows[0].extra == {"Remarks": 42, "split": "train"}
    assert rows[1].extra == {"Remarks": {"a": [1]}} and rows[2].extra == {"Remarks": "x y"}


def test_a_table_names_recordings_or_their_files(tmp_path):
    text = "video_id,description,start,end\nYAFX0.mp4,a dog,55,81\nYAFX0,a dog,4,7\n"
    (row,) = read(tmp_path, "csv", text)
    assert (row.vid, row.text, row.windows) == ("YAFX0", "a dog", [(55.0, 81.0), (4.0, 7.0)])
    sample = Sample(Query("a dog", 1, "x.mp4"), 9.0, (Moment(1.0, 2.0),))
    (row,) = read(tmp_path, "csv", FORMATS["csv"].write([sample], Options()))
    assert sample_of(row) == sample


def test_times_in_percent_are_not_taken_for_seconds():
    assert not FORMATS["csv"].looks("HITId,video_id,description,start,end\nH1,Y.mp4,a dog,55,81\n")


def test_a_table_takes_what_the_sheet_of_init_takes(tmp_path):
    text = "video,query,start,end,glance,absent\nv,dog,1,2,1.5,no\nv,cat,,,3,\nv,owl,,,,yes\n"
    rows = read(tmp_path, "csv", text)
    assert [(r.text, r.windows, r.glance, r.extra) for r in rows] == [
        ("dog", [(1.0, 2.0)], 1.5, {}),
        ("cat", [(3.0, 3.0)], 3.0, {"supervision": "glance"}),
        ("owl", [], None, {}),
    ]
