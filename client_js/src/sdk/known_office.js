/**
 * What one person's client knows of the office: who is who, which channels there are, and how much in each is unread; after
 * a reload, until the line is up, as it was the last time. It asks nothing of the server.
 */

/** @typedef {import("./frames.js").ChannelInfo} ChannelInfo */
/** @typedef {import("./frames.js").PersonInfo} PersonInfo */
/** @typedef {import("./frames.js").DelegationInfo} DelegationInfo */

/** @typedef {{session: string, user: string, name: string, delegation: string, role: string}} Me */
/** @typedef {ChannelInfo & {readonly unread: number}} Channel */
/** @typedef {{title: import("./frames.js").Title, delegations: ReadonlyMap<string, DelegationInfo>, limits?: ReadonlyMap<string, number>}} Office */

/**
 * @typedef {{
 *   me: Me,
 *   office: Office | undefined,
 *   people: ReadonlyMap<string, PersonInfo>,
 *   channels: ReadonlyMap<string, Channel>,
 * }} Remembered
 */

/**
 * @typedef {object} Surroundings
 * @property {import("./storage.js").Storage} storage
 * @property {() => number} now
 * @property {(where: string, error: unknown) => void} onError
 */

const REMEMBERED = "office";

/** Each change makes a new map, so that a view of the one before stays as it was. */
export class KnownOffice {
  #around;
  #marks;
  #serverAheadMs = 0;
  /** Who is signed in; after a reload who last was. @type {Me | undefined} */
  me;
  /** @type {Office | undefined} */
  office;
  /** @type {ReadonlyMap<string, PersonInfo>} */
  people = new Map();
  /** @type {ReadonlyMap<string, Channel>} */
  channels = new Map();

  /** @param {Surroundings} around @param {Pick<import("./read_marks.js").ReadMarks, "untold" | "forget">} marks */
  constructor(around, marks) {
    this.#around = around;
    this.#marks = marks;
  }

  serverNowMs() {
    return this.#around.now() + this.#serverAheadMs;
  }

  /** The answer to `connect`. @param {import("./frames.js").ConnectReply} reply */
  welcome({ session, user, name, delegation, role, office, delegations, limits, people, channels, serverTimeMs }) {
    this.me = { session, user, name, delegation, role };
    this.office = { title: office, delegations: new Map(delegations.map((info) => [info.id, info])), limits };
    this.people = new Map(people.map((person) => [person.user, person]));
    this.list(channels);
    this.#serverAheadMs = serverTimeMs - this.#around.now();
    this.#remember({ me: this.me, office: this.office, people: this.people, channels: this.channels });
    return this.me;
  }

  /** All channels there are. @param {readonly ChannelInfo[]} infos */
  list(infos) {
    const before = this.channels;
    for (const { channel, epoch } of infos) {
      if ((before.get(channel)?.epoch ?? epoch) !== epoch) this.#marks.forget(channel);
    }
    this.channels = new Map(infos.map((info) => [info.channel, this.#withOwnMark(info)]));
  }

  /** @param {ChannelInfo} info @returns {Channel} */
  add(info) {
    const added = this.#withOwnMark(info);
    this.channels = new Map(this.channels).set(info.channel, added);
    return added;
  }

  /** @param {string} channel */
  remove(channel) {
    const rest = new Map(this.channels);
    rest.delete(channel);
    this.channels = rest;
  }

  /** What changes of a channel, if it is known. @param {string} channel @param {(info: Channel) => Partial<ChannelInfo>} differences */
  change(channel, differences) {
    const info = this.channels.get(channel);
    const changes = info && differences(info);
    if (!changes || Object.keys(changes).length === 0) return;
    this.channels = new Map(this.channels).set(channel, withUnread({ ...info, ...changes }));
  }

  /** Take what the device holds, unless the server has told already; rejects if it can't be read. */
  async recall() {
    const held = /** @type {Remembered | undefined} */ (await this.#around.storage.recall(REMEMBERED));
    if (held === undefined || this.me !== undefined) return undefined;
    Object.assign(this, held);
    return held.me;
  }

  /** Also on the device. */
  async forget() {
    this.me = undefined;
    this.office = undefined;
    this.people = new Map();
    this.channels = new Map();
    await this.#remember(undefined);
  }

  /** What was read without a line counts, though the server has not heard of it. @param {ChannelInfo} info */
  #withOwnMark(info) {
    return withUnread({ ...info, readSeq: Math.max(info.readSeq, this.#marks.untold(info.channel)) });
  }

  /** @param {Remembered | undefined} held */
  async #remember(held) {
    try {
      await this.#around.storage.remember(REMEMBERED, held);
    } catch (error) {
      this.#around.onError("storage", error);
    }
  }
}

/** @param {ChannelInfo} info @returns {Channel} */
function withUnread(info) {
  return { ...info, unread: Math.max(0, info.head - info.readSeq) };
}
