"""The bot SDK: what a program needs to take part in an office, on websockets and msgpack alone. See README.md here."""

from liaison.bot.bot import Bot, IncomingMessage
from liaison.bot.client import Client
from liaison.bot.cursor import BrokenCursorError, Position
from liaison.bot.errors import BotError, Disconnected, FinalClose, MalformedFrame, Refused
from liaison.bot.feed import Feed
from liaison.bot.loop_breaker import LoopBreaker
from liaison.bot.messages import Attachment, Channel, Found, History, Message, Person, Presence, Published

__all__ = [
    "Attachment",
    "Bot",
    "BotError",
    "BrokenCursorError",
    "Channel",
    "Client",
    "Disconnected",
    "Feed",
    "FinalClose",
    "Found",
    "History",
    "IncomingMessage",
    "LoopBreaker",
    "MalformedFrame",
    "Message",
    "Person",
    "Position",
    "Presence",
    "Published",
    "Refused",
]
