"""Moments of a recording as playable files: MP4 with H.264 and, where there is sound, AAC."""

from __future__ import annotations

import dataclasses
import hashlib
import heapq
import os
import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from fractions import Fraction
from itertools import chain, groupby, pairwise
from operator import itemgetter
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from grounding.errors import BadInput, UnreadableMedia
from grounding.files import atomic
from grounding.media.container import open_container, packets
from grounding.media.survey import family_of
from grounding.media.video import VideoInfo, VideoReader, open_video
from grounding.types import Moment, Prediction

CLOCK = Fraction(1, 90000)  # seconds a tick of the pictures written
BATCH = 4  # pictures decoded at once: large ones have 25 MB each
# Containers may round times to milliseconds: a frame that would be shown for less is none.
HAIR = 1e-3
# Seconds decoded before the first sample wanted, so that the decoder has settled.
PREROLL = 1.0
# Containers in which the sound's times are right after seeking.
SEEKABLE = {"mov", "matroska"}
# Seconds by which times of sound may jitter before it counts as a gap or an overlap.
JITTER = 0.02
# The matrices that the conversion between RGB and YUV knows, as FFmpeg numbers them.
MATRICES = {1, 5, 6, 7, 9}
UNSPECIFIED, LIMITED = 2, 1
LONGEST_SLUG = 60
LONGEST_VID = 120  # bytes: a file name may have 255, and a temporary one is longer

# The index at the front, and edit lists finer than milliseconds: sound ends to the sample.
CONTAINER = {"movflags": "+faststart", "movie_timescale": str(CLOCK.denominator)}

Samples = npt.NDArray[np.float32]
Progress = Callable[[float, float, str], None]  # seconds done, seconds in all, what


@dataclasses.dataclass(frozen=True, slots=True)
class Encoding:
    """How pictures are written.

    Attributes:
        preset: of x264, from ultrafast to veryslow.
        quality: its constant rate factor; less is better and larger.
        short_side, long_side: pixels that larger pictures are reduced to; None = as they are.
        key_every: seconds after which a keyframe comes at the latest; None = as x264 likes.
        threads: that decode; 0 = as many as there are cores.
    """

    preset: str = "veryfast"
    quality: int = 18
    short_side: int | None = None
    long_side: int | None = None
    key_every: float | None = None
    threads: int = 1

    def reduced(self, width: int, height: int) -> int | None:
        """The short side of such a picture after reduction; None where it stays."""
        short, long = sorted((width, height))
        scale = min((self.short_side or short) / short, (self.long_side or long) / long)
        return max(1, round(short * scale)) if scale < 1 else None


def cut(
    media: str | os.PathLike[str],
    moment: Moment,
    out: Path,
    encoding: Encoding | None = None,
    progress: Progress | None = None,
) -> None:
    """Write a moment of a video as MP4, upright, starting and ending exactly; whole or not at all.

    It begins with the frame on screen at the start, and frames keep their times. What is shorter
    than a frame becomes one frame; what lies outside the recording is brought to its ends.

    Raises:
        UnreadableMedia: the video cannot be read, or no frame of the moment decodes.
        BadInput: the file cannot be encoded or written.
    """
    import av

    encoding = encoding or Encoding()
    with _opened(media, encoding) as reader, closing(open_container(media)) as source:
        info, stamps = reader.info, reader.timestamps()
        start = min(moment.start, float(stamps[-1]))
        end = min(moment.end, info.duration)
        times = [start, *stamps[(stamps > start) & (stamps < end - HAIR)].tolist()]
        end = max(end, start + 1 / (info.rate or 25))
        spoken = source.streams.best("audio")
        try:
            with (
                atomic(out) as temporary,
                av.open(str(temporary), "w", "mp4", options=CONTAINER) as target,
            ):
                video = _picture_stream(target, info, source.streams[info.stream], encoding)
                streams: dict[type[Any], Any] = {av.VideoFrame: video}
                tracks = [_pictures(reader, video, times, end, encoding.key_every)]
                if spoken is not None and is_decodable(spoken):
                    streams[av.AudioFrame] = audio = sound_stream(target, spoken)
                    tracks.append(sound(media, spoken, audio, info.start + start, end - start))
                for frame in heapq.merge(*tracks, key=_time):
                    target.mux(streams[type(frame)].encode(frame))
                    if progress is not None and type(frame) is av.VideoFrame:
                        progress(float(_time(frame)), end - start, "encoding")
                for stream in streams.values():
                    target.mux(stream.encode(None))
        except av.FFmpegError as error:
            why = getattr(error, "strerror", None) or error
            raise BadInput(f"{out}: cannot be written ({why}); check the free space") from None


