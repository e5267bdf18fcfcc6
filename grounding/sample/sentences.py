"""Templates and words: how a thing that may happen is put into a sentence.

A template is a frame (the pattern) with a phrase (the action) in it. Training and test share
phrases and words but no frame, so that no sentence of the test was seen in training. `{a}` and
`{the}` stand for the doer, `{be}` and `{do}` agree with it in number; `{verbs}`, `{ing}` and
`{verb}` are forms of the action; `{s}` and `{sbe}` are a sound and its verb.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

from grounding.sample.dice import Dice
from grounding.sample.script import PAIRS, Event

Phrase = tuple[str, str, str]  # one way to say an action: "bounces", "bouncing", "bounce"
PHRASES: dict[str, tuple[Phrase, ...]] = {
    "enter": (
        ("enters from the {side}", "entering from the {side}", "enter from the {side}"),
        ("comes in from the {side}", "coming in from the {side}", "come in from the {side}"),
        (
            "enters from the {side} and crosses to the {other}",
            "entering from the {side} and crossing to the {other}",
            "enter from the {side} and cross to the {other}",
        ),
    ),
    "bounce": (
        ("bounces up and down", "bouncing up and down", "bounce up and down"),
        ("bounces", "bouncing", "bounce"),
    ),
    "spin": (
        ("spins", "spinning", "spin"),
        ("spins around", "spinning around", "spin around"),
        ("turns round and round", "turning round and round", "turn round and round"),
    ),
    "grow": (
        ("grows", "growing", "grow"),
        ("grows bigger and bigger", "growing bigger and bigger", "grow bigger and bigger"),
        ("gets bigger", "getting bigger", "get bigger"),
    ),
    "collide": (
        ("collide", "colliding", "collide"),
        ("bump into each other", "bumping into each other", "bump into each other"),
        ("hit each other", "hitting each other", "hit each other"),
    ),
    "swap": (
        ("swap places", "swapping places", "swap places"),
        ("change places", "changing places", "change places"),
    ),
    "walk": (
        ("walks", "walking", "walk"),
        ("walks from {side} to {other}", "walking from {side} to {other}",
         "walk from {side} to {other}"),
    ),
    "wave": (
        ("waves", "waving", "wave"),
        ("waves with one hand", "waving with one hand", "wave with one hand"),
    ),
    "jump": (
        ("jumps", "jumping", "jump"),
        ("jumps into the air", "jumping into the air", "jump into the air"),
    ),
    "sit": (("sits down", "sitting down", "sit down"),),
    "kick": (
        ("kicks", "kicking", "kick"),
        ("kicks with one leg", "kicking with one leg", "kick with one leg"),
    ),
}  # fmt: skip
# Each sound with its number: True where it takes "are".
SOUND_WORDS: dict[str, tuple[tuple[str, bool], ...]] = {
    "high": (("a high tone", False), ("a high note", False)),
    "low": (("a low tone", False), ("a low note", False)),
    "rising": (("a rising chirp", False), ("a chirp going up", False)),
    "falling": (("a falling chirp", False), ("a chirp going down", False)),
    "noise": (("a burst of noise", False), ("noise", False)),
    "fast": (("fast beats", True), ("quick beats", True)),
    "slow": (("slow beats", True),),
    "wobble": (("a wobbling tone", False), ("a wobbling note", False)),
}
FIGURE_WORDS = ("person", "person", "stick figure")
OTHER_SIDE = {"left": "right", "right": "left"}

# Plain frames come first and are likelier, so that the same sentence is met in many videos.
SIGHT = {
    "train": (
        "{a} {verbs}",
        "the moment when {a} {verbs}",
        "{the} {be} {ing}",
        "when {do} {the} {verb}?",
        "there {be} {a} {ing}",
        "{a} {ing}",
        "show me {the} {ing}",
        "find where {a} {verbs}",
        "look for {a} {ing}",
        "the part where {the} {verbs}",
    ),
    "test": (
        "{a} {be} {ing}",
        "{the} {verbs}",
        "when {do} {a} {verb}?",
        "show me where {the} {verbs}",
        "find {a} {ing}",
        "look for the moment when {the} {be} {ing}",
    ),
}
SOUND = {
    "train": (
        "{s} {sbe} heard",
        "the sound of {s}",
        "you can hear {s}",
        "when {sbe} there {s}?",
        "listen for {s}",
        "the moment when {s} can be heard",
        "find where you hear {s}",
    ),
    "test": (
        "{s} can be heard",
        "when can you hear {s}?",
        "listen for the sound of {s}",
        "there {sbe} {s}",
        "find the moment when {s} {sbe} heard",
    ),
}
BOTH = {
    "train": (
        "{a} {verbs} with {s}",
        "{the} {be} {ing} while {s} {sbe} heard",
        "you can hear {s} while {a} {verbs}",
        "find {the} {ing} with the sound of {s}",
    ),
    "test": (
        "{the} {verbs} with {s}",
        "{a} {be} {ing} while you hear {s}",
        "{s} can be heard while {the} {be} {ing}",
        "find where {a} {verbs} with {s}",
    ),
}
STYLES = {"train": "train", "val": "train", "test": "test", "test-synonyms": "test"}
# Words that training never says, for `test-synonyms`; longer ones first.
SYNONYMS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("bounces", ("hops",)), ("bouncing", ("hopping",)), ("bounce", ("hop",)),
    ("spins", ("rotates", "whirls")), ("spinning", ("rotating", "whirling")),
    ("spin", ("rotate", "whirl")),
    ("grows", ("expands", "swells")), ("growing", ("expanding", "swelling")),
    ("grow", ("expand", "swell")),
    ("enters", ("arrives",)), ("entering", ("arriving",)), ("enter", ("arrive",)),
    ("collide", ("crash",)), ("colliding", ("crashing",)),
    ("swap", ("trade", "exchange")), ("swapping", ("trading", "exchanging")),
    ("walks", ("strolls",)), ("walking", ("strolling",)), ("walk", ("stroll",)),
    ("jumps", ("leaps",)), ("jumping", ("leaping",)), ("jump", ("leap",)),
    ("waves", ("gestures",)), ("waving", ("gesturing",)), ("wave", ("gesture",)),
    ("red", ("crimson", "scarlet")), ("blue", ("azure", "navy")),
    ("green", ("emerald", "lime")), ("yellow", ("golden", "lemon")),
    ("purple", ("violet", "lilac")),
    ("circle", ("disc", "ball")), ("square", ("box", "cube")), ("triangle", ("wedge",)),
    ("person", ("human", "man")), ("figure", ("man",)),
    ("high", ("shrill",)), ("low", ("deep",)), ("rising", ("ascending",)),
    ("falling", ("descending",)), ("noise", ("static", "hissing")),
    ("fast", ("rapid",)), ("quick", ("rapid",)), ("slow", ("unhurried",)),
    ("wobbling", ("trembling",)),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Ask:
    """What a sentence says; a field left None says nothing about it."""

    action: str | None = None
    colours: tuple[str, ...] | None = None
    shapes: tuple[str, ...] | None = None
    side: str | None = None
    sound: str | None = None

    def matches(self, event: Event) -> bool:
        """Whether the sentence is true of the event."""
        if self.action is not None and self.action != event.action:
            return False
        if self.side is not None and self.side != event.side:
            return False
        if self.sound is not None and self.sound != event.sound:
            return False
        if len(event.colours) == 2:  # of two, either may be named first
            if self.colours is None or self.shapes is None:
                return self.colours is None and self.shapes is None
            said = sorted(zip(self.colours, self.shapes, strict=True))
            return said == sorted(zip(event.colours, event.shapes, strict=True))
        return (self.colours is None or self.colours == event.colours) and (
            self.shapes is None or self.shapes == event.shapes
        )


def doer(ask: Ask, dice: Dice) -> tuple[str, str]:
    """Who acts, as something new and as something known: ("a red circle", "the red circle")."""
    if ask.action in PAIRS:
        if ask.colours is None or ask.shapes is None:
            return "two shapes", "the two shapes"
        things = list(zip(ask.colours, ask.shapes, strict=True))
        nouns = [f"{colour} {shape}" for colour, shape in things[:: dice.pick((1, 1, -1))]]
        return f"a {nouns[0]} and a {nouns[1]}", f"the {nouns[0]} and the {nouns[1]}"
    if ask.colours is not None and ask.shapes is not None:
        noun = f"{ask.colours[0]} {ask.shapes[0]}"
    elif ask.colours is not None:
        return f"something {ask.colours[0]}", f"the {ask.colours[0]} shape"
    elif ask.shapes is not None:
        noun = ask.shapes[0]
    elif ask.action in ("enter", "bounce", "spin", "grow"):
        return "something", "the shape"
    else:
        noun = dice.pick(FIGURE_WORDS)
    return f"a {noun}", f"the {noun}"


def say(ask: Ask, split: str, dice: Dice) -> str:
    """A sentence for the question from the split's templates, in lower case."""
    frames = SIGHT if ask.sound is None else SOUND if ask.action is None else BOTH
    patterns = frames[STYLES[split]]
    pattern = dice.weighted({p: 1.0 / (1 + i) for i, p in enumerate(patterns)})
    words: dict[str, str] = {}
    if ask.action is not None:
        phrases = [p for p in PHRASES[ask.action] if (ask.side is not None) == ("{side}" in p[0])]
        # An action that has a side is said with it; walking may also go unsaid.
        phrase = dice.weighted({p: 1.0 / (1 + i) ** 1.5 for i, p in enumerate(phrases)})
        side = ask.side or ""
        verbs, ing, verb = (
            form.format(side=side, other=OTHER_SIDE.get(side, "")) for form in phrase
        )
        new, known = doer(ask, dice)
        several = ask.action in PAIRS
        words |= {"verbs": verbs, "ing": ing, "verb": verb, "a": new, "the": known}
        words |= {"be": "are" if several else "is", "do": "do" if several else "does"}
    if ask.sound is not None:
        sound, several = dice.pick(SOUND_WORDS[ask.sound])
        words |= {"s": sound, "sbe": "are" if several else "is"}
    return pattern.format(**words)


def reword(sentence: str, dice: Dice) -> str:
    """The sentence with every word that has a synonym replaced, and its articles put right."""
    choices = {word: dice.pick(others) for word, others in SYNONYMS}
    words = [choices.get(word, word) for word in sentence.replace("?", " ?").split()]
    for i, (word, after) in enumerate(pairwise(words)):
        if word == "a" and after[0] in "aeiou":
            words[i] = "an"
    return " ".join(words).replace(" ?", "?")


def vocabulary(sentences: list[str]) -> set[str]:
    """The words of the sentences."""
    return {word for sentence in sentences for word in sentence.replace("?", "").split()}
