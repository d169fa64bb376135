import asyncio
import http
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import msgspec
import pytest
from websockets.asyncio.server import ServerConnection
from websockets.http11 import Response

from liaison.bot import Client, Disconnected, FinalClose, Position, Published, Refused
from liaison.bot.feed import MAX_WAITING
from liaison.bot.harness import VirtualTime
from liaison.protocol import frames
from liaison.protocol.close_codes import CloseCode
from liaison.protocol.duty_frames import Duty
from liaison.protocol.errors import ErrorCode
from liaison.protocol.line_check_frames import LineChecks
from liaison.protocol.names import WEBSOCKET_PATH
from tests.bot.peer import GENERAL, TOKEN, Peer, RecordedTime, channel_info, connected, listening, message
from tests.vectors import duty, line_checks


async def texts(feed: Any, count: int) -> list[str]:
    async with asyncio.timeout(5):
        return [(await anext(feed)).text for _ in range(count)]


def refusing(status: int, **headers: str) -> Any:
    def answer(connection: ServerConnection) -> Response:
        response = connection.respond(http.HTTPStatus(status), "no\n")
        response.headers.update(headers)
        return response

    return answer


# Connecting


async def test_token_goes_into_the_first_frame_and_a_header_but_never_into_the_address() -> None:
    async with listening() as peer:

        async def take_token() -> str:
            return (await (await peer.accept()).welcome()).token

        taking = asyncio.ensure_future(take_token())
        async with Client(peer.url, TOKEN) as client:
            assert await taking == TOKEN
            assert peer.requests[0].path == WEBSOCKET_PATH
            assert peer.requests[0].headers["Authorization"] == f"Bearer {TOKEN}"
            assert TOKEN not in repr(client)


async def test_token_is_in_no_log_however_much_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    async with listening() as peer, connected(peer):
        ours = [record for record in caplog.records if record.name != "websockets.server"]
        assert ours
        assert not any(TOKEN in record.getMessage() for record in ours)


async def test_welcome_says_who_one_is_and_what_one_may_see() -> None:
    async with listening() as peer, connected(peer) as (client, _):
        welcome = client.welcome
        assert (welcome.user, welcome.role, welcome.people["north-bot"].role) == ("south-bot", "bot", "bot")
        assert welcome.channels[GENERAL].title.ko == "공동"
        assert welcome.limits == {"max_text_bytes": 16384}


async def test_refused_token_is_final_and_names_the_reference() -> None:
    async with listening() as peer:

        async def refuse() -> None:
            talk = await peer.accept()
            await talk.refuse(await talk.expect(frames.Connect), ErrorCode.UNAUTHENTICATED, ref="zz99yy88")
            await talk.close(CloseCode.UNAUTHENTICATED)

        refusing = asyncio.ensure_future(refuse())
        with pytest.raises(FinalClose, match="code 4501, reference zz99yy88"):
            async with Client(peer.url, TOKEN):
                pass
        await refusing


@pytest.mark.parametrize("status", [301, 401, 403, 404])
async def test_http_answers_that_will_not_change_are_final(status: int) -> None:
    async with listening() as peer:
        # A redirect is never followed: the token would go to whoever it names.
        peer.answers.append(refusing(status, Location="http://127.0.0.1:9/"))
        with pytest.raises(FinalClose, match=f"HTTP {status}"):
            async with Client(peer.url, TOKEN):
                pass
        assert len(peer.requests) == 1


@pytest.mark.parametrize("status", [429, 502, 503])
async def test_http_answers_that_pass_are_tried_again(status: int) -> None:
    time = RecordedTime()
    async with listening() as peer:
        peer.answers.extend([refusing(status)] * 3)
        async with connected(peer, time):
            assert len(time.slept) == 3


