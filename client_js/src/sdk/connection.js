/**
 * One line to the server and its life: opening, signing in, commands with deadlines, noticing that it died, coming back.
 *
 * It knows no channel and no message: pushes are handed on as they came. Nothing is ever thrown into the socket.
 */
import { fullJitterMs } from "./backoff.js";
import { CLOSE_CODES, CommandError, isFinal, localError, mayReconnect } from "./codes.js";
import { pushes, readError, replies } from "./frames.js";
import { decodeFrame, encodeCommand, json } from "./wire.js";

/** From the first byte of the handshake to the answer to `connect`. */
const CONNECT_DEADLINE_MS = 15_000;
const COMMAND_DEADLINE_MS = 15_000;
// Browsers don't show the server's pings to us. 15 s of silence, then 10 s for the answer to a ping of our own: a line
// that died without a word is noticed within 25 s.
const SILENCE_MS = 15_000;
const PONG_DEADLINE_MS = 10_000;
// A line that lasted this long was a good one: the next break starts with short waits again. A server that accepts and
// drops us at once must not be asked twice a second.
const GOOD_LINE_MS = 10_000;
// "No network" is a guess of the device, wrong with VPNs and on loopback, so even then an attempt is made now and then.
const OFFLINE_RETRY_MS = 30_000;
const NORMAL_CLOSURE = 1000;
/** How a server answers that has nothing at the path of this version, or other sockets there. */
const OTHER_VERSION_STATUS = new Set([404, 410, 426]);
/** Refusals of `connect` that say no more of us than that we speak another version. */
const NOT_UNDERSTOOD = new Set(["malformed", "unknown_command", "invalid"]);

/** @typedef {import("./wire.js").Frame} Frame */
/** @typedef {import("./wire.js").Wire} Wire */
/** What the given setTimeout gives. @typedef {any} TimerId */

/**
 * What the SDK uses of a WebSocket; the one of browsers and the one of `ws` have it.
 * @typedef {object} Socket
 * @property {string} binaryType
 * @property {string} protocol
 * @property {((event: any) => void) | null} onopen
 * @property {((event: any) => void) | null} onmessage
 * @property {((event: any) => void) | null} onclose
 * @property {((event: any) => void) | null} onerror
 * @property {(data: any) => void} send
 * @property {(code?: number) => void} close
 */

/** @typedef {{isOnline(): boolean, onChange(listener: () => void): () => void}} OnlineSignal */

/**
 * @typedef {object} Environment
 * @property {string} url
 * @property {new (url: string, protocols: string[]) => Socket} WebSocket
 * @property {{setTimeout(fn: () => void, ms: number): any, clearTimeout(id: any): void}} timers
 * @property {() => number} now milliseconds
 * @property {() => number} random 0 ≤ x < 1
 * @property {OnlineSignal} [online]
 * @property {(url: string) => Promise<{status: number, headers: {get(name: string): string | null}}>} [fetch] asks why a
 *   handshake failed, which a socket doesn't tell
 * @property {string} [token]
 * @property {Wire} [wire] `json` where none is given
 * @property {string} [client]
 * @property {string} [device]
 */

/** @typedef {{code: number | undefined, name: string, message: string, ref: string}} Reason */

/**
 * @typedef {{name: "idle"}
 *   | {name: "connecting", attempt: number}
 *   | {name: "connected", sinceMs: number}
 *   | {name: "waiting", attempt: number, retryAtMs: number, reason: Reason}
 *   | {name: "offline", attempt: number, retryAtMs: number, reason: Reason}
 *   | {name: "stopped", reason: Reason}} ConnectionState
 */

/**
 * @typedef {object} Handlers
 * @property {(state: ConnectionState) => void} onState
 * @property {(reply: import("./frames.js").ConnectReply) => void} onConnected commands may be sent from within
 * @property {() => void} onLost the line was up and is gone; every command has been rejected
 * @property {(frame: Frame) => void} onPush
 * @property {(error: unknown) => void} onUnreadable something arrived that is no frame: a push may be lost
 * @property {(where: string, error: unknown) => void} onError diagnosis
 */