def _time(frame: Any) -> Fraction:
    """Seconds at which a frame begins."""
    seconds: Fraction = frame.pts * frame.time_base
    return seconds


def _opened(media: str | os.PathLike[str], encoding: Encoding) -> VideoReader:
    """A reader whose pictures are no larger than the encoding wants them."""
    reader = open_video(media, backend="pyav", threads=encoding.threads)
    short = encoding.reduced(reader.info.width, reader.info.height)
    if short is None:
        return reader
    reader.close()
    return open_video(media, backend="pyav", short_side=short, threads=encoding.threads)


def clip_names(predictions: Iterable[Prediction]) -> list[tuple[str, Moment]]:
    """A file name, `<vid>-<slug of the sentence>-<rank>.mp4`, for every moment of predictions.

    Names differ even where letter case does not count, and none leads out of a folder.
    """
    named: list[tuple[str, Moment]] = []
    taken: set[str] = set()
    for prediction in predictions:
        vid = _file_part(prediction.query.vid or "recording")
        slug = _slug(prediction.query.text)
        stems = chain((slug,), (f"{slug[: LONGEST_SLUG - 6]}-{n}" for n in range(2, 10**5)))
        stem = next(s for s in (f"{vid}-{tail}" for tail in stems) if s.casefold() not in taken)
        taken.add(stem.casefold())
        named += [(f"{stem}-{rank}.mp4", m) for rank, m in enumerate(prediction.moments, 1)]
    return named


def _slug(sentence: str) -> str:
    """ASCII letters, digits and single dashes; ends in a hash where the sentence has more to say.

    The hash keeps sentences in other scripts apart, between runs as well.
    """
    plain = unicodedata.normalize("NFKD", sentence).encode("ascii", "ignore").decode()
    slug = "-".join(re.findall("[a-z0-9]+", plain.lower()))
    letters = [c for c in unicodedata.normalize("NFKD", sentence) if c.isalnum()]
    if slug and len(slug) <= LONGEST_SLUG and all(c.isascii() for c in letters):
        return slug
    digest = hashlib.sha256(sentence.encode("utf-8", "surrogatepass")).hexdigest()[:8]
    return f"{slug[: LONGEST_SLUG - 9].strip('-')}-{digest}".lstrip("-")


def _file_part(vid: str) -> str:
    """A recording's name without what separates folders, short enough for a file name."""
    safe = "".join("_" if c in '/\\:*?"<>|' or not c.isprintable() else c for c in vid)
    return safe.encode("utf-8", "replace")[:LONGEST_VID].decode("utf-8", "ignore")


def _picture_stream(target: Any, info: VideoInfo, source: Any, encoding: Encoding) -> Any:
    """The stream that pictures go to: even sides, and colours described as in the source."""
    import av

    video = target.add_stream("libx264", rate=Fraction(info.rate or 25).limit_denominator(1001))
    short = encoding.reduced(info.width, info.height)
    scale = 1.0 if short is None else short / min(info.width, info.height)
    width, height = max(1, round(info.width * scale)), max(1, round(info.height * scale))
    video.width, video.height = width + width % 2, height + height % 2
    video.pix_fmt = "yuv420p"
    # No B-frames: the first picture is at time 0 without an edit list. Keyframes are clean cuts.
    video.options = {
        "preset": encoding.preset,
        "crf": str(encoding.quality),
        "bf": "0",
        "keyint_min": "1",
    }
    codec, like = video.codec_context, source.codec_context
    codec.time_base = CLOCK
    codec.flags |= av.codec.context.Flags.frame_duration  # else the last one lasts as the others
    if shape := source.sample_aspect_ratio:  # of a pixel
        codec.sample_aspect_ratio = 1 / shape if info.rotation % 180 else shape
    codec.color_range = LIMITED
    if like.colorspace in MATRICES:
        codec.colorspace, codec.color_trc = like.colorspace, like.color_trc
        codec.color_primaries = like.color_primaries
    return video