async def test_connect_refused_for_the_moment_is_tried_again_after_the_time_it_names() -> None:
    time = RecordedTime()
    async with listening() as peer:

        async def refuse_then_welcome() -> None:
            talk = await peer.accept()
            await talk.refuse(await talk.expect(frames.Connect), ErrorCode.DRAINING, retry_after_ms=700)
            await peer.welcome()

        serving = asyncio.ensure_future(refuse_then_welcome())
        async with Client(peer.url, TOKEN, time=time):
            await serving
        assert time.slept == [0.7]


@pytest.mark.parametrize(
    "code", [1001, 1011, CloseCode.SERVICE_RESTART, CloseCode.SLOW, CloseCode.UNKNOWN_OUTCOME, 4499]
)
async def test_client_comes_back_after_codes_that_ask_for_it(code: int) -> None:
    async with listening() as peer, connected(peer) as (_, talk):
        await talk.close(code)
        await peer.welcome()


@pytest.mark.parametrize("code", [1000, 1002, 1008, CloseCode.REVOKED, CloseCode.FLOODING, 4999])
async def test_client_stays_away_after_codes_that_forbid_it(code: int) -> None:
    async with listening() as peer, connected(peer) as (client, talk):
        feed = client.follow(GENERAL)
        waiting = asyncio.ensure_future(client.publish(GENERAL, "hi"))
        await talk.expect(frames.Subscribe)
        await talk.close(code, "go")
        with pytest.raises(FinalClose, match="go") as raised:
            await anext(feed)
        assert raised.value.code == code
        for refused in (waiting, client.publish(GENERAL, "hi"), anext(client.follow("joint/other")), client.channels()):
            with pytest.raises(FinalClose):
                await refused
        with pytest.raises(FinalClose):
            await client.until_final()


async def test_client_comes_back_when_the_go_away_said() -> None:
    time = RecordedTime()
    async with listening() as peer, connected(peer, time) as (_, talk):
        time.now_s = 60
        await talk.send(frames.GoAway(CloseCode.SERVICE_RESTART, "restart", 4321))
        await talk.close(CloseCode.SERVICE_RESTART)
        await peer.welcome()
        assert time.slept == [4.321]


async def test_client_does_not_come_back_after_a_go_away_that_says_never() -> None:
    async with listening() as peer, connected(peer) as (client, talk):
        await talk.send(frames.GoAway(CloseCode.SERVICE_RESTART, "office closed", -1))
        await talk.close(CloseCode.SERVICE_RESTART)
        with pytest.raises(FinalClose, match="office closed"):
            await client.until_final()


async def test_server_that_always_hangs_up_is_called_less_and_less_often() -> None:
    time = RecordedTime()
    async with listening() as peer, connected(peer, time) as (_, first):
        talk = first
        for _attempt in range(12):
            await talk.break_off()
            talk = await peer.welcome()
        ceilings = [min(20.0, 0.25 * 2**n) for n in range(12)]
        assert all(0 <= slept <= ceiling for slept, ceiling in zip(time.slept, ceilings, strict=True))
        assert max(time.slept) > 2


async def test_connection_that_lasted_lets_the_back_off_begin_anew() -> None:
    time = RecordedTime()
    async with listening() as peer, connected(peer, time) as (_, first):
        talk = first
        for _attempt in range(12):
            time.now_s += 10
            await talk.break_off()
            talk = await peer.welcome()
        assert max(time.slept) <= 0.25


@pytest.mark.parametrize("payload", [b"\xc1", b"\x01", b"\x80", "{}", b"\x81\xa4type\xa7message"])
async def test_server_that_breaks_the_protocol_is_hung_up_on_and_called_again(payload: bytes | str) -> None:
    async with listening() as peer, connected(peer) as (client, talk):
        await talk.connection.send(payload)
        await peer.welcome()
        assert talk.connection.close_code == CloseCode.PROTOCOL_ERROR
        assert client.welcome.user == "south-bot"


async def test_error_in_the_block_comes_out_as_itself() -> None:
    async with listening() as peer:
        with pytest.raises(KeyError, match="mine"):
            async with connected(peer):
                raise KeyError("mine")


