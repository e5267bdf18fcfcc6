"""What kind of sentence a query is: its main verb, and how many events it tells.

Small rules over a table of English word forms (lemminflect), not a parser: right for most of the
field's queries, measured in the tests. For groups of queries, never for training.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

_TOKEN = re.compile(r"[^\W\d_]+(?:['-][^\W\d_]+)*|[.,;!?]")


def _set(words: str) -> frozenset[str]:
    return frozenset(words.split())


_BE = _set("is are was were be been being am 's 're")
_HELP = _BE | _set(
    "has have had do does did can could will would shall should may might must gets get got"
)
# verbs that only say that another one goes on: "begins to run", "continues running"
_PHASE = _set("start begin continue try proceed keep stop finish go come seem appear")
_SEEN = _set("see show")  # "is seen sitting"
_NOT_AFTER = _set(  # a noun follows: "a jump", "his walk", "two steps", "of cooking"
    "a an the this that these those his her its their my your our another some any no each every "
    "two three four five six several many few both all more most first second third last next "
    "other of for in on at with by into onto from about through over under behind like "
    "without near around across along against toward towards inside outside off"
)
_PLURAL = _set("people men women children they we you i")
_SIDE = _set("as while after when whenever once before if since until although")
_WHO = _set("who which that")
_JOINT = _set("and then , . ; but before after while as when until or")
_ENDS = _set(", . ; ! ?")
_PARTICLES = _set("up down then there back well like")
_RARELY = _set("left right close open")  # mostly an adjective before a noun
_FORM_AFTER = _set("in by with on at to from up as")


@dataclass(frozen=True, slots=True)
class _Word:
    """What a form may be."""

    lemma: str  # as a verb; "" = no verb
    noun: bool
    adjective: bool
    adverb: bool
    base: bool  # "open", "put"
    third: bool  # "opens"
    past: bool  # "opened", "took", "put"
    ing: bool  # "opening"

    @property
    def other(self) -> bool:
        return self.adjective or self.adverb


@lru_cache(maxsize=100_000)
def _word(term: str) -> _Word:
    from lemminflect import getAllInflections, getAllLemmas, getAllLemmasOOV

    kinds = getAllLemmas(term)
    verbs = kinds.get("VERB") or kinds.get("AUX") or ()
    if not kinds and term.endswith(("ing", "ed")) and len(term) > 5:
        verbs = getAllLemmasOOV(term, "VERB").get("VERB", ())  # "vlogging"
    if not kinds and term.endswith("s") and len(term) > 3:
        return _Word(term[:-1], True, False, False, False, True, False, False)  # "vlogs"
    if not verbs:
        return _Word("", "NOUN" in kinds, "ADJ" in kinds, "ADV" in kinds, *[False] * 4)
    lemma = str(verbs[0])
    forms = getAllInflections(lemma, "VERB")
    past = {*forms.get("VBD", ()), *forms.get("VBN", ())}
    return _Word(
        lemma,
        "NOUN" in kinds or "PROPN" in kinds,
        "ADJ" in kinds,
        "ADV" in kinds,
        term == lemma,
        term in forms.get("VBZ", ()),
        term in past or (not kinds and term.endswith("ed")),
        term in forms.get("VBG", ()) or (not kinds and term.endswith("ing")),
    )


@dataclass(frozen=True, slots=True)
class _Verb:
    place: int
    lemma: str
    finite: bool  # stands for what the subject does, not for what kind of subject it is
    doubt: int  # 1 may be a noun: "in high heels"; 2 may be a participle: "dressed in black"


def _verbs(terms: list[str]) -> list[_Verb]:
    """The verbs in order, without helpers; a verb that only says another goes on gives way to
    it.
    """
    found: list[_Verb] = []
    helped = False  # a helper or "to" stands before
    subject = False  # a noun or pronoun has been named since the last stop
    for place, term in enumerate(terms):
        word = _word(term)
        before = terms[place - 1] if place else ""
        if term in _HELP:
            helped = True
            continue
        if term in _ENDS:
            helped = False
            continue
        if term == "to":
            helped = bool(found) and found[-1].place >= place - 2
            continue
        told = _is_verb(word, term, before, helped, subject, terms[place + 1 : place + 2])
        if not told:
            subject = subject or word.noun or not (word.other or term in _NOT_AFTER)
            helped = helped and (word.other or term == "not")
            continue
        last = found[-1] if found else None
        goes_on = (
            last is not None
            and place - last.place <= 2
            and (last.lemma in _PHASE or (word.ing and last.lemma in _SEEN))
        )
        finite = helped or not word.ing
        if goes_on and last is not None:
            found[-1] = _Verb(place, word.lemma, last.finite, 0)
        else:
            after = terms[place + 1] if place + 1 < len(terms) else ""
            doubt = 0
            if not helped and word.past and not word.base and after in _FORM_AFTER:
                doubt = 2
            elif not helped and word.third and word.noun:
                doubt = 1
            found.append(_Verb(place, word.lemma, finite and before not in _WHO, doubt))
        helped = False
    return found


def _is_verb(
    word: _Word, term: str, before: str, helped: bool, subject: bool, after: list[str]
) -> bool:
    if not word.lemma or term in _PARTICLES or (term in _RARELY and not subject):
        return False
    if term in _NOT_AFTER or term in _SIDE:
        return False
    if helped and (word.base or word.ing or word.past):
        return True
    if before in _NOT_AFTER and not (word.ing and before in {"for", "by", "from", "without"}):
        return False
    if word.ing:
        return not (word.noun and after and _word(after[0]).noun and before in _NOT_AFTER)
    if word.noun and not word.ing and _names(_word(before)):
        return False  # "different types", "reading books"
    if word.past or word.third:
        return subject or (not word.noun and not word.other)
    # a bare form: "person put", but not the first noun of "fire truck" nor an imperative's object
    if not subject:
        return not before and not word.noun  # an order: "add salt"
    several = before in _PLURAL or (before.endswith("s") and _word(before).noun)
    return (not word.noun and not word.other) or (several and not word.other) or _opens(after)


def _names(word: _Word) -> bool:
    """Whether a noun follows such a word."""
    return word.ing or (word.adjective and not word.adverb and not word.noun)


def _opens(after: list[str]) -> bool:
    """Whether what follows begins an object or a direction: "turn a light on"."""
    return bool(after) and (after[0] in _NOT_AFTER or after[0] in {"up", "down", "out", "to"})


def words(sentence: str) -> list[str]:
    """The words in lower case, without punctuation and numbers."""
    return [term for term in _tokens(sentence) if term not in _ENDS]


def main_verb(sentence: str) -> str:
    """The base form of what the sentence says is done; "" where no verb is found.

    The first finite verb of the main clause, without helpers ("is", "begins to"); a participle
    ("a man opening a door") where there is no finite one.

    >>> main_verb("A man in a red hat begins to climb the wall")
    'climb'
    """
    terms = _tokens(sentence)
    if terms and terms[0] in _SIDE and "," in terms:
        terms = terms[terms.index(",") + 1 :]  # "while he waits, the dog runs"
    verbs = _verbs(terms)
    finite = [v for v in verbs if v.finite]
    chosen = finite[:1]
    if chosen and chosen[0].doubt:
        sure = [v for v in finite if v.doubt < chosen[0].doubt]
        between = terms[chosen[0].place : sure[0].place] if sure else _JOINT
        if not any(term in _JOINT for term in between):
            chosen = sure[:1]
    if chosen or verbs:
        return (chosen or verbs)[0].lemma
    return next((_word(term).lemma for term in terms if term in _HELP), "")  # "does a flip"


def count_events(sentence: str) -> int:
    """How many things happen: verbs that a joint ("and", "then", "before", a comma) parts; >= 1.

    >>> count_events("A person walks forward, turns around and sits down")
    3
    """
    terms = _tokens(sentence)
    verbs = [v for v in _verbs(terms) if v.finite or _joined(terms, v.place)]
    count = 0
    last = -1
    for verb in verbs:
        parted = any(term in _JOINT for term in terms[last + 1 : verb.place])
        count += not count or parted
        last = verb.place
    return max(count, 1)


def _joined(terms: list[str], place: int) -> bool:
    return place > 0 and terms[place - 1] in {"then", "before", "after"}


def _tokens(sentence: str) -> list[str]:
    return _TOKEN.findall(sentence.casefold().replace("\u2019", "'"))
