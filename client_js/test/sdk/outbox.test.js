import assert from "node:assert/strict";
import { describe, test } from "node:test";

import * as outbox from "../../src/sdk/outbox.js";

import {
  acknowledged,
  add,
  EMPTY_OUTBOX,
  expired,
  failed,
  later,
  lineLost,
  merge,
  nextToSend,
  REOFFER_MS,
  reoffer,
  retry,
  sent,
  stored,
  waitingChannels,
  waitingIn,
  without,
} from "../../src/sdk/outbox.js";
import { forSeeds, integer, pick } from "./seeded.js";

/** @typedef {import("../../src/sdk/outbox.js").Outbox} Outbox */
/** @typedef {import("../../src/sdk/outbox.js").Wish} Wish */

const CHANNEL = "joint/general";
const REFUSED = { code: 204, name: "forbidden", message: "", ref: "r", temporary: false };

/** @param {string} key @param {Partial<Wish>} [fields] @returns {Wish} */
function wish(key, fields = {}) {
  return {
    key,
    user: "south-1",
    channel: CHANNEL,
    kind: "text",
    text: key,
    about: undefined,
    reaction: "",
    removed: false,
    mentions: [],
    createdMs: 1_000,
    ...fields,
  };
}

/** @param {...string} keys */
function outboxOf(...keys) {
  return keys.reduce((outbox, key) => stored(add(outbox, wish(key)), key), EMPTY_OUTBOX);
}

/** @param {Outbox} outbox @param {number} [nowMs] */
function nextKey(outbox, nowMs = 2_000) {
  const next = nextToSend(outbox, CHANNEL, nowMs);
  return next && "item" in next ? next.item.key : undefined;
}

/** @param {Outbox} outbox */
function waitingKeys(outbox) {
  return waitingIn(outbox, CHANNEL).map((item) => item.key);
}

const PLACE = { seq: 7, epoch: 1, timeMs: 5 };

describe("sending", () => {
  test("nothing goes out before it is stored", () => {
    const outbox = add(EMPTY_OUTBOX, wish("a"));
    assert.equal(nextKey(outbox), undefined);
    assert.equal(nextKey(stored(outbox, "a")), "a");
  });

  test("what was asked for first goes first, and alone", () => {
    const outbox = sent(outboxOf("a", "b"), "a");
    assert.equal(nextKey(outbox), undefined);
    assert.equal(nextKey(acknowledged(outbox, "a", PLACE, 2_000)), "b");
  });

  test("a later item waits for one that is not stored yet", () => {
    const outbox = stored(add(add(EMPTY_OUTBOX, wish("a")), wish("b")), "b");
    assert.equal(nextKey(outbox), undefined);
  });

  test("channels don't wait for each other", () => {
    const outbox = sent(stored(add(outboxOf("a"), wish("b", { channel: "south/room" })), "b"), "a");
    assert.deepEqual(nextToSend(outbox, "south/room", 0), { item: outbox.get("b") });
    assert.deepEqual(waitingChannels(outbox), new Set([CHANNEL, "south/room"]));
  });

  test("a temporary refusal delays the item and all behind it", () => {
    const outbox = later(sent(outboxOf("a", "b"), "a"), "a", 9_000);
    assert.deepEqual(nextToSend(outbox, CHANNEL, 8_999), { waitUntilMs: 9_000 });
    assert.equal(nextKey(outbox, 9_000), "a");
  });

  test("a final refusal lets the others pass, and a retry keeps key and place", () => {
    const outbox = failed(sent(outboxOf("a", "b"), "a"), "a", REFUSED);
    assert.equal(outbox.get("a")?.error, REFUSED);
    assert.equal(nextKey(outbox), "b");
    const again = retry(outbox, "a");
    assert.equal(nextKey(again), "a");
    assert.equal(again.get("a")?.error, undefined);
    assert.deepEqual(waitingKeys(again), ["a", "b"]);
  });

  test("a lost line puts everything back that had no answer", () => {
    const outbox = lineLost(sent(outboxOf("a", "b"), "a"));
    assert.deepEqual(waitingKeys(outbox), ["a", "b"]);
    assert.equal(nextKey(outbox), "a");
  });

  test("what comes for an item that was discarded changes nothing", () => {
    const outbox = without(sent(outboxOf("a", "b"), "a"), "a");
    assert.equal(acknowledged(outbox, "a", PLACE, 0), outbox);
    assert.equal(failed(outbox, "a", REFUSED), outbox);
    assert.equal(later(outbox, "a", 0), outbox);
  });

  test("an answer that comes late does not undo an acknowledgement", () => {
    const outbox = acknowledged(sent(outboxOf("a"), "a"), "a", PLACE, 0);
    assert.equal(failed(outbox, "a", REFUSED).get("a")?.state, "acknowledged");
    assert.equal(later(outbox, "a", 5).get("a")?.state, "acknowledged");
  });

  test("items keep their order when the clock of the device goes back", () => {
    const first = add(EMPTY_OUTBOX, wish("a", { createdMs: 9_000 }));
    const outbox = add(first, wish("b", { createdMs: 10 }));
    assert.deepEqual(waitingKeys(merge(EMPTY_OUTBOX, [...outbox.values()].reverse(), new Set())), ["a", "b"]);
  });
});

