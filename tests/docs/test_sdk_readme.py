"""What the README of the JavaScript SDK shows is run by Node as it stands there, against a real server."""

import json
import subprocess
import urllib.request
from collections.abc import Iterator, Mapping
from http.cookiejar import CookieJar

import pytest

from deploy.build_client import alone_in, find_node, install_packages
from tests.docs.markdown import ROOT, document, javascript_blocks
from tests.live_server import LiveServer

SDK = ROOT / "client_js/src/sdk"
PATIENCE_S = 20

pytestmark = pytest.mark.system

# What a browser has and Node has not, and a line that can be broken. Loopback has no certificate: `wss` becomes `ws`.
BROWSER = """
import "fake-indexeddb/auto";
import { WebSocket as NodeSocket } from "ws";
import { msgpack } from "./msgpack_wire.js";

const { LIAISON_HOST, LIAISON_COOKIE: Cookie } = process.env;
const location = { host: LIAISON_HOST };
const browserOnline = undefined;
const shown = [];
const draw = ({ items }) => shown.push(items.map(({ text }) => text));
const lines = [];
class WebSocket extends NodeSocket {
  constructor(url, protocols) {
    super(url.replace("wss:", "ws:"), protocols, { headers: { Cookie }, origin: `http://${LIAISON_HOST}` });
    lines.push(this);
  }
}
"""

# The line breaks with a message in the outbox, which goes out on the next one and is drawn there.
BREAK = """
lines.at(-1).terminate();
const later = await client.settled(client.publish("joint/general", { text: "다시 이어졌습니다" }));
await presence.stats();
console.log(later.state, lines.length, shown.at(-1).join());
client.forget();
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    client = ROOT / "client_js"
    with alone_in(client):
        install_packages(client, find_node())
    with LiveServer(tmp_path_factory.mktemp("office") / "data") as running:
        yield running


def said_by(program: str, environment: Mapping[str, str]) -> list[str]:
    """Run a module as if it stood beside the SDK's, and give the lines that it wrote; it has to end by itself."""
    node = find_node()
    done = subprocess.run(
        [*node.node, "--input-type=module"],
        input=program,
        cwd=SDK,
        env={**node.environment, **environment},
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return done.stdout.splitlines()


def cookie_of(server: LiveServer, user: str) -> str:
    cookies = CookieJar()
    opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(cookies), urllib.request.ProxyHandler({}))
    body = json.dumps({"user": user, "password": server.password_of(user)}).encode()
    headers = {"Origin": server.url, "Content-Type": "application/json"}
    with opener.open(urllib.request.Request(f"{server.url}/api/v1/login", body, headers), timeout=PATIENCE_S):
        pass
    return "; ".join(f"{cookie.name}={cookie.value}" for cookie in cookies)


def test_examples_of_the_javascript_sdk_run_as_they_stand(server: LiveServer) -> None:
    in_a_browser, in_node, *asking = javascript_blocks(document(str((SDK / "README.md").relative_to(ROOT))))
    token = server.token("node-bot", "south", ["joint/general"])
    assert said_by(in_node, {"LIAISON_URL": server.url, "LIAISON_TOKEN": token}) == ["acknowledged 1"]

    program = "\n".join([BROWSER, in_a_browser, *asking, BREAK])
    environment = {"LIAISON_HOST": f"{server.host}:{server.port}", "LIAISON_COOKIE": cookie_of(server, "south-1")}
    said = said_by(program, environment)
    assert said[0] == "acknowledged 1 1"
    assert "online" in said
    assert "draft 1" in said
    assert "acknowledged 2 수위가 오릅니다,안녕하십니까,다시 이어졌습니다" in said
