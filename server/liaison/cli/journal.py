"""Sets up what the server writes about itself: to stderr, one event a line, never a secret."""

import logging
import re
import sys
from typing import Final

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from liaison.config import LogSection
from liaison.protocol.names import TOKEN_PREFIX

_SECRET_NAMES: Final = re.compile(r"token|password|secret|cookie|authorization", re.IGNORECASE)
_TOKEN: Final = re.compile(rf"{TOKEN_PREFIX}[A-Za-z0-9_-]{{8,}}")
_MASK: Final = "***"


def mask_secrets(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Take out what is named like a secret, and tokens wherever they stand in a text. A structlog processor."""
    for name, value in event.items():
        if name != "event" and _SECRET_NAMES.search(name):
            event[name] = _MASK
        elif isinstance(value, str):
            event[name] = _TOKEN.sub(_MASK, value)
    return event


def set_up_journal(settings: LogSection) -> None:
    """Send structlog's and the standard library's events to stderr in the configured form."""
    as_json = settings.format == "json" or (settings.format == "auto" and not sys.stderr.isatty())
    before: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    # Tracebacks become text before the mask, so that a token in one is masked as well.
    render: list[Processor] = (
        [structlog.processors.format_exc_info, mask_secrets, structlog.processors.JSONRenderer(ensure_ascii=False)]
        if as_json
        else [structlog.processors.format_exc_info, mask_secrets, structlog.dev.ConsoleRenderer()]
    )
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *before,
            structlog.stdlib.PositionalArgumentsFormatter(),
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler()
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=before,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *render],
        )
    )
    logging.basicConfig(level=settings.level.upper(), handlers=[handler], force=True)
    # They tell of each step of a connection or migration, which is ours to tell.
    for name in ("asyncio", "alembic", "aiohttp"):
        logging.getLogger(name).setLevel(max(logging.WARNING, logging.getLogger().level))