/**
 * @typedef {object} Waiting
 * @property {(frame: Frame) => void} resolve
 * @property {(error: CommandError) => void} reject
 * @property {TimerId} timer
 */

export class Connection {
  /** @type {Environment} */
  #env;
  /** @type {Handlers} */
  #handlers;
  /** @type {Wire} */
  #wire;
  /** @type {ConnectionState} */
  #state = { name: "idle" };
  /** @type {Socket | undefined} */
  #socket;
  #attempt = 0;
  #nextId = 1;
  /** @type {Map<number, Waiting>} */
  #waiting = new Map();
  #lastHeardMs = 0;
  #probing = false;
  /** @type {{reconnectAfterMs: number, atMs: number, reason: Reason} | undefined} */
  #goAway;
  /** What the server said before it closed. @type {CommandError | undefined} */
  #refusal;
  /** Next attempt, or the deadline of the present one. @type {TimerId | undefined} */
  #attemptTimer;
  /** @type {TimerId | undefined} */
  #watchTimer;
  /** @type {TimerId | undefined} */
  #moveTimer;
  /** @type {(() => void) | undefined} */
  #stopListening;

  /** @param {Environment} env @param {Handlers} handlers */
  constructor(env, handlers) {
    this.#env = env;
    this.#handlers = handlers;
    this.#wire = env.wire ?? json;
  }

  get state() {
    return this.#state;
  }

  get isConnected() {
    return this.#state.name === "connected" && this.#socket !== undefined;
  }

  /** When anything last arrived, 0 for never. */
  get lastHeardMs() {
    return this.#lastHeardMs;
  }

  /** Begin; does nothing while it is running. */
  start() {
    if (this.#state.name !== "idle" && this.#state.name !== "stopped") return;
    this.#stopListening ??= this.#env.online?.onChange(() => this.#guard("online", () => this.#onOnlineChange()));
    this.#attempt = 0;
    this.#open();
  }

  /** End for good; `start()` begins anew. */
  stop() {
    this.#end({ name: "idle" });
  }

  /** Cut the wait for the next attempt short; does nothing in other states. */
  retryNow() {
    if (this.#state.name === "waiting" || this.#state.name === "offline") this.#open();
  }

  /**
   * Send a command; the promise gives the reply's frame.
   * @param {string} type
   * @param {Readonly<Record<string, unknown>>} [fields]
   * @returns {Promise<Frame>} rejects with a CommandError only
   */
  command(type, fields = {}) {
    if (!this.isConnected) return Promise.reject(localError("disconnected", "there is no line to the server"));
    return this.#send(type, fields, COMMAND_DEADLINE_MS);
  }

  /**
   * @param {string} type
   * @param {Readonly<Record<string, unknown>>} fields
   * @param {number} deadlineMs
   * @returns {Promise<Frame>}
   */
  #send(type, fields, deadlineMs) {
    const socket = this.#socket;
    const id = this.#nextId++;
    return new Promise((resolve, reject) => {
      const timer = this.#env.timers.setTimeout(() => {
        this.#waiting.delete(id);
        reject(localError("timeout", `no answer to ${type} in ${deadlineMs} ms`));
      }, deadlineMs);
      this.#waiting.set(id, { resolve, reject, timer });
      try {
        socket?.send(encodeCommand({ ...fields, type, id }, this.#wire));
      } catch (error) {
        // The socket is closing: its close event rejects this command with all others.
        this.#handlers.onError("send", error);
      }
    });
  }

  #open() {
    this.#clearTimers();
    this.#goAway = undefined;
    this.#refusal = undefined;
    this.#setState({ name: "connecting", attempt: this.#attempt });
    // A listener may have stopped us.
    if (this.#state.name !== "connecting") return;
    /** @type {Socket} */
    let socket;
    try {
      socket = new this.#env.WebSocket(this.#env.url, [this.#wire.subprotocol]);
    } catch (error) {
      this.#handlers.onError("connect", error);
      this.#retryLater(ownReason("connect_failed", String(error)));
      return;
    }
    this.#socket = socket;
    socket.binaryType = "arraybuffer";
    socket.onopen = () => this.#fromSocket(socket, "open", () => this.#signIn());
    socket.onmessage = (event) => this.#fromSocket(socket, "message", () => this.#onMessage(event.data));
    socket.onclose = (event) => this.#fromSocket(socket, "close", () => this.#onClose(event.code));
    // A close event follows and tells more. The handler stays for ever: `ws` throws errors that nobody listens to.
    socket.onerror = () => {};
    this.#attemptTimer = this.#env.timers.setTimeout(
      () => this.#guard("connect", () => this.#abandon(ownReason("connect_failed", "no answer in time"))),
      CONNECT_DEADLINE_MS,
    );
  }

