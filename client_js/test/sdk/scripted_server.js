/**
 * The other end of the line, as a test writes it: it sees every command and says what a server would.
 */
import { decode, encode } from "@msgpack/msgpack";

import { LiaisonClient } from "../../src/sdk/client.js";
import { msgpack } from "../../src/sdk/msgpack_wire.js";
import { PresenceFeed } from "../../src/sdk/presence_feed.js";
import { MemoryStorage } from "../../src/sdk/storage.js";
import { VirtualTime } from "./virtual_time.js";

/** @typedef {Record<string, any>} Fields */
/** @typedef {Fields & {type: string, id: number}} Command */

/** A channel as the answer to `connect` tells it. @param {string} channel @param {Fields} [fields] */
export function channelInfo(channel, fields = {}) {
  const title = { ko: "전체", en: "General" };
  return { channel, kind: "joint", title, epoch: 1, head: 0, read_seq: 0, ...fields };
}

/** A message as the wire has it. @param {number} seq @param {Fields} [fields] */
export function message(seq, fields = {}) {
  return {
    type: "message",
    channel: "joint/general",
    epoch: 1,
    seq,
    time_ms: 5_000 + seq,
    sender: "north-1",
    delegation: "north",
    key: `n${seq}`,
    kind: "text",
    link: new Uint8Array(32),
    text: `글 ${seq}`,
    ...fields,
  };
}

/** The answer to `connect`. @param {Fields} [fields] */
export function welcome(fields = {}) {
  const title = { ko: "남측", en: "South side" };
  return {
    session: "s1",
    user: "south-1",
    name: "김영희",
    delegation: "south",
    role: "official",
    office: { ko: "연락사무소", en: "Liaison office" },
    delegations: [{ id: "south", title, colour: "#123456", time_zone: "Asia/Seoul" }],
    people: [{ user: "north-1", name: "리철수", delegation: "north", role: "official" }],
    channels: [channelInfo("joint/general")],
    server_time_ms: 2_000_000,
    ping_interval_ms: 15_000,
    pong_timeout_ms: 10_000,
    limits: { max_text_bytes: 16_384 },
    capabilities: [],
    ...fields,
  };
}

/** One socket, seen from the server. */
export class FakeSocket {
  binaryType = "blob";
  protocol = "";
  /** @type {((event: any) => void) | null} */
  onopen = null;
  /** @type {((event: any) => void) | null} */
  onmessage = null;
  /** @type {((event: any) => void) | null} */
  onclose = null;
  /** @type {((event: any) => void) | null} */
  onerror = null;
  /** @type {Command[]} */
  commands = [];
  isClosedByClient = false;

  /** @param {string} url @param {string[]} protocols */
  constructor(url, protocols) {
    this.url = url;
    this.protocols = protocols;
  }

  /** @param {Uint8Array} data */
  send(data) {
    this.commands.push(/** @type {Command} */ (decode(data)));
  }

  close() {
    this.isClosedByClient = true;
  }

  // What the server does

  open() {
    this.protocol = this.protocols[0] ?? "";
    this.onopen?.({});
  }

  /** @param {Fields} frame */
  push(frame) {
    this.onmessage?.({ data: encode(frame).slice().buffer });
  }

  /** @param {Command} command @param {Fields} [fields] */
  reply(command, fields = {}) {
    this.push({ type: "reply", id: command.id, ...fields });
  }

  /** @param {Command} command @param {Fields} error */
  refuse(command, error) {
    this.push({ type: "error", id: command.id, code: 1, message: "", temporary: false, ref: "ref12345", ...error });
  }

  /** The line ends. @param {number} code */
  drop(code) {
    this.onclose?.({ code });
  }

  /** Commands of a type, in the order in which they came. @param {string} type */
  of(type) {
    return this.commands.filter((command) => command.type === type);
  }

  /** The newest command of a type. @param {string} type */
  last(type) {
    const command = this.of(type).at(-1);
    if (command === undefined) throw new Error(`no ${type} among ${this.commands.map((sent) => sent.type).join(", ")}`);
    return command;
  }
}

/** A client whose surroundings a test controls. */
export class Bench {
  time = new VirtualTime();
  /** @type {FakeSocket[]} */
  sockets = [];
  /** @type {{where: string, error: unknown}[]} */
  errors = [];
  isOnline = true;
  random = 0.5;
  /** How the server answers an ordinary request to the socket's path; undefined can't be reached. @type {{status: number, spoken?: string} | undefined} */
  plainAnswer = undefined;
  /** How far the device's clock is off the time that really passes. */
  clockSkewMs = 0;
  #keys = 0;
  /** @type {Set<() => void>} */
  #onlineListeners = new Set();

  /** @param {import("../../src/sdk/storage.js").Storage} [storage] */
  constructor(storage = new MemoryStorage()) {
    this.storage = storage;
    const { sockets } = this;
    this.client = new LiaisonClient({
      url: "ws://office.example/api/v1/socket",
      WebSocket: class extends FakeSocket {
        /** @param {string} url @param {string[]} protocols */
        constructor(url, protocols) {
          super(url, protocols);
          sockets.push(this);
        }
      },
      fetch: () => {
        if (this.plainAnswer === undefined) return Promise.reject(new TypeError("failed to fetch"));
        const { status, spoken } = this.plainAnswer;
        const headers = new Headers(spoken ? { "Sec-WebSocket-Protocol": spoken } : {});
        return Promise.resolve({ status, headers });
      },
      storage,
      timers: this.time.timers,
      now: () => this.time.nowMs + this.clockSkewMs,
      random: () => this.random,
      newKey: () => `key-${++this.#keys}`,
      online: {
        isOnline: () => this.isOnline,
        onChange: (listener) => {
          this.#onlineListeners.add(listener);
          return () => this.#onlineListeners.delete(listener);
        },
      },
      client: "test/1",
      device: "bench",
      wire: msgpack,
    });
    this.presence = new PresenceFeed(this.client, this.time.timers);
    this.client.on("error", (report) => this.errors.push(report));
  }

  /** The newest socket. */
  get socket() {
    const socket = this.sockets.at(-1);
    if (socket === undefined) throw new Error("nothing was opened");
    return socket;
  }

  get onlineListeners() {
    return this.#onlineListeners.size;
  }

  /** @param {boolean} isOnline */
  async setOnline(isOnline) {
    this.isOnline = isOnline;
    for (const listener of this.#onlineListeners) listener();
    await this.time.settle();
  }

  /** Start, and let the server take us in. @param {Fields} [fields] of the answer to `connect` */
  async connect(fields) {
    this.client.start();
    return await this.accept(fields);
  }

  /** Let the server take in whoever knocks. @param {Fields} [fields] of the answer to `connect` */
  async accept(fields) {
    await this.time.settle();
    const { socket } = this;
    socket.open();
    socket.reply(socket.last("connect"), welcome(fields));
    await this.time.settle();
    return socket;
  }

  /** Follow the usual channel from an empty log on. @param {Fields} [reply] */
  async follow(reply = {}) {
    this.client.subscribe("joint/general");
    await this.time.settle();
    const command = this.socket.last("subscribe");
    this.socket.reply(command, { channel: "joint/general", epoch: 1, head: 0, from_seq: 0, ...reply });
    await this.time.settle();
  }

  /** Answer a publish. @param {Command} command @param {Fields} [fields] */
  async acknowledge(command, fields = {}) {
    this.socket.reply(command, { seq: 1, epoch: 1, time_ms: 5_000, duplicate: false, ...fields });
    await this.time.settle();
  }
}
