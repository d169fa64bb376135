"""Every bound of the wire, with the reason for its size. (PROTOCOL.md §9)

Sizes in bytes are of UTF-8; a `_chars` bound counts code points and is what the decoder checks first.
"""

from typing import Final

# The longest message is 16 KiB of text; the rest leaves room for escapes in JSON and bounds what a hostile peer can
# make us allocate (1 MiB of empty arrays decodes into 67 MB).
MAX_FRAME_BYTES: Final = 64 * 1024
# Before anybody has said who they are, the longest honest frame is `connect` with a token.
MAX_UNAUTHENTICATED_FRAME_BYTES: Final = 4 * 1024
# A page of Korean text with a signature block; longer documents are attachments.
MAX_TEXT_BYTES: Final = 16 * 1024
MAX_KEY_CHARS: Final = 64
MAX_CHANNEL_CHARS: Final = 160
MAX_USER_CHARS: Final = 32
MAX_REACTION_CHARS: Final = 16
MAX_QUERY_CHARS: Final = 128
MAX_TOKEN_CHARS: Final = 256
MAX_CLIENT_CHARS: Final = 64
# The name of a session, as the table of sessions tells it.
MAX_SESSION_CHARS: Final = 32
# A sentence for the audit log.
MAX_REASON_CHARS: Final = 200
# "Duty room, second desk", in either script.
MAX_KEY_LABEL_CHARS: Final = 64
# A century: longer is for ever, which is 0.
MAX_RETENTION_DAYS: Final = 36_525
MAX_MENTIONS: Final = 32
MAX_DIRECT_MEMBERS: Final = 8
# One page of history at 16 KiB a message would pass any frame limit a client sets, so pages are also cut by bytes.
MAX_PAGE_MESSAGES: Final = 200
MAX_PAGE_BYTES: Final = 512 * 1024
DEFAULT_PAGE_MESSAGES: Final = 50
MAX_TAIL_MESSAGES: Final = 100
# Sixteen hexadecimal digits, or a delegation's id with year and number.
MAX_DISPATCH_NAME_CHARS: Final = 32
# A subject, a signatory with office and title, one item: what fits a line of a printed dispatch or two.
MAX_DISPATCH_LINE_CHARS: Final = 200
MAX_DISPATCH_NOTE_CHARS: Final = 1000
MAX_DISPATCH_ITEMS: Final = 32
# A day and a time, or `request-` and sixteen hexadecimal digits.
MAX_LINE_CHECK_NAME_CHARS: Final = 32
# A month and a day, so that any day of the month is in it.
MAX_LINE_CHECK_DAYS: Final = 31
DEFAULT_LINE_CHECK_DAYS: Final = 30
# Two hundred shifts as a calendar writes them would be more than a frame holds: what is longer comes as CSV.
MAX_ROSTER_CHARS: Final = 20_000
MAX_ROSTER_DAYS: Final = 35
DEFAULT_ROSTER_DAYS: Final = 14
MAX_HANDOVER_NAME_CHARS: Final = 16
MAX_HANDOVER_NOTES: Final = 32
MAX_HANDOVER_NOTE_CHARS: Final = 200
# Of one message or dispatch: what fits one publish besides its text, and a list that is still looked through.
MAX_ATTACHMENTS: Final = 8
# File systems take 255 bytes; what programs put behind a name that is there already needs some.
MAX_ATTACHMENT_NAME_BYTES: Final = 200
# The longest that is allowed has 73.
MAX_MEDIA_TYPE_CHARS: Final = 100
# 2**53 - 1: the largest integer that JavaScript holds exactly.
MAX_SAFE_INTEGER: Final = 9_007_199_254_740_991

MAX_SUBSCRIPTIONS_PER_SESSION: Final = 256
MAX_SESSIONS_PER_USER: Final = 20
# Reads and joins that wait for storage; the publish queue has its own bound.
MAX_COMMANDS_IN_FLIGHT: Final = 16
MAX_PUBLISHES_IN_FLIGHT: Final = 256
# Of one user in one channel at a node, over all their sessions and requests: seconds of what the log can take.
MAX_PUBLISHES_QUEUED: Final = 4096
CONNECTS_PER_ADDRESS_PER_S: Final = 20
COMMANDS_PER_SESSION_PER_S: Final = 200
COMMANDS_PER_SESSION_BURST: Final = 400

HANDSHAKE_TIMEOUT_MS: Final = 10_000
AUTHENTICATION_TIMEOUT_MS: Final = 5_000
PING_INTERVAL_MS: Final = 15_000
PONG_TIMEOUT_MS: Final = 10_000
# A socket that took nothing for this long is closed as `slow`; the client resumes from the log.
SLOW_TIMEOUT_MS: Final = 30_000
TYPING_TTL_MS: Final = 6_000

# One append: at most this much waits in one transaction, so that a commit stays short.
MAX_BATCH_MESSAGES: Final = 100
MAX_BATCH_BYTES: Final = 256 * 1024

# Of one user at a node: each holds a quarter of a megabyte and a file that is being written.
MAX_UPLOADS_IN_FLIGHT: Final = 4
# Slower than any line in an office: 10 MiB then take five minutes and not hours.
MIN_UPLOAD_BYTES_PER_S: Final = 32 * 1024