async def test_closing_ends_what_waits() -> None:
    async with listening() as peer:
        async with connected(peer) as (client, talk):
            feed = client.follow(GENERAL)
            waiting = asyncio.ensure_future(client.publish(GENERAL, "hi"))
            await talk.expect(frames.Subscribe)
        with pytest.raises(Disconnected):
            await waiting
        assert [message async for message in feed] == []


@pytest.mark.parametrize(
    "url",
    ["office.example", "ftp://office.example", "wss://", "wss://u:p@office.example", "wss://office.example/?token=x"],
)
def test_address_that_is_none_or_holds_a_secret_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="address"):
        Client(url, TOKEN)


async def test_line_that_went_silent_is_noticed_and_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("liaison.bot.link.PING_INTERVAL_MS", 20)
    monkeypatch.setattr("liaison.bot.link.PONG_TIMEOUT_MS", 20)
    async with listening() as peer, silenceable(peer) as (url, silence):
        serving = asyncio.ensure_future(peer.welcome())
        async with Client(url, TOKEN, time=RecordedTime()):
            await serving
            silence.set()
            await peer.welcome()


@asynccontextmanager
async def silenceable(peer: Peer) -> AsyncIterator[tuple[str, asyncio.Event]]:
    """A relay to the peer whose first line can be made to carry nothing more, as a dead network does."""
    silence = asyncio.Event()
    host, port = peer.url.removeprefix("ws://").split(":")
    lines = 0

    async def carry(source: asyncio.StreamReader, sink: asyncio.StreamWriter, line: int) -> None:
        while data := await source.read(65536):
            if line == 1 and silence.is_set():
                continue
            sink.write(data)
        sink.close()

    async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal lines
        lines += 1
        from_peer, to_peer = await asyncio.open_connection(host, int(port))
        with suppress(ConnectionError):
            await asyncio.gather(carry(reader, to_peer, lines), carry(from_peer, writer, lines))

    server = await asyncio.start_server(relay, "127.0.0.1", 0)
    async with server:
        yield f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}", silence


# Publishing


async def test_publish_gives_the_place_on_the_record() -> None:
    async with listening() as peer, connected(peer) as (client, talk):
        published = asyncio.ensure_future(
            client.publish(GENERAL, "안녕", reply_to=3, mentions=("north-1",), key="my-key")
        )
        command = await talk.published(17)
        assert await published == Published(seq=17, epoch=1, time_ms=17, duplicate=False)
        assert (command.text, command.reply_to, command.mentions, command.key) == ("안녕", 3, ["north-1"], "my-key")


async def test_a_message_that_a_suspended_channel_holds_is_told_as_held() -> None:
    async with listening() as peer, connected(peer) as (client, talk):
        publishing = asyncio.ensure_future(client.publish(GENERAL, "later", precedence="priority"))
        command = await talk.expect(frames.Publish)
        await talk.send(frames.PublishReply(id=command.id, seq=0, epoch=1, time_ms=5, duplicate=False, held=True))
        assert await publishing == Published(seq=0, epoch=1, time_ms=5, duplicate=False, held=True)
        assert command.precedence == "priority"


async def test_every_message_has_a_key_of_its_own() -> None:
    async with listening() as peer, connected(peer) as (client, talk):
        keys = set()
        for seq in (1, 2):
            publishing = asyncio.ensure_future(client.publish(GENERAL, "same"))
            keys.add((await talk.published(seq)).key)
            await publishing
        assert len(keys) == 2


