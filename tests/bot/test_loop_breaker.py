from liaison.bot import LoopBreaker

CHANNEL = "joint/general"


def test_so_many_replies_in_a_row_pass_and_then_a_person_must_speak() -> None:
    breaker = LoopBreaker(max_in_a_row=3, max_per_minute=100)
    assert [breaker.objection(CHANNEL, now) for now in (0, 1, 2)] == ["", "", ""]
    assert "3 replies in a row" in breaker.objection(CHANNEL, 3)
    # Waiting does not help: a slow loop is a loop too.
    assert "3 replies in a row" in breaker.objection(CHANNEL, 1e6)
    breaker.person_spoke(CHANNEL)
    assert breaker.objection(CHANNEL, 1e6) == ""


def test_so_many_replies_a_minute_pass_even_among_people() -> None:
    breaker = LoopBreaker(max_in_a_row=3, max_per_minute=5)
    allowed = []
    for now in range(65):
        breaker.person_spoke(CHANNEL)
        if not breaker.objection(CHANNEL, now):
            allowed.append(now)
    assert allowed == [0, 1, 2, 3, 4, 60, 61, 62, 63, 64]


def test_channels_are_counted_apart() -> None:
    breaker = LoopBreaker(max_in_a_row=1)
    assert breaker.objection(CHANNEL, 0) == ""
    assert breaker.objection("joint/other", 0) == ""
    breaker.person_spoke("joint/other")
    assert breaker.objection(CHANNEL, 0) != ""


def test_what_was_held_back_is_not_counted() -> None:
    breaker = LoopBreaker(max_in_a_row=100, max_per_minute=1)
    assert breaker.objection(CHANNEL, 0) == ""
    assert breaker.objection(CHANNEL, 30) != ""
    assert breaker.objection(CHANNEL, 60) == ""
