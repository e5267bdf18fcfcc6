"""A small file of every field format, laid out as its authors do."""

import json

ACTIVITYNET = {
    "v_one": {
        "duration": 55.15,
        "timestamps": [[0.28, 55.15], [13.79, 54.32]],
        "sentences": ["A tutorial is given.", "  The coach helps."],
    },
    "v_two": {
        "duration": 10,
        "timestamps": [[1, 2]],
        "sentences": ["A man speaks."],
        "subset": "a",
    },
}
TACOS = {
    "s17-d69.avi": {
        "timestamps": [[294, 588], [882, 2940]],
        "sentences": ["He cracks the egg.", "He fries it."],
        "fps": 29.4,
        "num_frames": 2940,
        "glance": [441, 2000],
    }
}
DIDEMO = [
    {
        "num_segments": 6,
        "description": "someone kicks the bug.",
        "dl_link": "a link",
        "times": [[4, 4], [0, 0], [4, 4], [4, 5]],
        "video": "26292851@N04_4253489686_265c3c8051.m4v",
        "annotation_id": 1,
    },
    {
        "num_segments": 5,
        "description": "the dog looks up",
        "times": [[1, 2], [0, 4]],
        "video": "b.mov",
        "annotation_id": 2,
    },
]
TMR = {
    "00004": {
        "path": "KIT/4/WalkingStraightForward04_poses",
        "duration": 5.66,
        "annotations": [
            {"seg_id": "00004_0", "text": "A person walks.", "start": 0.0, "end": 5.66},
            {"seg_id": "00004_1", "text": "human slowly goes", "start": 1.0, "end": 3.5},
        ],
    },
    "00005": {"path": "KIT/4/x_poses", "duration": 5.89, "annotations": []},
}
BABEL = {
    "3180": {
        "babel_sid": 3180,
        "url": "a link",
        "feat_p": "KIT/KIT/4/WalkInCounterClockwiseCircle10_poses.npz",
        "dur": 9.0,
        "seq_ann": {
            "labels": [
                {"raw_label": "walk in a circle", "proc_label": "circle", "seg_id": "a",
                 "act_cat": ["walk"]}
            ],
            "mul_act": True,
        },
        "frame_ann": {
            "labels": [
                {"raw_label": "stands", "proc_label": "stand", "seg_id": "b",
                 "act_cat": ["stand"], "start_t": 0, "end_t": 1.5},
                {"raw_label": None, "proc_label": "transition", "seg_id": "c",
                 "act_cat": ["transition"], "start_t": 1.5, "end_t": 2.0},
            ],
            "mul_act": True,
        },
    },
    "77": {
        "babel_sid": 77,
        "dur": 4.0,
        "seq_anns": [{"labels": [{"raw_label": "jump", "proc_label": "jump", "seg_id": "d"}]}],
        "frame_anns": None,
    },
}  # fmt: skip
RTL = [
    {
        "question_id": "x_0",
        "question": "When does she dive?",
        "answer": "<12.5> <20.0> She stands at the edge before.",
        "duration": 60.0,
        "vid": "uqiMw7tQ1Cc",
    }
]
RTL_TRAIN = {
    "v_one": {
        "duration": 60.0,
        "QA": [
            {"q": "When does he pay?", "a": "[<30.> <25.5>] He has eaten by then."},
            {"q": "When does he sleep?", "a": "He never does."},
        ],
    }
}
NEXT_GQA = {
    "10001787725": {
        "duration": 34,
        "location": {"1": [[1.2, 5.8]], "3": [[12.1, 17.1], [20, 23.5]]},
    }
}
NEXT_GQA_SHEET = """video_id,frame_count,width,height,question,answer,qid,type,a0,a1,a2,a3,a4
10001787725,1019,640,480,why is he there,to sing,1,CW,to dance,to sing,x,y,z
10001787725,1019,640,480,"what does he do, then",bow,3,TN,bow,sit,x,y,z
10001787725,1019,640,480,who sings,he,4,TC,he,she,x,y,z
"""
JSONL = [
    {
        "qid": 2579,
        "query": "A girl cooks.",
        "duration": 150,
        "vid": "NUsG9BgSes0_210.0_360.0",
        "relevant_clip_ids": [41, 42],
        "saliency_scores": [[1, 1, 2], [1, 1, 3]],
        "relevant_windows": [[82, 86], [90.5, 150]],
    },
    {
        "qid": "37612",
        "query": "water splashes",
        "duration": 60,
        "vid": "Wildlife_0.0_60.0",
        "relevant_windows": [],
        "fg_dB": -2.09,
    },
    {
        "qid": "fXx44D1sqUw",
        "query": "dog",
        "duration": 106.53,
        "vid": "fXx44D1sqUw",
        "relevant_clip_ids": None,
        "relevant_windows": None,
        "label": [[0], [1], [1]],
        "domain": "dog",
    },
]

# name of the format -> name and text of the file
EXAMPLES = {
    "jsonl": ("a.jsonl", "\n".join(map(json.dumps, JSONL))),
    "charades-sta": (
        "a.txt",
        "AO8RW 0.0 6.9##1.0##a person is putting a book on a shelf.\n"
        "Y6R7T 20.8 30.0##person begins to play ## on a phone.\n".replace(" ## ", " "),
    ),
    "activitynet-captions": ("val_1.json", json.dumps(ACTIVITYNET)),
    "tacos": ("train.json", json.dumps(TACOS, indent=1)),
    "didemo": ("val_data.json", json.dumps(DIDEMO)),
    "humanml3d": (
        "000021.txt",
        "a man kicks # 1 with his leg.#a/DET man/NOUN kick/VERB#0.0#0.0\n"
        "he turns#he/PRON turn/VERB#1.5#3.0\n",
    ),
    "tmr": ("annotations.json", json.dumps(TMR, indent=2)),
    "babel": ("val.json", json.dumps(BABEL)),
    "activitynet-rtl": ("val_1.json", json.dumps(RTL)),
    "next-gqa": ("gsub_val.json", json.dumps(NEXT_GQA)),
}
BESIDE = {"next-gqa": ("val.csv", NEXT_GQA_SHEET)}


def put(folder, name, text=None):
    """Write the example of a format, or `text` in its stead -> its path."""
    file, example = EXAMPLES[name]
    if name in BESIDE:
        (folder / BESIDE[name][0]).write_text(BESIDE[name][1])
    path = folder / file
    path.write_bytes((example if text is None else text).encode(errors="surrogatepass"))
    return path
