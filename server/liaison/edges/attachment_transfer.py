"""Attachments over HTTP: bodies that are files, in pieces both ways, never whole in memory. (PROTOCOL.md §14)"""

import asyncio
from collections.abc import AsyncIterator
from typing import Final
from urllib.parse import quote

from aiohttp import ClientError, web
from aiohttp.http_exceptions import HttpProcessingError

from liaison.office.actor import Actor
from liaison.office.attachments import Offered
from liaison.office.office import Office
from liaison.protocol.errors import ErrorCode, Refused
from liaison.protocol.frames import Attachment
from liaison.protocol.limits import MIN_UPLOAD_BYTES_PER_S

# Nothing that a browser could make of it may run, load or embed anything, even if it is shown after all; nor stay on a
# desk's computer, so that each look is asked for anew.
_HEADERS: Final = {
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'; sandbox",
    "Cache-Control": "private, no-store",
    "Accept-Ranges": "none",
}


async def take_in(
    request: web.Request, office: Office, actor: Actor, *, channel: str, name: str, patience_s: float
) -> Attachment:
    """Read a request's body as a file for a channel. Raises Refused, Unavailable.

    It may take `patience_s` and as long as a slow line takes for what has come so far, so that a body that trickles in
    holds its place for minutes and not for ever.
    """
    offered = Offered(name, request.content_type, request.content_length)
    began_s = asyncio.get_running_loop().time()
    try:
        async with asyncio.timeout(patience_s) as deadline:

            async def pieces() -> AsyncIterator[bytes]:
                received = 0
                async for piece in request.content.iter_any():
                    received += len(piece)
                    deadline.reschedule(began_s + patience_s + received / MIN_UPLOAD_BYTES_PER_S)
                    yield piece
                # What is left is ours to do.
                deadline.reschedule(None)

            return await office.attachments.upload(actor, channel, offered, pieces())
    except TimeoutError as error:
        raise Refused(ErrorCode.ATTACHMENT_SLOW, "the file came too slowly") from error
    except (ConnectionError, ClientError, HttpProcessingError) as error:
        raise Refused(ErrorCode.ATTACHMENT_INCOMPLETE, "the file did not come as a whole") from error


async def hand_out(office: Office, actor: Actor, channel: str, sha256: str) -> web.Response:
    """Give a file that a channel names, to be saved and never to be shown. Raises Refused, Unavailable."""
    attachment, pieces = await office.attachments.download(actor, channel, sha256)
    kind = attachment.media_type
    headers = {
        **_HEADERS,
        "Content-Type": f"{kind}; charset=utf-8" if kind.startswith("text/") else kind,
        "Content-Length": str(attachment.size_bytes),
        "Content-Disposition": disposition(attachment.name or "attachment"),
    }
    return web.Response(body=pieces, headers=headers)


def disposition(name: str) -> str:
    """Say that a file is to be saved under this name, in any script. (RFC 6266, RFC 8187)"""
    plain = "".join(each if each.isascii() and each.isprintable() and each not in '"\\%' else "_" for each in name)
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='')}"
