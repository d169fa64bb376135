"""Answers `!echo words` with the words. LIAISON_CHANNEL names another channel than joint/general."""

import os

from liaison.bot import Bot, IncomingMessage


def build(bot: Bot, channel: str) -> Bot:
    """Give the bot its one handler."""

    @bot.command("!echo", channel)
    async def echo(message: IncomingMessage, words: str) -> None:
        if words:
            await message.reply(words)

    return bot


if __name__ == "__main__":
    build(Bot.from_env(), os.environ.get("LIAISON_CHANNEL", "joint/general")).run()