describe("after a reset", () => {
  const outbox = acknowledged(
    acknowledged(outboxOf("a", "b", "c"), "a", PLACE, 1_000),
    "b",
    { ...PLACE, seq: 8 },
    1_000 + REOFFER_MS,
  );

  test("what was acknowledged within ten minutes is offered again, in order, before what waited", () => {
    const again = reoffer(outbox, CHANNEL, 2, 1_000 + REOFFER_MS);
    assert.deepEqual(waitingKeys(again), ["a", "b", "c"]);
    assert.equal(nextKey(again, 1_000 + REOFFER_MS), "a");
  });

  test("what was acknowledged earlier is not, and need not be kept", () => {
    const again = reoffer(outbox, CHANNEL, 2, 1_001 + REOFFER_MS);
    assert.deepEqual(waitingKeys(again), ["b", "c"]);
    assert.deepEqual(expired(outbox, 1_001 + REOFFER_MS), ["a"]);
    assert.deepEqual(expired(outbox, 1_000 + REOFFER_MS), []);
  });

  test("what was acknowledged in the new epoch is left alone", () => {
    assert.deepEqual(waitingKeys(reoffer(outbox, CHANNEL, 1, 1_000)), ["c"]);
  });

  test("other channels are left alone", () => {
    assert.deepEqual(waitingKeys(reoffer(outbox, "south/room", 2, 1_000)), ["c"]);
  });
});

describe("what the device holds", () => {
  test("comes before what was asked for since, and is ready to be sent", () => {
    const held = [...outboxOf("a", "b").values()];
    const here = add(EMPTY_OUTBOX, wish("c", { createdMs: 5_000 }));
    const outbox = merge(here, held, new Set());
    assert.deepEqual(waitingKeys(outbox), ["a", "b", "c"]);
    assert.equal(nextKey(outbox), "a");
  });

  test("does not overwrite what is known here", () => {
    const here = acknowledged(outboxOf("a"), "a", PLACE, 0);
    assert.equal(merge(here, [...outboxOf("a").values()], new Set(["a"])).get("a")?.state, "acknowledged");
  });

  test("no longer holds what another tab discarded, but items stored since are kept", () => {
    const outbox = merge(outboxOf("a", "b"), [], new Set(["a"]));
    assert.deepEqual(waitingKeys(outbox), ["b"]);
  });
});

/** A person, an outbox and a server with an unreliable line between them. */
class Exchange {
  /** Keys in the order of the server's log. @type {string[]} */
  log = [];
  /** @type {string[]} */
  asked = [];
  outbox = EMPTY_OUTBOX;
  nowMs = 0;

  ask() {
    const key = `k${this.asked.length}`;
    this.asked.push(key);
    this.outbox = stored(add(this.outbox, wish(key, { createdMs: this.nowMs })), key);
  }

  /** @param {"answered" | "answer lost" | "request lost" | "refused for now"} outcome */
  send(outcome) {
    const key = nextKey(this.outbox, this.nowMs);
    if (key === undefined) return;
    this.outbox = sent(this.outbox, key);
    const arrives = outcome === "answered" || outcome === "answer lost";
    if (arrives && !this.log.includes(key)) this.log.push(key);
    const place = { ...PLACE, seq: this.log.indexOf(key) + 1 };
    if (outcome === "answered") this.outbox = acknowledged(this.outbox, key, place, this.nowMs);
    else if (outcome === "refused for now") this.outbox = later(this.outbox, key, this.nowMs + 20);
    else this.lose();
  }

  lose() {
    this.outbox = lineLost(this.outbox);
  }

  reload() {
    this.outbox = merge(EMPTY_OUTBOX, [...lineLost(this.outbox).values()], new Set());
  }

  check() {
    assert.deepEqual(
      this.log,
      this.asked.slice(0, this.log.length),
      "once each, in the order in which it was asked for",
    );
    for (const key of this.asked) {
      const isAcknowledged = this.outbox.get(key)?.state === "acknowledged";
      assert.ok(isAcknowledged ? this.log.includes(key) : waitingKeys(this.outbox).includes(key), key);
    }
  }
}

test("whatever breaks, each item ends on the log once, in order, or is still in the outbox", () => {
  let arrived = 0;
  forSeeds(300, (random) => {
    const exchange = new Exchange();
    for (let step = 0; step < 120; step += 1) {
      exchange.nowMs += integer(random, 50);
      const action = pick(random, [
        () => exchange.ask(),
        () => exchange.send("answered"),
        () => exchange.send("answer lost"),
        () => exchange.send("request lost"),
        () => exchange.send("refused for now"),
        () => exchange.lose(),
        () => exchange.reload(),
      ]);
      action();
      exchange.check();
    }
    arrived += exchange.log.length;
  });
  assert.ok(arrived > 1_000, "the property was hardly exercised");
});

test("what the server holds in a suspended channel blocks nothing, and is offered again on the next line", () => {
  const wish = { user: "south-1", channel: "joint/general", kind: /** @type {const} */ ("text"), text: "글" };
  const rest = { about: undefined, reaction: "", removed: false, mentions: [], createdMs: 1 };
  let box = outbox.EMPTY_OUTBOX;
  for (const key of ["a", "b"]) box = outbox.stored(outbox.add(box, { ...wish, ...rest, key }), key);
  box = outbox.held(outbox.sent(box, "a"), "a");
  assert.equal(box.get("a")?.state, "held");
  assert.deepEqual(outbox.nextToSend(box, "joint/general", 2), { item: box.get("b") });
  assert.equal(outbox.lineLost(box).get("a")?.state, "queued");
});