async def test_what_was_not_acknowledged_is_sent_again_in_order_with_the_same_keys() -> None:
    async with listening() as peer, connected(peer) as (client, talk):
        waiting = [asyncio.ensure_future(client.publish(GENERAL, text)) for text in ("one", "two", "three")]
        first = await talk.expect(frames.Publish)
        await talk.break_off()
        again = await peer.welcome()
        # The server had committed it; only the answer was lost.
        repeated = await again.published(1, duplicate=True)
        others = [await again.published(2), await again.published(3)]
        assert (repeated.key, repeated.text) == (first.key, "one")
        assert [command.text for command in others] == ["two", "three"]
        assert [(await place).seq for place in waiting] == [1, 2, 3]
        assert (await waiting[0]).duplicate


async def test_temporary_refusal_is_retried_after_its_time_and_nothing_overtakes() -> None:
    time = RecordedTime()
    async with listening() as peer, connected(peer, time) as (client, talk):
        waiting = [asyncio.ensure_future(client.publish(GENERAL, text)) for text in ("one", "two")]
        refused = await talk.expect(frames.Publish)
        await talk.refuse(refused, ErrorCode.RATE_LIMITED, retry_after_ms=800)
        again = await talk.published(1)
        assert (again.key, again.text) == (refused.key, "one")
        assert (await talk.published(2)).text == "two"
        assert [(await place).seq for place in waiting] == [1, 2]
        assert 0.8 <= time.slept[0] <= 1.0


async def test_message_refused_for_the_moment_rests_while_others_are_published() -> None:
    time = VirtualTime()
    async with listening() as peer, connected(peer, time) as (client, talk):
        waiting = [asyncio.ensure_future(client.publish(GENERAL, "one"))]
        await talk.refuse(await talk.expect(frames.Publish), ErrorCode.RATE_LIMITED, retry_after_ms=800)
        # Once this is answered the refusal before it has been read as well.
        asking = asyncio.ensure_future(client.typing(GENERAL))
        await talk.send(frames.Reply(id=(await talk.expect(frames.Typing)).id))
        await asking
        waiting.append(asyncio.ensure_future(client.publish(GENERAL, "two")))
        asking = asyncio.ensure_future(client.typing(GENERAL))
        await talk.send(frames.Reply(id=(await talk.expect(frames.Typing)).id))
        await asking
        await time.pass_time(2)
        assert [(await talk.published(seq)).text for seq in (1, 2)] == ["one", "two"]
        await asyncio.gather(*waiting)


async def test_channels_do_not_wait_for_each_other() -> None:
    async with listening() as peer, connected(peer) as (client, talk):
        waiting = [asyncio.ensure_future(client.publish(channel, "hi")) for channel in (GENERAL, "joint/other")]
        assert {(await talk.expect(frames.Publish)).channel for _ in waiting} == {GENERAL, "joint/other"}
        await talk.close(CloseCode.REVOKED)
        await asyncio.wait(waiting)
        assert all(isinstance(place.exception(), FinalClose) for place in waiting)


async def test_conflict_comes_to_the_caller_with_its_reference() -> None:
    async with listening() as peer, connected(peer) as (client, talk):
        publishing = asyncio.ensure_future(client.publish(GENERAL, "hi", key="used"))
        await talk.refuse(await talk.expect(frames.Publish), ErrorCode.CONFLICT, ref="qwer1234")
        with pytest.raises(Refused, match=r"conflict 305, reference qwer1234") as raised:
            await publishing
        assert (raised.value.code, raised.value.temporary) == (305, False)


async def test_bug_in_the_server_is_not_retried_for_ever() -> None:
    async with listening() as peer, connected(peer) as (client, talk):
        publishing = asyncio.ensure_future(client.publish(GENERAL, "poison"))
        for _attempt in range(5):
            await talk.refuse(await talk.expect(frames.Publish), ErrorCode.INTERNAL)
        with pytest.raises(Refused, match="internal"):
            await publishing


async def test_unknown_outcome_is_cleared_up_by_sending_again() -> None:
    async with listening() as peer, connected(peer) as (client, talk):
        publishing = asyncio.ensure_future(client.publish(GENERAL, "hi"))
        command = await talk.expect(frames.Publish)
        await talk.refuse(command, ErrorCode.UNKNOWN_OUTCOME)
        await talk.close(CloseCode.UNKNOWN_OUTCOME)
        again = await peer.welcome()
        assert (await again.published(5)).key == command.key
        assert (await publishing).seq == 5


