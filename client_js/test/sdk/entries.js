/** Entries of a log, as tests write them. */

/** @typedef {import("../../src/sdk/frames.js").Message} Message */

/**
 * @param {number} seq
 * @param {Partial<Message>} [fields]
 * @returns {Message}
 */
export function entry(seq, fields = {}) {
  return {
    channel: "joint/general",
    epoch: 1,
    seq,
    timeMs: 1_000 + seq,
    sender: "south-1",
    delegation: "south",
    key: `key-${seq}`,
    kind: "text",
    text: `글 ${seq}`,
    ref: 0,
    reaction: "",
    removed: false,
    mentions: [],
    precedence: "",
    data: "",
    ...fields,
  };
}

/** @param {number} from @param {number} to inclusive @param {Partial<Message>} [fields] */
export function entries(from, to, fields = {}) {
  return Array.from({ length: to - from + 1 }, (_, index) => entry(from + index, fields));
}
