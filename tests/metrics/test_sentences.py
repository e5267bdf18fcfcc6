import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grounding.metrics.sentences import count_events, main_verb

SHARED = Path(__file__).parents[3] / "shared" / "data"

# sentence | main verb | events: written by hand in the style of the field's queries, before the
# rules were; the rules were then mended on them
HAND_MADE = """
a person opens the kitchen door.|open|1
person turn a lamp on.|turn|1
a person is closing the window.|close|1
person puts the plates in the sink.|put|1
a person starts laughing at the phone.|laugh|1
person begins to sneeze.|sneeze|1
person takes a towel from the shelf and folds it.|take|2
the person throws a pillow onto the sofa.|throw|1
person eating a sandwich.|eat|1
a person walks through the doorway holding a bag.|walk|1
person they put down the book.|put|1
another person runs into the room.|run|1
person drinks from a cup of coffee.|drink|1
person sits down on the bed.|sit|1
a person stands up, then leaves the room.|stand|2
She took out a cutting board.|take|1
He rinses the carrots under the tap.|rinse|1
The woman peels and chops the onion.|peel|2
He gets a pan out of the drawer.|get|1
The person washes a knife.|wash|1
She adds salt to the pot and stirs it.|add|2
He cracked two eggs into a bowl.|crack|1
The man sliced the bread.|slice|1
A man in a blue shirt talks to the camera.|talk|1
A woman wearing a white hat walks along the beach.|walk|1
Two girls are dancing in the street.|dance|1
Chef makes pizza and cuts it up.|make|2
A family is eating dinner at a restaurant.|eat|1
A black dog plays with a ball in the garden.|play|1
Reporter interviews a farmer next to a field.|interview|1
A vlogger shows the view from her hotel window.|show|1
The couple take a selfie in front of the tower.|take|1
A girl is vlogging while she cooks.|vlog|2
A police car drives past a crowd.|drive|1
A man dressed in black rides a horse.|ride|1
A woman with long hair tries on a jacket.|try|1
An old man is seen sitting on a bench.|sit|1
The men continue playing drums on stage.|play|1
The girl jumps off the board and lands in the water.|jump|2
A group of people are standing around a table.|stand|1
The camera pans across the crowd.|pan|1
He then lifts the weight over his head.|lift|1
The boy throws the ball, runs and jumps.|throw|3
People are shown riding camels in a desert.|ride|1
After he waxes the board, he walks into the sea.|walk|2
The team celebrates after scoring a goal.|celebrate|1
A lady is speaking to the camera and holding up a product.|speak|1
A dog barks loudly in the distance.|bark|1
Rain falls on a metal roof while thunder rumbles.|fall|2
Birds chirp and a car passes by.|chirp|2
A machine hums before an alarm rings.|hum|2
Someone is typing on a keyboard.|type|1
Water is being poured into a glass.|pour|1
a person walks forward then turns around.|walk|2
a man does a cartwheel.|do|1
the figure raises both arms and lowers them.|raise|2
someone waves with the left hand.|wave|1
a person kneels down and picks something up.|kneel|2
a human jumps twice.|jump|1
The person is cleaning the floor with a mop.|clean|1
"""

# written after the rules, of which they got 27 verbs and 26 counts right; two rules came later
UNSEEN = """
a person grabs a broom and sweeps the floor.|grab|2
the person is wiping a mirror with a cloth.|wipe|1
person starts to snuggle with a blanket.|snuggle|1
person tidying up some clothes.|tidy|1
A woman applies lipstick in front of a mirror.|apply|1
Tourists wait in line at the museum gate.|wait|1
A young chef pours oil into the pan.|pour|1
Three men carry a sofa upstairs.|carry|1
A blogger reviews a new phone at her desk.|review|1
The girl in the green coat feeds ducks.|feed|1
Soldiers are marching through the square.|march|1
He whisks the eggs and adds milk.|whisk|2
She puts the lid on the jar.|put|1
The man picked up a spoon.|pick|1
He drains the pasta, then serves it.|drain|2
She is cutting a lemon in half.|cut|1
A cat meows and a door slams.|meow|2
Wind blows through the trees.|blow|1
A train horn sounds in the distance.|sound|1
An engine starts before a man coughs.|start|2
People cheer while music plays.|cheer|2
A person hops on one leg.|hop|1
a man crouches, then jumps forward.|crouch|2
someone is swinging a golf club.|swing|1
the person bows and walks away.|bow|2
A boy wearing goggles dives into the pool.|dive|1
The athletes stretch before the race begins.|stretch|2
The woman is shown brushing the horse.|brush|1
When the bell rings, the boxers stand up.|stand|1
A man does push-ups on a mat.|do|1
""".strip()


def share_right(lines, rule, column):
    rows = [line.split("|") for line in lines.strip().splitlines()]
    return sum(str(rule(row[0])) == row[column] for row in rows) / len(rows)


def test_main_verbs_of_hand_made_queries():
    assert share_right(HAND_MADE, main_verb, 1) >= 59 / 60
    assert share_right(UNSEEN, main_verb, 1) >= 0.9


def test_numbers_of_events_of_hand_made_queries():
    assert share_right(HAND_MADE, count_events, 2) >= 58 / 60
    assert share_right(UNSEEN, count_events, 2) >= 0.9


def test_numbers_of_events_of_the_shared_captions():
    """26 of 32: motion captions with slips and nested actions are hard for rules."""
    path = SHARED / "events" / "cases.json"
    if not path.exists():
        pytest.skip("the shared captions with events are not beside this checkout")
    cases = json.loads(path.read_text())
    cases = cases if isinstance(cases, list) else cases["cases"]
    right = sum(len(case["events"]) == count_events(case["caption"]) for case in cases)
    assert right >= 26


def test_forms_of_one_verb_are_one_verb():
    for sentence in (
        "a person opens the door",
        "a person opened the door",
        "a person is opening the door",
        "A person begins to open the door.",
        "person opening the door",
    ):
        assert main_verb(sentence) == "open"


def test_a_sentence_without_a_verb_has_none_and_one_event():
    assert main_verb("the red car") == "" and count_events("the red car") == 1
    assert main_verb("") == "" and count_events("") == 1


@given(st.text(max_size=60))
def test_any_text_has_at_least_one_event(text):
    assert count_events(text) >= 1 and isinstance(main_verb(text), str)