async def test_cancelled_publish_is_not_sent_again() -> None:
    async with listening() as peer, connected(peer) as (client, talk):
        given_up = asyncio.ensure_future(client.publish(GENERAL, "never mind"))
        await talk.expect(frames.Publish)
        given_up.cancel()
        await asyncio.wait([given_up])
        kept = asyncio.ensure_future(client.publish(GENERAL, "this"))
        assert (await talk.expect(frames.Publish)).text == "this"
        await talk.break_off()
        again = await peer.welcome()
        assert (await again.published(1)).text == "this"
        await kept


async def test_corrections_withdrawals_and_reactions_are_keyed_like_messages() -> None:
    async with listening() as peer, connected(peer) as (client, talk):
        for call, kind in (
            (client.correct(GENERAL, 4, "better"), frames.Correct),
            (client.withdraw(GENERAL, 4), frames.Withdraw),
            (client.react(GENERAL, 4, "👍", removed=True), frames.React),
        ):
            doing = asyncio.ensure_future(call)
            command: frames.Correct | frames.Withdraw | frames.React = await talk.expect(kind)
            assert command.seq == 4
            assert len(command.key) >= 16
            await talk.send(frames.PublishReply(id=command.id, seq=9, epoch=1, time_ms=1, duplicate=False))
            assert (await doing).seq == 9


@pytest.mark.parametrize(("text", "name"), [("x" * 70_000, "too_large"), ("lone \ud83d", "invalid")])
async def test_what_can_not_be_a_frame_is_refused_without_harm_to_the_connection(text: str, name: str) -> None:
    async with listening() as peer, connected(peer) as (client, talk):
        with pytest.raises(Refused, match=name):
            await client.publish(GENERAL, text)
        with pytest.raises(Refused, match=name):
            await client.search(text)
        publishing = asyncio.ensure_future(client.publish(GENERAL, "fine"))
        assert (await talk.published(1)).text == "fine"
        await publishing


# Following


async def test_feed_resumes_after_the_last_message_and_gives_each_once() -> None:
    async with listening() as peer, connected(peer) as (client, talk):
        feed = client.follow(GENERAL, after=Position(1, 4))
        command = await talk.subscribed(head=6)
        assert command.position == frames.WirePosition(1, 4)
        for seq in (5, 6, 6, 5):
            await talk.send(message(seq))
        assert await texts(feed, 2) == ["m5", "m6"]
        await talk.break_off()
        again = await peer.welcome()
        assert (await again.subscribed(head=7)).position == frames.WirePosition(1, 6)
        for seq in (6, 7):
            await again.send(message(seq))
        assert await texts(feed, 1) == ["m7"]


async def test_feed_without_a_position_begins_with_the_tail() -> None:
    async with listening() as peer, connected(peer) as (client, talk):
        feed = client.follow(GENERAL, tail=2)
        command = await talk.subscribed(head=10, from_seq=8)
        assert (command.position, command.tail) == (None, 2)
        assert await feed.begun() == Position(1, 8)
        await talk.send(message(9, sender="north-1", mentions=("south-bot",), ref=3))
        entry = await anext(feed)
        assert (entry.position, entry.sender, entry.mentions, entry.ref) == (
            Position(1, 9),
            "north-1",
            ("south-bot",),
            3,
        )


async def test_gap_is_filled_by_subscribing_anew() -> None:
    async with listening() as peer, connected(peer) as (client, talk):
        feed = client.follow(GENERAL)
        await talk.subscribed(head=1)
        await talk.send(message(2))
        await talk.send(message(4))
        await talk.expect(frames.Unsubscribe)
        # Still of the old subscription.
        await talk.send(message(5))
        assert (await talk.subscribed(head=5)).position == frames.WirePosition(1, 2)
        for seq in (3, 4, 5):
            await talk.send(message(seq))
        assert await texts(feed, 4) == ["m2", "m3", "m4", "m5"]


