"""Co-signs channels once a day for its side, with a key in a file; `liaison key create` makes one, a head registers it.

LIAISON_KEY_FILE is the key's file, LIAISON_HEADS_FILE where signed heads are kept (both outside the server's reach),
LIAISON_CHANNELS the channels, separated by blanks, LIAISON_SIGN_AT the hour of the day in LIAISON_TIME_ZONE.
"""

import logging
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo

from liaison.bot import Bot
from liaison.bot.errors import BotError
from liaison.bot.notary import Forked, HeadBook, Notary
from liaison.bot.signing import SigningKey

_log = logging.getLogger(__name__)

# A minute late is early enough for a day's signature.
LOOK_EVERY_S: Final = 60.0


@dataclass(frozen=True, slots=True)
class Rota:
    """Which channels are signed, and from which hour of the day on."""

    channels: Sequence[str]
    hour: int
    zone: ZoneInfo


def build(bot: Bot, key: SigningKey, book: HeadBook, rota: Rota, now: Callable[[], datetime]) -> Bot:
    """Give the bot its timer; `now` gives an aware time."""
    done: dict[str, date] = {}

    @bot.every(LOOK_EVERY_S)
    async def co_sign() -> None:
        here = now().astimezone(rota.zone)
        if here.hour < rota.hour:
            return
        notary = Notary(bot.client, key, book, lambda: int(now().timestamp() * 1000))
        for channel in rota.channels:
            if done.get(channel) == here.date():
                continue
            try:
                head = await notary.sign(channel)
            except Forked as fork:
                # Said again each minute, until somebody looks: `liaison sign --accept-fork`.
                _log.error("FORK, nothing was signed: %s", fork)
                continue
            except BotError as error:
                _log.warning("%s could not be signed and is tried again: %s", channel, error)
                continue
            done[channel] = here.date()
            _log.info("%s: %s", channel, "nothing new to sign" if head is None else f"signed up to {head.seq}")

    return bot


def rota_from(environment: Mapping[str, str]) -> Rota:
    """Take the rota from environment variables."""
    return Rota(
        environment.get("LIAISON_CHANNELS", "joint/general").split(),
        int(environment.get("LIAISON_SIGN_AT", "18")),
        ZoneInfo(environment.get("LIAISON_TIME_ZONE", "Asia/Seoul")),
    )


if __name__ == "__main__":
    rota = rota_from(os.environ)
    build(
        Bot.from_env(),
        SigningKey.load(Path(os.environ["LIAISON_KEY_FILE"])),
        HeadBook(Path(os.environ["LIAISON_HEADS_FILE"])),
        rota,
        lambda: datetime.now(rota.zone),
    ).run()
