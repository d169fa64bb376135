import assert from 'node:assert/strict';
import { test } from 'node:test';

import { append, emptyTimeline, indexOfSeq, lastOwn, prepend } from '../../src/chat/timeline.js';

/** @param {number} seq @param {object} [fields] @returns {import('../../src/chat/timeline.js').Entry} */
const entry = (seq, fields = {}) => ({
  channel: 'joint/general',
  epoch: 1,
  seq,
  time_ms: seq * 1000,
  sender: 'south-1',
  delegation: 'south',
  key: `k${seq}`,
  kind: 'text',
  text: `text ${seq}`,
  ...fields,
});

const LOG = [
  entry(1),
  entry(2, { sender: 'north-1', delegation: 'north' }),
  entry(3, { kind: 'correction', ref: 1, text: 'better' }),
  entry(4, { kind: 'reaction', ref: 2, reaction: '👍', text: '' }),
  entry(5),
  entry(6, { kind: 'reaction', ref: 2, reaction: '👍', text: '', sender: 'north-2' }),
  entry(7, { kind: 'withdrawal', ref: 5, text: '' }),
  entry(8, { kind: 'reaction', ref: 2, reaction: '👍', text: '', removed: true }),
  entry(9, { kind: 'correction', ref: 1, text: 'best' }),
];

test('a correction replaces the text and keeps what stood there', () => {
  const { items } = append(emptyTimeline(1, 0), LOG);
  assert.equal(items[0]?.text, 'best');
  assert.deepEqual(items[0]?.earlier, ['text 1', 'better']);
});

test('a withdrawn message keeps its place and shows none of its text', () => {
  const { items } = append(emptyTimeline(1, 0), LOG);
  assert.deepEqual(
    items.map(({ seq, withdrawn, text }) => [seq, withdrawn, text]),
    [
      [1, false, 'best'],
      [2, false, 'text 2'],
      [5, true, ''],
    ],
  );
});

test('reactions count people, and each can take theirs back', () => {
  const { items } = append(emptyTimeline(1, 0), LOG);
  assert.deepEqual([...(items[1]?.reactions ?? [])], [['👍', ['north-2']]]);
});

test('entries that come again change nothing', () => {
  const once = append(emptyTimeline(1, 0), LOG);
  assert.equal(append(once, LOG), once);
  assert.equal(prepend(once, LOG), once);
});

test('loading backwards in pages of any size gives the same as reading from the start', () => {
  const forwards = append(emptyTimeline(1, 0), LOG);
  for (let size = 1; size <= LOG.length; size += 1) {
    for (let live = 0; live <= LOG.length; live += 1) {
      let timeline = append(emptyTimeline(1, LOG.length - live), LOG.slice(LOG.length - live));
      while (timeline.first > 1) {
        const end = timeline.first - 1;
        timeline = prepend(timeline, LOG.slice(Math.max(0, end - size), end));
      }
      assert.deepEqual(timeline.items, forwards.items, `pages of ${size}, ${live} live`);
      assert.equal(timeline.waiting.size, 0);
    }
  }
});

test('entries of a kind that this client does not know take up no room', () => {
  const timeline = append(emptyTimeline(1, 0), [entry(1), entry(2, { kind: 'dispatch', ref: 1 })]);
  assert.equal(timeline.last, 2);
  assert.equal(timeline.items.length, 1);
});

test('a name that JavaScript gives a meaning to is a name like any other', () => {
  const timeline = append(emptyTimeline(1, 0), [
    entry(1),
    entry(2, { kind: 'reaction', ref: 1, reaction: '__proto__', sender: 'constructor' }),
  ]);
  assert.deepEqual(timeline.items[0]?.reactions.get('__proto__'), ['constructor']);
});

test('a message is found by its seq, and only if it is a message', () => {
  const { items } = append(emptyTimeline(1, 0), LOG);
  assert.deepEqual(
    [1, 2, 3, 5, 9].map((seq) => indexOfSeq(items, seq)),
    [0, 1, -1, 2, -1],
  );
});

test("the last message of one's own that can be corrected is not a withdrawn one", () => {
  const timeline = append(emptyTimeline(1, 0), LOG);
  assert.equal(lastOwn(timeline, 'south-1')?.seq, 1);
  assert.equal(lastOwn(timeline, 'south-2'), undefined);
});