async def test_server_that_has_the_same_gap_again_is_hung_up_on() -> None:
    async with listening() as peer, connected(peer) as (client, talk):
        client.follow(GENERAL)
        await talk.subscribed(head=1)
        await talk.send(message(3))
        await talk.expect(frames.Unsubscribe)
        await talk.subscribed(head=3)
        await talk.send(message(3))
        again = await peer.welcome()
        assert (await again.subscribed()).position == frames.WirePosition(1, 1)


async def test_feed_goes_on_in_the_new_epoch_after_a_reset() -> None:
    async with listening() as peer, connected(peer) as (client, talk):
        feed = client.follow(GENERAL, after=Position(1, 50))
        await talk.subscribed(head=41, epoch=2, from_seq=40)
        await talk.send(frames.Reset(GENERAL, 2, 40))
        await talk.send(message(41, "new", epoch=2))
        entry = await anext(feed)
        assert (entry.text, entry.position) == ("new", Position(2, 41))


async def test_reset_may_come_before_the_reply_or_in_the_middle_of_a_stream() -> None:
    async with listening() as peer, connected(peer) as (client, talk):
        feed = client.follow(GENERAL, after=Position(1, 50))
        command = await talk.expect(frames.Subscribe)
        await talk.send(frames.Reset(GENERAL, 2, 40))
        await talk.send(frames.SubscribeReply(id=command.id, channel=GENERAL, epoch=2, head=41, from_seq=40))
        await talk.send(message(41, epoch=2))
        await talk.send(frames.Reset(GENERAL, 3, 7))
        await talk.send(message(8, epoch=3))
        assert await texts(feed, 2) == ["m41", "m8"]


async def test_what_was_acknowledged_lately_is_offered_again_after_a_restore() -> None:
    async with listening() as peer, connected(peer) as (client, talk):
        keys = []
        for seq in (51, 52):
            publishing = asyncio.ensure_future(client.publish(GENERAL, f"m{seq}", reply_to=50))
            keys.append((await talk.published(seq)).key)
            await publishing
        correcting = asyncio.ensure_future(client.correct(GENERAL, 52, "mended"))
        correction = await talk.expect(frames.Correct)
        await talk.break_off()
        again = await peer.welcome(channel_info(epoch=2, head=40))
        # What was not acknowledged is about seq 52, which may be another message now.
        with pytest.raises(Refused, match="restored"):
            await correcting
        offered = [await again.published(41, epoch=2), await again.published(42, epoch=2)]
        assert [command.key for command in offered] == keys
        assert [command.reply_to for command in offered] == [0, 0]
        assert correction.key not in keys


async def test_types_of_push_that_are_not_known_are_left_to_handlers() -> None:
    async with listening() as peer, connected(peer) as (client, talk):
        seen: list[Any] = []
        client.on_push("notice", seen.append)
        feed = client.follow(GENERAL)
        await talk.subscribed()
        await talk.connection.send(b"\x82\xa4type\xa9telepathy\xa1x\x01")
        await talk.send(frames.Notice("info", "news", frames.Title("새", "new")))
        await talk.send(message(1))
        assert await texts(feed, 1) == ["m1"]
        assert [frame["text"]["en"] for frame in seen] == ["new"]


async def test_handler_of_pushes_that_fails_does_not_end_the_connection(caplog: pytest.LogCaptureFixture) -> None:
    async with listening() as peer, connected(peer) as (client, talk):

        def fail(frame: Any) -> None:
            raise ValueError("mine")

        client.on_push("message", fail)
        feed = client.follow(GENERAL)
        await talk.subscribed()
        await talk.send(message(1))
        assert await texts(feed, 1) == ["m1"]
        assert "handler of message pushes failed" in caplog.text


