"""Names that both ends of the wire share. (PROTOCOL.md §1)"""

from typing import Final

SUBPROTOCOL_MSGPACK: Final = "liaison.v1.msgpack"
SUBPROTOCOL_JSON: Final = "liaison.v1.json"
SUBPROTOCOLS: Final = (SUBPROTOCOL_MSGPACK, SUBPROTOCOL_JSON)

WEBSOCKET_PATH: Final = "/api/v1/socket"
STREAM_PATH: Final = "/api/v1/stream"

# Secret scanners find leaked tokens by this prefix.
TOKEN_PREFIX: Final = "lsn_"
SESSION_COOKIE: Final = "liaison_session"

JOINT: Final = "joint"
DIRECT: Final = "dm"