  /** @param {Socket} socket @param {string} where @param {() => void} handle */
  #fromSocket(socket, where, handle) {
    // A socket that was given up may still deliver; the one that took its place is what counts.
    if (socket === this.#socket) this.#guard(where, handle);
  }

  /** @param {string} where @param {() => void} handle */
  #guard(where, handle) {
    try {
      handle();
    } catch (error) {
      this.#handlers.onError(where, error);
    }
  }

  #signIn() {
    const { token, client, device } = this.#env;
    const socket = this.#socket;
    this.#send("connect", { token: token || undefined, client, device }, CONNECT_DEADLINE_MS)
      .then((frame) => {
        if (socket === this.#socket) this.#onSignedIn(replies.connect(frame, "connect"));
      })
      .catch((error) => {
        if (socket === this.#socket) this.#onSignInFailed(error);
      });
  }

  /** @param {import("./frames.js").ConnectReply} reply */
  #onSignedIn(reply) {
    this.#clearTimers();
    this.#watch(SILENCE_MS);
    this.#setState({ name: "connected", sinceMs: this.#env.now() });
    if (this.isConnected) this.#guard("connected", () => this.#handlers.onConnected(reply));
  }

  /** @param {unknown} error a refusal, or a reply that could not be read */
  #onSignInFailed(error) {
    this.#handlers.onError("connect", error);
    // Tried again all the same: the node that answers next may speak our version.
    if (!(error instanceof CommandError) || NOT_UNDERSTOOD.has(error.name))
      return this.#abandon(ownReason("unsupported_version", String(error)));
    const reason = { code: undefined, name: error.name, message: error.message, ref: error.ref };
    if (error.temporary) return this.#abandon(reason, error.retryAfterMs);
    this.#end({ name: "stopped", reason });
  }

  /** @param {unknown} data */
  #onMessage(data) {
    this.#lastHeardMs = this.#env.now();
    this.#probing = false;
    /** @type {Frame} */
    let frame;
    try {
      frame = decodeFrame(data, this.#wire);
    } catch (error) {
      this.#handlers.onUnreadable(error);
      if (this.#state.name === "connecting") this.#onSignInFailed(error);
      return;
    }
    if (frame.type === "reply" || frame.type === "error") this.#onAnswer(frame);
    else if (frame.type === "go_away") this.#onGoAway(pushes.go_away(frame, "go_away"));
    else this.#handlers.onPush(frame);
  }

  /** @param {Frame} frame */
  #onAnswer(frame) {
    const error = frame.type === "error" ? new CommandError(readError(frame, "error")) : undefined;
    const id = frame["id"];
    const waiting = typeof id === "number" ? this.#waiting.get(id) : undefined;
    if (error) this.#refusal = error;
    if (waiting === undefined) {
      // Id 0 is about a frame that the server could not read; other ids were given up after their deadline.
      if (error) this.#handlers.onError("answer", error);
      return;
    }
    this.#waiting.delete(/** @type {number} */ (id));
    this.#env.timers.clearTimeout(waiting.timer);
    if (error) waiting.reject(error);
    else waiting.resolve(frame);
  }

  /**
   * The server wants us to come back later, or on another node. It closes by itself; if it waits for us to move, we go
   * when the time that it gave us is there.
   * @param {import("./frames.js").GoAway} goAway
   */
  #onGoAway({ code, reason, reconnectAfterMs }) {
    const told = { code, name: CLOSE_CODES.get(code) ?? "going_away", message: reason, ref: "" };
    this.#goAway = { reconnectAfterMs, atMs: this.#env.now() + reconnectAfterMs, reason: told };
    if (reconnectAfterMs < 0) return;
    this.#env.timers.clearTimeout(this.#moveTimer);
    this.#moveTimer = this.#env.timers.setTimeout(
      () => this.#guard("go_away", () => this.#abandon(told)),
      reconnectAfterMs,
    );
  }

  /** @param {number | undefined} code */
  #onClose(code) {
    const socket = this.#socket;
    // One that had opened has a protocol.
    if (!this.#env.fetch || !socket || socket.protocol !== "") return this.#onEnd(code);
    this.#isVersionSpoken(this.#env.fetch).then((isSpoken) =>
      this.#fromSocket(socket, "close", () => {
        if (isSpoken) this.#onEnd(code);
        else this.#abandon(ownReason("unsupported_version", `the server does not speak ${this.#wire.subprotocol}`));
      }),
    );
  }

  /**
   * Whether the server may well speak our version: one that can't be reached, or doesn't say, gets the benefit of the doubt.
   * @param {NonNullable<Environment["fetch"]>} fetch
   */
  async #isVersionSpoken(fetch) {
    try {
      const { status, headers } = await fetch(this.#env.url.replace("ws", "http"));
      const spoken = headers.get("Sec-WebSocket-Protocol");
      return spoken ? spoken.includes(this.#wire.subprotocol) : !OTHER_VERSION_STATUS.has(status);
    } catch {
      return true;
    }
  }

  /** @param {number | undefined} code */
  #onEnd(code) {
    const name = (code === undefined ? undefined : CLOSE_CODES.get(code)) ?? "line_lost";
    const said = this.#refusal?.name === name ? this.#refusal : undefined;
    const known = CLOSE_CODES.has(code ?? 0) || isFinal(code) ? code : undefined;
    this.#leave({ code: known, name, message: said?.message ?? "", ref: said?.ref ?? "" }, code);
  }

  /**
   * Give the line up from this side and try again.
   * @param {Reason} reason
   * @param {number} [atLeastMs]
   */
  #abandon(reason, atLeastMs) {
    this.#leave(reason, undefined, atLeastMs);
  }

  /**
   * @param {Reason} reason
   * @param {number | undefined} closeCode what the server closed with
   * @param {number} [atLeastMs]
   */
  #leave(reason, closeCode, atLeastMs = 0) {
    const goAway = this.#goAway;
    if (isFinal(closeCode)) return this.#end({ name: "stopped", reason });
    if (goAway && goAway.reconnectAfterMs < 0) return this.#end({ name: "stopped", reason: goAway.reason });
    if (!goAway && !mayReconnect(closeCode)) return this.#end({ name: "stopped", reason });
    this.#noteWhetherTheLineWasGood();
    this.#drop();
    if (goAway) this.#wait(goAway.reason, Math.max(0, goAway.atMs - this.#env.now()));
    else this.#retryLater(reason, atLeastMs);
  }

  #noteWhetherTheLineWasGood() {
    const state = this.#state;
    if (state.name === "connected" && this.#env.now() - state.sinceMs >= GOOD_LINE_MS) this.#attempt = 0;
  }

  /** @param {Reason} reason @param {number} [atLeastMs] */
  #retryLater(reason, atLeastMs = 0) {
    const delayMs = Math.max(atLeastMs, fullJitterMs(this.#attempt, this.#env.random));
    this.#attempt += 1;
    this.#wait(reason, delayMs);
  }

  /** @param {Reason} reason @param {number} delayMs */
  #wait(reason, delayMs) {
    const isOnline = this.#env.online?.isOnline() ?? true;
    const waitMs = isOnline ? delayMs : Math.max(delayMs, OFFLINE_RETRY_MS);
    const retryAtMs = this.#env.now() + waitMs;
    this.#clearTimers();
    this.#attemptTimer = this.#env.timers.setTimeout(() => this.#guard("connect", () => this.#open()), waitMs);
    this.#setState({ name: isOnline ? "waiting" : "offline", attempt: this.#attempt, retryAtMs, reason });
  }

  /** @param {ConnectionState} state */
  #end(state) {
    this.#stopListening?.();
    this.#stopListening = undefined;
    this.#clearTimers();
    this.#drop();
    this.#setState(state);
  }

  /** Let go of the socket; nothing that it still does counts. */
  #drop() {
    const socket = this.#socket;
    const wasConnected = this.isConnected;
    this.#socket = undefined;
    this.#probing = false;
    this.#clearTimers();
    const error = localError("disconnected", "the line to the server was lost");
    for (const { reject, timer } of this.#waiting.values()) {
      this.#env.timers.clearTimeout(timer);
      reject(error);
    }
    this.#waiting.clear();
    if (socket) this.#guard("close", () => socket.close(NORMAL_CLOSURE));
    if (wasConnected) this.#guard("lost", () => this.#handlers.onLost());
  }

  /** @param {number} afterMs */
  #watch(afterMs) {
    this.#watchTimer = this.#env.timers.setTimeout(() => this.#guard("watch", () => this.#onWatch()), afterMs);
  }

  #onWatch() {
    const silentMs = this.#env.now() - this.#lastHeardMs;
    // Negative after the device's clock was set back: nothing is known then, so ask.
    if (silentMs >= 0 && silentMs < SILENCE_MS) this.#watch(SILENCE_MS - silentMs);
    else this.#probe();
  }

  /** Ask for a sign of life; without one the line counts as dead. */
  #probe() {
    if (this.#probing) return;
    this.#probing = true;
    this.#env.timers.clearTimeout(this.#watchTimer);
    this.#send("ping", {}, PONG_DEADLINE_MS).catch(() => {});
    this.#watchTimer = this.#env.timers.setTimeout(
      () => this.#guard("watch", () => this.#afterProbe()),
      PONG_DEADLINE_MS,
    );
  }

  #afterProbe() {
    if (this.#probing) this.#abandon(ownReason("line_silent", "nothing arrived, not even the answer to a ping"));
    else this.#onWatch();
  }

  #onOnlineChange() {
    if (this.isConnected) this.#probe();
    else if (this.#env.online?.isOnline()) {
      this.#attempt = 0;
      this.retryNow();
    } else if (this.#state.name === "waiting") this.#wait(this.#state.reason, 0);
  }

  /** @param {ConnectionState} state */
  #setState(state) {
    this.#state = state;
    this.#guard("state", () => this.#handlers.onState(state));
  }

  #clearTimers() {
    for (const timer of [this.#attemptTimer, this.#watchTimer, this.#moveTimer]) this.#env.timers.clearTimeout(timer);
    this.#attemptTimer = undefined;
    this.#watchTimer = undefined;
    this.#moveTimer = undefined;
  }
}

/**
 * @param {"connect_failed" | "line_silent" | "unsupported_version"} name
 * @param {string} message
 * @returns {Reason}
 */
function ownReason(name, message) {
  return { code: undefined, name, message, ref: "" };
}