async def test_channel_that_is_refused_ends_its_feed() -> None:
    async with listening() as peer, connected(peer) as (client, talk):
        feed = client.follow("north/caucus")
        await talk.refuse(await talk.expect(frames.Subscribe), ErrorCode.NO_SUCH_CHANNEL)
        with pytest.raises(Refused, match="no_such_channel"):
            await feed.begun()
        with pytest.raises(Refused, match="no_such_channel"):
            await anext(feed)


async def test_channel_that_is_refused_for_the_moment_is_asked_for_again() -> None:
    async with listening() as peer, connected(peer) as (client, talk):
        feed = client.follow(GENERAL)
        await talk.refuse(await talk.expect(frames.Subscribe), ErrorCode.UNAVAILABLE, retry_after_ms=50)
        await talk.subscribed(head=3)
        assert await feed.begun() == Position(1, 3)


async def test_membership_taken_away_ends_the_feed() -> None:
    async with listening() as peer, connected(peer) as (client, talk):
        feed = client.follow(GENERAL)
        await talk.subscribed()
        await talk.send(message(1))
        await talk.send(frames.ChannelPush("removed", GENERAL))
        assert await texts(feed, 1) == ["m1"]
        with pytest.raises(Refused, match="no longer a member"):
            await anext(feed)


async def test_closed_feed_leaves_the_channel_and_can_be_followed_anew() -> None:
    async with listening() as peer, connected(peer) as (client, talk):
        async with client.follow(GENERAL):
            await talk.subscribed()
            with pytest.raises(ValueError, match="followed already"):
                client.follow(GENERAL)
        await talk.expect(frames.Unsubscribe)
        client.follow(GENERAL)
        await talk.subscribed()


