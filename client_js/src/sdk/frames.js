/**
 * What each reply and push carries, checked field by field and with camelCase names. (PROTOCOL.md §4 to §6)
 *
 * The server leaves out fields that have their default; here they are filled in. Unknown fields are ignored, so that an
 * older client goes on working with a newer server.
 */
import { wireName } from "./wire.js";

/** A frame lacks a field, or one is of the wrong kind. */
export class FrameError extends Error {
  /** @param {string} message */
  constructor(message) {
    super(message);
    this.name = "FrameError";
  }
}

/**
 * Gives a checked value, or throws a FrameError that names `where`. `undefined` is a field that was left out.
 * @template T
 * @typedef {(value: unknown, where: string) => T} Reader
 */

/** @type {Reader<string>} */
export function text(value, where) {
  if (typeof value !== "string") throw new FrameError(`${where} is no string`);
  return value;
}

// Only integers that JavaScript holds exactly: msgpack rounds larger ones without a word.
/** @type {Reader<number>} */
function integer(value, where) {
  if (typeof value !== "number" || !Number.isSafeInteger(value)) throw new FrameError(`${where} is no safe integer`);
  return value;
}

/** @type {Reader<number>} */
export function natural(value, where) {
  if (integer(value, where) < 0) throw new FrameError(`${where} is negative`);
  return /** @type {number} */ (value);
}

/** @type {Reader<boolean>} */
export function flag(value, where) {
  if (typeof value !== "boolean") throw new FrameError(`${where} is no boolean`);
  return value;
}

/**
 * @template {string} T
 * @param {T[]} names
 * @returns {Reader<T>}
 */
export function oneOf(...names) {
  const known = new Map(names.map((name) => [/** @type {unknown} */ (name), name]));
  return (value, where) => {
    const name = known.get(value);
    if (name === undefined) throw new FrameError(`${where} is none of ${names.join(", ")}`);
    return name;
  };
}

/**
 * @template T
 * @param {Reader<T>} read
 * @returns {Reader<readonly T[]>}
 */
export function listOf(read) {
  return (value, where) => {
    if (!Array.isArray(value)) throw new FrameError(`${where} is no list`);
    return value.map((element, index) => read(element, `${where}[${index}]`));
  };
}

/**
 * @template T, [D=T]
 * @param {Reader<T>} read
 * @param {D} missing what a field that was left out, or is null, means
 * @returns {Reader<T | D>}
 */
export function withDefault(read, missing) {
  return (value, where) => (value === undefined || value === null ? missing : read(value, where));
}

/**
 * @template {Record<string, Reader<any>>} Fields
 * @param {Fields} fields
 * @returns {Reader<{readonly [Name in keyof Fields]: ReturnType<Fields[Name]>}>}
 */
export function record(fields) {
  const readers = Object.entries(fields).map(([name, read]) => ({ name, wire: wireName(name), read }));
  return (value, where) => {
    if (typeof value !== "object" || value === null) throw new FrameError(`${where} is no map`);
    const source = /** @type {Record<string, unknown>} */ (value);
    const entries = readers.map(({ name, wire, read }) => [name, read(source[wire], `${where}.${wire}`)]);
    return Object.fromEntries(entries);
  };
}

/** @type {Reader<ReadonlyMap<string, number>>} */
export function numbers(value, where) {
  if (typeof value !== "object" || value === null) throw new FrameError(`${where} is no map`);
  return new Map(Object.entries(value).map(([name, number]) => [name, integer(number, `${where}.${name}`)]));
}

const title = record({ ko: text, en: text });

const delegationInfo = record({ id: text, title, colour: text, timeZone: text });

const personInfo = record({ user: text, name: text, delegation: text, role: text });

export const channelInfo = record({
  channel: text,
  kind: oneOf("joint", "side", "direct"),
  title,
  epoch: natural,
  head: natural,
  readSeq: natural,
  canWrite: withDefault(flag, true),
  members: withDefault(listOf(text), []),
  suspended: withDefault(flag, false),
  isRegister: withDefault(flag, false),
});

/** @type {ReadonlyMap<string, number>} */
const NO_NUMBERS = new Map();

