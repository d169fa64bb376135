from liaison.bot.outbox import REMEMBER_S, Item, Outbox, Stage


def item(text: str, *, command: str = "publish", channel: str = "joint/general", epoch: int = 1) -> Item:
    return Item(command, channel, {"channel": channel, "key": text, "text": text}, epoch)


def texts(items: list[Item]) -> list[str]:
    return [found.fields["text"] for found in items]


def test_one_item_of_a_channel_is_under_way_and_the_next_follows_its_answer() -> None:
    outbox = Outbox()
    one, two, elsewhere = item("one"), item("two"), item("elsewhere", channel="joint/other")
    for each in (one, two, elsewhere):
        outbox.add(each)
    assert outbox.take_ready() == [one, elsewhere]
    assert outbox.take_ready() == []
    outbox.remove(one)
    assert outbox.take_ready() == [two]


def test_rewind_sends_again_what_had_no_answer_but_lets_rest_what_was_refused_for_the_moment() -> None:
    outbox = Outbox()
    sent, resting = item("sent"), item("resting", channel="joint/other")
    outbox.add(sent)
    outbox.add(resting)
    outbox.take_ready()
    resting.stage = Stage.RESTING
    outbox.rewind()
    assert outbox.take_ready() == [sent]


def test_new_epoch_offers_again_what_was_acknowledged_lately_before_what_waits() -> None:
    outbox = Outbox()
    for at_s, text in ((0.0, "long ago"), (REMEMBER_S, "lately"), (REMEMBER_S + 1, "just now")):
        outbox.remember(item(text), at_s)
    outbox.add(item("waiting"))
    assert outbox.start_epoch("joint/general", 2, now_s=REMEMBER_S + 2) == []
    assert texts(outbox.clear()) == ["lately", "just now", "waiting"]


def test_item_under_way_stays_first_in_a_new_epoch() -> None:
    outbox = Outbox()
    outbox.remember(item("acknowledged"), 0)
    outbox.add(item("under way"))
    outbox.take_ready()
    outbox.start_epoch("joint/general", 2, now_s=1)
    assert texts(outbox.clear()) == ["under way", "acknowledged"]


def test_what_is_about_a_seq_of_an_older_epoch_is_void() -> None:
    outbox = Outbox()
    void, fresh, plain = item("old", command="correct"), item("new", command="correct", epoch=2), item("plain")
    for each in (void, fresh, plain):
        outbox.add(each)
    assert outbox.start_epoch("joint/general", 2, now_s=0) == [void]
    assert outbox.clear() == [fresh, plain]


def test_what_was_acknowledged_in_the_new_epoch_is_not_offered_again() -> None:
    outbox = Outbox()
    outbox.remember(item("already there", epoch=2), 0)
    outbox.start_epoch("joint/general", 2, now_s=1)
    assert outbox.clear() == []


def test_removing_what_is_not_there_is_nothing() -> None:
    Outbox().remove(item("never added"))
