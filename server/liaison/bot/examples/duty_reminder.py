"""Reminds a channel of the calls at 09:00 and 17:00, ten minutes ahead, and tells on `!next` which comes next.

By custom one side calls first on odd days of the month and the other on even days; LIAISON_ODD_SIDE and
LIAISON_EVEN_SIDE say how to call them. LIAISON_TIME_ZONE is the office's, LIAISON_CHANNEL the channel.
"""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from liaison.bot import Bot, IncomingMessage

CALLS: Final = (time(9), time(17))
AHEAD: Final = timedelta(minutes=10)
# Half of AHEAD would do; this also catches a reminder soon after a restart of the bot.
LOOK_EVERY_S: Final = 20.0


@dataclass(frozen=True, slots=True)
class Roster:
    """When the calls are, and who calls first on which days."""

    odd_days: str
    even_days: str
    zone: ZoneInfo

    def next_call(self, now: datetime) -> datetime:
        """Give the first call that is not before `now`."""
        here = now.astimezone(self.zone)
        days = (here.date(), here.date() + timedelta(days=1))
        return next(at for day in days for call in CALLS if (at := datetime.combine(day, call, self.zone)) >= here)

    def describe(self, call: datetime) -> str:
        caller = self.odd_days if call.day % 2 else self.even_days
        return f"{call:%m/%d %H:%M} 정시 통화: {caller} 먼저 · Call at {call:%H:%M}: {caller} calls first"


def build(bot: Bot, channel: str, roster: Roster, now: Callable[[], datetime]) -> Bot:
    """Give the bot its timer and its command; `now` gives an aware time."""

    @bot.every(LOOK_EVERY_S)
    async def remind() -> None:
        call = roster.next_call(now())
        if call - now() <= AHEAD:
            # One key per call: looked at every 20 seconds, said once, also by a bot that was restarted meanwhile.
            await bot.say(channel, roster.describe(call), key=f"call-{call:%Y%m%dT%H%M}")

    @bot.command("!next", channel)
    async def tell_next(message: IncomingMessage, _arguments: str) -> None:
        await message.reply(roster.describe(roster.next_call(now())))

    return bot


def roster_from(environment: Mapping[str, str]) -> Roster:
    """Take the roster from environment variables."""
    zone = ZoneInfo(environment.get("LIAISON_TIME_ZONE", "Asia/Seoul"))
    odd_days = environment.get("LIAISON_ODD_SIDE", "남측 South side")
    return Roster(odd_days, environment.get("LIAISON_EVEN_SIDE", "북측 North side"), zone)


if __name__ == "__main__":
    roster = roster_from(os.environ)
    build(
        Bot.from_env(),
        os.environ.get("LIAISON_CHANNEL", "joint/general"),
        roster,
        lambda: datetime.now(roster.zone),
    ).run()