def _pictures(
    reader: VideoReader, video: Any, times: list[float], end: float, key_every: float | None
) -> Iterator[Any]:
    """Frames for the encoder, of sorted times in seconds; each is shown until the next, the last
    until the end.

    Raises:
        UnreadableMedia: not one decodes.
    """
    import av
    from av.video.reformatter import VideoReformatter

    start = times[0]
    reformatter: Any = VideoReformatter()
    batches = reader.iter_frames(times=times, batch=BATCH)
    decoded = (pair for b in batches for pair in zip(b.times.tolist(), b.frames, strict=True))
    # The first frame comes twice where the start is a hair before it.
    shown = (next(same) for _, same in groupby(decoded, key=itemgetter(0)))
    tick = key_due = 0
    for (_, picture), (until, _) in pairwise(chain(shown, [(end, None)])):
        ticks = round((until - start) / CLOCK) - tick
        if ticks <= 0:
            continue
        high, wide = picture.shape[:2]
        even = np.pad(picture, ((0, high % 2), (0, wide % 2), (0, 0)), mode="edge")
        frame = reformatter.reformat(
            av.VideoFrame.from_ndarray(even, format="rgb24"),
            video.width,
            video.height,
            "yuv420p",
            dst_colorspace=video.codec_context.colorspace,
            dst_color_range=LIMITED,
        )
        frame.pts, frame.duration, frame.time_base = tick, ticks, CLOCK
        if key_every is not None and tick + ticks > key_due:
            frame.pict_type = av.video.frame.PictureType.I
            key_due = tick + round(key_every / CLOCK)
        tick += ticks
        yield frame
    if tick == 0:
        why = f": {reader.problems[-1]}" if reader.problems else ""
        raise UnreadableMedia(
            reader.info.path, f"no frame decodes from {start:.2f} to {end:.2f} s{why}"
        )


def is_decodable(stream: Any) -> bool:
    """Tell whether a sound stream says enough about itself to be decoded."""
    codec = stream.codec_context
    return codec is not None and codec.sample_rate > 0 and codec.layout.nb_channels > 0


def sound_stream(target: Any, source: Any) -> Any:
    """The stream that sound goes to: as the source, but stereo at most."""
    import av

    codec = source.codec_context
    usual = av.Codec("aac", "w").audio_rates or ()
    rate = codec.sample_rate if codec.sample_rate in usual else 48000
    layout = "mono" if codec.layout.nb_channels == 1 else "stereo"
    return target.add_stream("aac", rate=rate, layout=layout)


def sound(
    media: str | os.PathLike[str], spoken: Any, audio: Any, since: float, seconds: float
) -> Iterator[Any]:
    """Frames for the encoder of `audio`: what the stream `spoken` of a file says for so many
    seconds, `since` on the container's clock.
    """
    return _sound(_heard(media, spoken.index, since), audio, since, seconds)


def _heard(media: str | os.PathLike[str], index: int, since: float) -> Iterator[Any]:
    """Decoded frames of a sound stream from `since` on, or earlier; seconds on the container's
    clock.
    """
    import av

    for seek in (True, False):
        with closing(open_container(media)) as container:
            if seek:
                if since <= PREROLL or family_of(container) not in SEEKABLE:
                    continue
                try:
                    container.seek(int((since - PREROLL) * av.time_base))
                except av.FFmpegError:
                    continue
            frames = _decoded(container, container.streams[index])
            first = next(frames, None)
            if first is None or first.time > since:
                if seek:
                    continue
                if first is None:
                    return
            yield from chain((first,), frames)
            return


def _decoded(container: Any, stream: Any) -> Iterator[Any]:
    """Frames of one stream; what does not decode is left out."""
    import av

    for packet in packets(container, stream):
        try:
            frames = packet.decode()
        except av.FFmpegError:
            continue
        yield from (frame for frame in frames if frame.pts is not None)


def _sound(heard: Iterator[Any], audio: Any, since: float, seconds: float) -> Iterator[Any]:
    """Frames for the encoder: from `since` to the sample, silent where nothing is heard."""
    import av

    rate, layout = audio.codec_context.sample_rate, audio.codec_context.layout
    resampler = av.AudioResampler("fltp", layout, rate)
    total = round(seconds * rate)
    blocks = _placed((p for f in heard for p in resampler.resample(f)), since, rate)
    silent = np.zeros((layout.nb_channels, rate), np.float32)
    done = 0
    for place, block in chain(blocks, [(total, silent[:, :0])]):
        gap = min(place, total) - done
        parts = [silent[:, : min(rate, gap - i)] for i in range(0, gap, rate)]
        for part in (*parts, block[:, max(done - place, 0) : max(total - place, 0)]):
            if part.shape[1]:
                frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(part), "fltp", layout.name)
                frame.sample_rate, frame.pts, frame.time_base = rate, done, Fraction(1, rate)
                done += part.shape[1]
                yield frame
        if done >= total:
            return


def _placed(frames: Iterable[Any], since: float, rate: int) -> Iterator[tuple[int, Samples]]:
    """Blocks (channels, N) with the place of their first sample, counted from `since` seconds."""
    following: int | None = None
    for frame in frames:
        place = round((frame.time - since) * rate)
        if following is not None and abs(place - following) <= JITTER * rate:
            place = following  # times are coarser than samples
        following = place + frame.samples
        yield place, frame.to_ndarray()
