import assert from "node:assert/strict";
import { describe, test } from "node:test";

import {
  begin,
  emptyLog,
  gapOf,
  itemAt,
  prepend,
  receive,
  receiveAll,
  reset,
  unknownLog,
  withoutEarly,
} from "../../src/sdk/timeline.js";
import { entries, entry } from "./entries.js";
import { forSeeds, integer, pick, shuffled } from "./seeded.js";

const CHANNEL = "joint/general";

/** @param {import("../../src/sdk/timeline.js").Log} log */
function seqs(log) {
  return log.items.map((item) => item.seq);
}

/**
 * A log with messages and with changes to earlier ones.
 * @param {() => number} random
 * @param {number} length
 */
function randomHistory(random, length) {
  /** @type {import("../../src/sdk/frames.js").Message[]} */
  const history = [];
  /** @type {number[]} */
  const texts = [];
  for (let seq = 1; seq <= length; seq += 1) {
    const kind = texts.length === 0 ? "text" : pick(random, ["text", "text", "correction", "withdrawal", "reaction"]);
    if (kind === "text") texts.push(seq);
    const sender = pick(random, ["south-1", "south-2", "north-1"]);
    const ref = kind === "text" ? 0 : pick(random, texts);
    const reaction = kind === "reaction" ? pick(random, ["👍", "확인"]) : "";
    history.push(entry(seq, { kind, sender, ref, reaction, removed: random() < 0.3, text: `${kind} ${seq}` }));
  }
  return history;
}

describe("what is received", () => {
  test("shows messages in the order of their seqs, once each", () => {
    const log = receiveAll(emptyLog(CHANNEL, { epoch: 1, seq: 0 }), [...entries(1, 3), ...entries(2, 3)]);
    assert.deepEqual(seqs(log), [1, 2, 3]);
    assert.equal(log.last, 3);
  });

  test("gives the same value back for what is known already", () => {
    const log = receiveAll(emptyLog(CHANNEL, { epoch: 1, seq: 0 }), entries(1, 3));
    assert.equal(receive(log, entry(2)), log);
  });

  test("waits beyond a gap and asks for what is missing", () => {
    const log = receiveAll(emptyLog(CHANNEL, { epoch: 1, seq: 4 }), [entry(5), entry(8), entry(9)]);
    assert.deepEqual(seqs(log), [5]);
    assert.deepEqual(gapOf(log), { after: 5 });
    const filled = receiveAll(log, entries(6, 7));
    assert.deepEqual(seqs(filled), [5, 6, 7, 8, 9]);
    assert.equal(gapOf(filled), undefined);
    assert.equal(filled.early.size, 0);
  });

  test("passes over entries of another epoch", () => {
    const log = receiveAll(emptyLog(CHANNEL, { epoch: 2, seq: 0 }), [entry(1, { epoch: 1 }), entry(1, { epoch: 3 })]);
    assert.deepEqual(seqs(log), []);
  });

  test("keeps the run contiguous for a kind of entry that it doesn't know", () => {
    const log = receiveAll(emptyLog(CHANNEL, { epoch: 1, seq: 0 }), [entry(1), entry(2, { kind: "tender" }), entry(3)]);
    assert.deepEqual(seqs(log), [1, 3]);
    assert.equal(log.last, 3);
  });

  test("is the same in any order and with any repeats", () => {
    forSeeds(200, (random) => {
      const history = randomHistory(random, 30);
      const inOrder = receiveAll(emptyLog(CHANNEL, { epoch: 1, seq: 0 }), history);
      const repeats = history.filter(() => random() < 0.4);
      const shaken = receiveAll(emptyLog(CHANNEL, { epoch: 1, seq: 0 }), shuffled(random, [...history, ...repeats]));
      assert.deepEqual(shaken, inOrder);
    });
  });

  test("stays contiguous from first to last at every step of any loss", () => {
    forSeeds(200, (random) => {
      const history = randomHistory(random, 40);
      let log = emptyLog(CHANNEL, { epoch: 1, seq: 0 });
      for (const item of shuffled(random, history).filter(() => random() < 0.8)) {
        log = receive(log, item);
        const texts = history.filter(({ kind, seq }) => kind === "text" && seq <= log.last).map(({ seq }) => seq);
        assert.deepEqual(seqs(log), texts);
        const isMissing = [...log.early.keys()].length > 0;
        assert.equal(gapOf(log) !== undefined, isMissing);
      }
    });
  });
});

describe("changes", () => {
  const base = receiveAll(emptyLog(CHANNEL, { epoch: 1, seq: 0 }), entries(1, 2));

  test("a correction takes the place of the text, and both versions stay", () => {
    const log = receive(base, entry(3, { kind: "correction", ref: 1, text: "고친 글" }));
    const item = itemAt(log, 1);
    assert.equal(item?.text, "고친 글");
    assert.deepEqual(
      item?.versions.map(({ seq, text }) => [seq, text]),
      [
        [1, "글 1"],
        [3, "고친 글"],
      ],
    );
    assert.deepEqual(seqs(log), [1, 2]);
  });

  test("a withdrawal leaves a tombstone without any version of the text", () => {
    const log = receive(base, entry(3, { kind: "withdrawal", ref: 2, text: "" }));
    const item = itemAt(log, 2);
    assert.equal(item?.text, "");
    assert.deepEqual(item?.versions, []);
    assert.deepEqual(item?.withdrawn, { seq: 3, timeMs: 1_003 });
  });

  test("nothing brings the text of a withdrawn message back", () => {
    const withdrawn = receive(base, entry(3, { kind: "withdrawal", ref: 2 }));
    const log = receive(withdrawn, entry(4, { kind: "correction", ref: 2, text: "다시" }));
    assert.equal(itemAt(log, 2)?.text, "");
  });

  test("reactions list who reacted, once each, and can be taken back", () => {
    const reaction = { kind: "reaction", ref: 1, reaction: "__proto__" };
    const log = receiveAll(base, [
      entry(3, { ...reaction, sender: "north-1" }),
      entry(4, { ...reaction, sender: "south-2" }),
      entry(5, { ...reaction, sender: "north-1" }),
    ]);
    assert.deepEqual([...(itemAt(log, 1)?.reactions ?? [])], [["__proto__", ["south-2", "north-1"]]]);
    const removed = receiveAll(log, [
      entry(6, { ...reaction, sender: "north-1", removed: true }),
      entry(7, { ...reaction, sender: "south-2", removed: true }),
    ]);
    assert.equal(itemAt(removed, 1)?.reactions.size, 0);
  });

  test("a change makes a new item and leaves the others as they were", () => {
    const log = receive(base, entry(3, { kind: "correction", ref: 1, text: "새 글" }));
    assert.notEqual(log.items[0], base.items[0]);
    assert.equal(log.items[1], base.items[1]);
    assert.equal(base.items[0]?.text, "글 1");
  });
});