async def test_reader_that_falls_behind_leaves_the_channel_and_catches_up_from_the_log() -> None:
    async with listening() as peer, connected(peer) as (client, talk):
        feed = client.follow(GENERAL)
        await talk.subscribed()
        for seq in range(1, MAX_WAITING + 3):
            await talk.send(message(seq))
        await talk.expect(frames.Unsubscribe)
        # Answers still come while the reader is behind.
        asking = asyncio.ensure_future(client.typing(GENERAL))
        await talk.send(frames.Reply(id=(await talk.expect(frames.Typing)).id))
        await asking
        received = await texts(feed, MAX_WAITING // 2)
        assert (await talk.subscribed()).position == frames.WirePosition(1, MAX_WAITING)
        await talk.send(message(MAX_WAITING + 1))
        received += await texts(feed, MAX_WAITING // 2 + 1)
        assert received == [f"m{seq}" for seq in range(1, MAX_WAITING + 2)]


# Asking


async def test_history_search_channels_and_presence_are_asked_and_read() -> None:
    async with listening() as peer, connected(peer) as (client, talk):
        asking: asyncio.Future[Any] = asyncio.ensure_future(client.history(GENERAL, before=9, limit=2))
        history = await talk.expect(frames.History)
        assert (history.before, history.after, history.limit) == (9, None, 2)
        page = [message(7), message(8)]
        await talk.send(frames.HistoryReply(id=history.id, channel=GENERAL, epoch=1, head=9, messages=page))
        assert [entry.seq for entry in (await asking).messages] == [7, 8]

        asking = asyncio.ensure_future(client.search("로동", channel=GENERAL, before_ms=5))
        search = await talk.expect(frames.Search)
        assert (search.query, search.channel, search.before_ms) == ("로동", GENERAL, 5)
        await talk.send(frames.SearchReply(id=search.id, messages=page, more=True))
        assert (await asking).more

        asking = asyncio.ensure_future(client.channels())
        channels = await talk.expect(frames.Channels)
        await talk.send(frames.ChannelsReply(id=channels.id, channels=[channel_info(head=9)]))
        assert (await asking)[GENERAL].head == 9

        asking = asyncio.ensure_future(client.presence())
        presence = await talk.expect(frames.Presence)
        assert not presence.watch
        sides = [frames.SidePresence("north", "staffed", staffed=True)]
        users = [frames.PresenceUser("south-1", "south", "online", "idle", 2)]
        await talk.send(frames.PresenceReply(id=presence.id, epoch="e", version=3, users=users, sides=sides))
        snapshot = await asking
        assert (snapshot.users[0].availability, snapshot.sides[0].online) == ("idle", None)

        asking = asyncio.ensure_future(client.read(GENERAL, 8))
        read = await talk.expect(frames.Read)
        await talk.send(frames.Reply(id=read.id))
        await asking
        assert read.seq == 8


async def test_question_outlives_a_reconnect_and_a_temporary_refusal() -> None:
    async with listening() as peer, connected(peer) as (client, talk):
        asking = asyncio.ensure_future(client.channels())
        await talk.expect(frames.Channels)
        await talk.break_off()
        again = await peer.welcome()
        await again.refuse(await again.expect(frames.Channels), ErrorCode.BUSY)
        command = await again.expect(frames.Channels)
        await again.send(frames.ChannelsReply(id=command.id, channels=[]))
        assert await asking == {}


async def test_line_checks_are_asked_and_read() -> None:
    replies = [reply for command, reply in line_checks.ANSWERS if command == "line_checks"]
    async with listening() as peer, connected(peer) as (client, talk):
        asking = asyncio.ensure_future(client.line_checks(days=7))
        command = await talk.expect(LineChecks)
        assert command.days == 7
        await talk.send(msgspec.structs.replace(replies[0], id=command.id))
        strip = await asking
        assert [check.outcome for day in strip.days for check in day.checks] == [
            "desk_unstaffed",
            "line_down",
            "",
            "answered",
        ]
        assert (strip.open[0].called_by, strip.next and strip.next.check) == ("south-1", "2018-09-16T09:00")
        asking = asyncio.ensure_future(client.line_checks())
        await talk.send(msgspec.structs.replace(replies[1], id=(await talk.expect(LineChecks)).id))
        assert (await asking).next is None


async def test_duty_is_asked_and_read() -> None:
    replies = [reply for command, reply in duty.ANSWERS if command == "duty"]
    async with listening() as peer, connected(peer) as (client, talk):
        asking = asyncio.ensure_future(client.duty())
        await talk.send(msgspec.structs.replace(replies[0], id=(await talk.expect(Duty)).id))
        desks = await asking
        assert [(side.delegation, side.present, side.here) for side in desks.sides] == [
            ("north", 0, ()),
            ("south", 1, ("south-2",)),
        ]
        asking = asyncio.ensure_future(client.duty())
        await talk.send(msgspec.structs.replace(replies[1], id=(await talk.expect(Duty)).id))
        assert (await asking).is_stale


async def test_question_that_is_refused_raises() -> None:
    async with listening() as peer, connected(peer) as (client, talk):
        asking = asyncio.ensure_future(client.history("north/caucus"))
        await talk.refuse(await talk.expect(frames.History), ErrorCode.NO_SUCH_CHANNEL)
        with pytest.raises(Refused, match="no_such_channel"):
            await asking


async def test_question_without_an_answer_ends_at_its_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("liaison.bot.connection.REQUEST_TIMEOUT_S", 0.05)
    async with listening() as peer, connected(peer) as (client, _talk):
        with pytest.raises(Disconnected, match="no answer to channels"):
            await client.channels()


async def test_server_that_does_not_answer_connect_is_hung_up_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("liaison.bot.connection.CONNECT_TIMEOUT_S", 0.05)
    async with listening() as peer:

        async def keep_silent_then_welcome() -> None:
            await peer.accept()
            await peer.welcome()

        serving = asyncio.ensure_future(keep_silent_then_welcome())
        async with Client(peer.url, TOKEN, time=RecordedTime()):
            await serving
