from liaison.core.identifiers import DelegationId, UserId
from liaison.core.rights import Account, Role
from liaison.office.watching import Watchers
from liaison.protocol.codec import WireFormat, finished_frame
from liaison.protocol.frames import TypingPush

KIM = Account(UserId("kim"), "김", DelegationId("south"), Role.OFFICIAL)
PUSH = TypingPush("joint/general", "kim")


class Screen:
    def __init__(self, watchers: Watchers, wire: WireFormat) -> None:
        self.account = KIM
        self.wire = wire
        self.got: list[bytes] = []
        self.is_broken = False
        self._watchers = watchers
        watchers.add(self)

    def send(self, frames: bytes, /) -> None:
        if self.is_broken:
            # What a session does whose socket turns out to be gone.
            self._watchers.discard(self)
            return
        self.got.append(frames)


def test_each_watcher_gets_the_push_in_its_format() -> None:
    watchers = Watchers(lambda account: True)
    screens = [Screen(watchers, wire) for wire in WireFormat]
    assert watchers.push(PUSH) == []
    for screen in screens:
        assert screen.got == [finished_frame(PUSH, screen.wire)]


def test_watcher_that_ends_while_it_is_sent_to_disturbs_no_other() -> None:
    watchers = Watchers(lambda account: True)
    screens = [Screen(watchers, WireFormat.JSON) for _ in range(3)]
    screens[0].is_broken = True
    watchers.push(PUSH)
    assert [len(screen.got) for screen in screens] == [0, 1, 1]
    assert len(watchers) == 2


def test_watcher_is_added_once_however_often() -> None:
    watchers = Watchers(lambda account: True)
    screen = Screen(watchers, WireFormat.JSON)
    watchers.add(screen)
    watchers.push(PUSH)
    assert len(screen.got) == 1
    watchers.discard(screen)
    watchers.discard(screen)
    assert len(watchers) == 0


def test_who_is_no_longer_admitted_is_given_back_and_sent_nothing() -> None:
    watchers = Watchers(lambda account: account.active)
    stays, goes = (Screen(watchers, WireFormat.JSON) for _ in range(2))
    goes.account = Account(KIM.user, KIM.name, KIM.delegation, KIM.role, active=False)
    assert watchers.push(PUSH) == [goes]
    assert (len(stays.got), goes.got) == (1, [])
    assert watchers.push(PUSH) == []