describe("history", () => {
  test("goes before the run, with changes that came later applied to it", () => {
    const log = receiveAll(emptyLog(CHANNEL, { epoch: 1, seq: 3 }), [
      entry(4),
      entry(5, { kind: "correction", ref: 2, text: "고침" }),
    ]);
    const whole = prepend(log, { epoch: 1, head: 5, messages: entries(1, 3) });
    assert.deepEqual(seqs(whole), [1, 2, 3, 4]);
    assert.equal(itemAt(whole, 2)?.text, "고침");
    assert.equal(whole.orphans.size, 0);
  });

  test("that does not end where the run begins is passed over", () => {
    const log = receiveAll(emptyLog(CHANNEL, { epoch: 1, seq: 5 }), [entry(6)]);
    assert.equal(prepend(log, { epoch: 1, head: 6, messages: entries(1, 4) }), log);
    assert.equal(prepend(log, { epoch: 2, head: 6, messages: entries(1, 5, { epoch: 2 }) }), log);
    assert.equal(prepend(log, { epoch: 1, head: 6, messages: [] }), log);
  });

  test("in pages of any size gives the same as the whole log at once", () => {
    forSeeds(200, (random) => {
      const length = 40;
      const history = randomHistory(random, length);
      const whole = receiveAll(emptyLog(CHANNEL, { epoch: 1, seq: 0 }), history);
      const start = integer(random, length);
      let log = receiveAll(emptyLog(CHANNEL, { epoch: 1, seq: start }), history.slice(start));
      while (log.first > 1) {
        const from = Math.max(0, log.first - 1 - (1 + integer(random, 9)));
        log = prepend(log, { epoch: 1, head: length, messages: history.slice(from, log.first - 1) });
      }
      assert.deepEqual(log, whole);
    });
  });
});

describe("subscribing and resets", () => {
  test("entries that come before the answer to subscribe wait for it", () => {
    const early = receiveAll(unknownLog(CHANNEL), [entry(12), entry(11)]);
    assert.deepEqual(seqs(early), []);
    const log = begin(early, { epoch: 1, head: 11, fromSeq: 10 });
    assert.deepEqual(seqs(log), [11, 12]);
    assert.equal(log.first, 11);
  });

  test("resuming keeps the run", () => {
    const log = receiveAll(emptyLog(CHANNEL, { epoch: 1, seq: 0 }), entries(1, 3));
    const resumed = begin(log, { epoch: 1, head: 5, fromSeq: 3 });
    assert.deepEqual(seqs(resumed), [1, 2, 3]);
    assert.equal(resumed.head, 5);
    assert.equal(gapOf(resumed), undefined);
  });

  test("a server that begins later than asked leaves a gap to be filled", () => {
    const log = receiveAll(emptyLog(CHANNEL, { epoch: 1, seq: 0 }), entries(1, 3));
    assert.deepEqual(gapOf(begin(log, { epoch: 1, head: 9, fromSeq: 7 })), { after: 3 });
  });

  test("a reset forgets what was held, also when the answer to subscribe told it first", () => {
    const log = receiveAll(emptyLog(CHANNEL, { epoch: 1, seq: 0 }), entries(1, 9));
    const told = begin(log, { epoch: 2, head: 4, fromSeq: 0 });
    assert.equal(reset(told, { epoch: 2, seq: 0 }), told);
    assert.deepEqual(seqs(reset(log, { epoch: 2, seq: 0 })), []);
  });

  test("a reset within an epoch, of a place that doesn't exist, forgets entries beyond the head", () => {
    const log = receiveAll(emptyLog(CHANNEL, { epoch: 1, seq: 0 }), entries(1, 9));
    const told = reset(begin(log, { epoch: 1, head: 2, fromSeq: 0 }), { epoch: 1, seq: 0 });
    assert.deepEqual(seqs(receiveAll(told, entries(1, 2, { text: "새 글" }))), [1, 2]);
    assert.equal(itemAt(receive(told, entry(1, { text: "새 글" })), 1)?.text, "새 글");
  });

  test("a lost line forgets what came beyond a gap, which is sent again", () => {
    const log = receiveAll(emptyLog(CHANNEL, { epoch: 1, seq: 0 }), [entry(1), entry(4)]);
    const after = withoutEarly(log);
    assert.equal(gapOf(after), undefined);
    assert.equal(after.last, 1);
    assert.deepEqual(seqs(receiveAll(after, entries(2, 4))), [1, 2, 3, 4]);
  });
});
