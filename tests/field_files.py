"""Small data in the layout of the public feature files: two files of annotations, one of features.

Each sentence has a direction of its own in feature space, which rows inside its moment show: what
is planted can be learned.
"""

import json

import h5py
import numpy as np

from grounding.layouts import LAYOUTS

SENTENCES = (
    "a person opens the door",
    "the dog runs away",
    "somebody pours a glass of water",
    "a person sits down",
    "he is laughing at the phone",
    "she closes a window",
)


def rows_of(moments, duration, width, random):
    """(T, width): noise, and where a sentence's moment is, its direction."""
    times = (np.arange(int(duration * 2)) + 0.5) / 2
    x = random.standard_normal((len(times), width)).astype(np.float32) * 0.3 / width**0.5
    directions = np.random.default_rng(7).standard_normal((len(SENTENCES), width)) / width**0.5
    for number, (start, end) in moments:
        x[(times >= start) & (times < end)] += directions[number].astype(np.float32)
    return x


def published(folder, videos=8, layout="charades-vgg", width=None, seed=0, splits=("train", "val")):
    """Write `features/<public name>` and `<split>.json`; returns the annotation files."""
    shape, random = LAYOUTS[layout], np.random.default_rng(seed)
    features = folder / "features" / shape.file
    features.parent.mkdir(parents=True)
    files = []
    with h5py.File(features, "w") as file:
        for split in splits:
            annotations = {}
            for video in range(videos):
                duration = float(random.integers(24, 40))
                first, second = random.permutation(len(SENTENCES))[:2]
                cut = duration / 2
                moments = []
                for number, low in ((int(first), 0.0), (int(second), cut)):
                    start = low + random.uniform(0, cut - 8)
                    moments.append((number, (start, start + random.uniform(5, 8))))
                x = rows_of(moments, duration, width or shape.width, random)
                vid = f"{split}{video:02d}"
                file[f"{vid}/{shape.key}" if shape.key else vid] = x
                annotations[vid] = record(moments, duration, layout, split, random)
            files.append(folder / f"{split}.json")
            files[-1].write_text(json.dumps(annotations))
    return files


def record(moments, duration, layout, split, random):
    """One video's annotations as the data set shares them: TACoS in frames."""
    rate = 29.4 if layout == "tacos-c3d" else 1
    spans = [[start * rate, end * rate] for _, (start, end) in moments]
    sentences = [SENTENCES[number] for number, _ in moments]
    found = {"timestamps": spans, "sentences": sentences}
    glances = [float(random.uniform(*span)) for span in spans]
    if rate == 1:
        found |= {"duration": duration}
    else:
        found |= {"num_frames": duration * rate, "fps": rate}
    if split == "train":
        found["glances" if rate == 1 else "glance"] = glances
    return found


def dataset(folder, command, **options):
    """A dataset folder made of them by the command."""
    for file in published(folder, **options):
        out = folder / "annotations" / f"{file.stem}.jsonl"
        code, _, err = command("annotations", "convert", file, out)
        assert code == 0, err
    return folder
