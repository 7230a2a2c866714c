"""Whether a mark would last is asked of a mark that is there, and only for the worse."""

from sdk import Detection, Presence
from sdk.endurance import examined


class Reads:
    """A detector that answers both questions as it is told."""

    def __init__(self, found, weak=False):
        self.found, self.weak = found, weak

    def detect(self, pixels):
        return self.found

    def is_weak(self, pixels, found):
        assert found is self.found
        return self.weak


def found(presence=Presence.PRESENT, weak=False):
    return Detection(presence=presence, payload=b"1", weak=weak)


def test_a_mark_that_would_not_last_is_weak():
    assert examined(Reads(found(), weak=True), None).weak is True
    assert examined(Reads(found(), weak=False), None).weak is False


def test_what_the_detector_itself_calls_weak_stays_weak():
    assert examined(Reads(found(weak=True), weak=False), None).weak is True


def test_a_mark_that_is_not_there_is_not_worn_out():
    for presence in (Presence.ABSENT, Presence.INCONCLUSIVE):
        seen = found(presence)
        assert examined(Reads(seen, weak=True), None) is seen


def test_an_answer_that_is_none_is_handed_on_for_the_caller_to_refuse():
    assert examined(Reads("present"), None) == "present"
    assert examined(Reads(found(), weak="perhaps"), None).weak == "perhaps"