const message = record({
  channel: text,
  epoch: natural,
  seq: natural,
  timeMs: natural,
  sender: text,
  delegation: text,
  key: text,
  kind: text,
  text: withDefault(text, ""),
  ref: withDefault(natural, 0),
  reaction: withDefault(text, ""),
  removed: withDefault(flag, false),
  mentions: withDefault(listOf(text), []),
  precedence: withDefault(text, ""),
  // Canonical JSON: a register's event, or what is attached to a text; see attachments.js.
  data: withDefault(text, ""),
});

const place = record({ channel: text, epoch: natural, seq: natural });

/** The kind of an entry of which only the place could be read: it holds its seq and is not shown. */
export const UNREADABLE = "unreadable";

/**
 * An entry of a channel's log.
 *
 * One whose place alone can be read still counts as `unreadable`: the log has to stay contiguous, and asking for it again
 * would bring the same bytes for ever.
 * @type {Reader<Message>}
 */
export function readMessage(value, where) {
  try {
    return message(value, where);
  } catch (error) {
    if (!(error instanceof FrameError)) throw error;
    const rest = { timeMs: 0, sender: "", delegation: "", key: "", kind: UNREADABLE };
    return {
      ...place(value, where),
      ...rest,
      text: "",
      ref: 0,
      reaction: "",
      removed: false,
      mentions: [],
      precedence: "",
      data: "",
    };
  }
}

/** Readers of the answers to commands. */
export const replies = {
  connect: record({
    session: text,
    user: text,
    name: text,
    delegation: text,
    role: text,
    office: title,
    delegations: listOf(delegationInfo),
    people: listOf(personInfo),
    channels: listOf(channelInfo),
    serverTimeMs: natural,
    limits: withDefault(numbers, NO_NUMBERS),
    capabilities: withDefault(listOf(text), []),
  }),
  subscribe: record({
    channel: text,
    epoch: natural,
    head: natural,
    fromSeq: natural,
    reads: withDefault(numbers, NO_NUMBERS),
    sideReads: withDefault(numbers, NO_NUMBERS),
  }),
  publish: record({ seq: natural, epoch: natural, timeMs: natural, held: withDefault(flag, false) }),
  history: record({ channel: text, epoch: natural, head: natural, messages: listOf(readMessage) }),
  search: record({ messages: listOf(readMessage), more: withDefault(flag, false) }),
  channels: record({ channels: listOf(channelInfo) }),
  openDirect: record({ channel: channelInfo }),
  ping: record({ timeMs: natural }),
};

/** The answer to a command that could not be followed. */
export const readError = record({
  id: natural,
  code: natural,
  name: text,
  message: withDefault(text, ""),
  temporary: withDefault(flag, false),
  ref: withDefault(text, ""),
  retryAfterMs: withDefault(natural, undefined),
});

/** Readers of pushes, by type; a type that isn't here is of a newer server and ignored. */
export const pushes = {
  message: readMessage,
  typing: record({ channel: text, user: text }),
  read: record({ channel: text, delegation: text, seq: natural, user: withDefault(text, "") }),
  channel: record({
    event: oneOf("added", "removed", "changed"),
    channel: text,
    info: withDefault(channelInfo, undefined),
  }),
  notice: record({ severity: oneOf("info", "warning", "alarm"), name: text, text: title }),
  reset: record({ channel: text, epoch: natural, seq: natural }),
  go_away: record({ code: natural, reason: withDefault(text, ""), reconnectAfterMs: integer }),
};

/** @typedef {ReturnType<typeof message>} Message */
/** @typedef {ReturnType<typeof channelInfo>} ChannelInfo */
/** @typedef {ReturnType<typeof personInfo>} PersonInfo */
/** @typedef {ReturnType<typeof delegationInfo>} DelegationInfo */
/** @typedef {ReturnType<typeof title>} Title */
/** @typedef {ReturnType<typeof replies.connect>} ConnectReply */
/** @typedef {ReturnType<typeof replies.subscribe>} SubscribeReply */
/** @typedef {ReturnType<typeof replies.publish>} PublishReply */
/** @typedef {ReturnType<typeof replies.history>} HistoryPage */
/** @typedef {ReturnType<typeof replies.search>} SearchPage */
/** @typedef {ReturnType<typeof pushes.reset>} ResetPush */
/** @typedef {ReturnType<typeof pushes.go_away>} GoAway */
