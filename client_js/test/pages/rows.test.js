import assert from 'node:assert/strict';
import { test } from 'node:test';

import { GROUPING_MS, rowsOf } from '../../src/chat/rows.js';
import { append, emptyTimeline } from '../../src/chat/timeline.js';

const EVENING = Date.UTC(2026, 11, 31, 14, 58);

/** @param {number} seq @param {number} timeMs @param {string} sender @param {number} [ref] */
const text = (seq, timeMs, sender, ref = 0) => ({
  channel: 'joint/general',
  epoch: 1,
  seq,
  time_ms: timeMs,
  sender,
  delegation: 'south',
  key: `k${seq}`,
  kind: 'text',
  text: 'text',
  ref,
});

/** @param {ReturnType<typeof text>[]} entries @param {number | null} [unreadAfter] */
function shape(entries, unreadAfter = null) {
  const { items } = append(emptyTimeline(1, 0), entries);
  return rowsOf(items, { timeZone: 'Asia/Seoul', unreadAfter }).map((row) =>
    row.type === 'message' ? `${row.item.seq}${row.continues ? '+' : ''}` : row.id,
  );
}

test('messages of one author within five minutes share a heading', () => {
  const entries = [text(1, 0, 'a'), text(2, GROUPING_MS - 1, 'a'), text(3, 2 * GROUPING_MS - 1, 'a')];
  assert.deepEqual(shape(entries), ['day 1970-01-01', '1', '2+', '3']);
});

test('another author gets a heading', () => {
  assert.deepEqual(shape([text(1, 0, 'a'), text(2, 1, 'b')]), ['day 1970-01-01', '1', '2']);
});

test('a reply gets a heading, for it shows what it answers', () => {
  assert.deepEqual(shape([text(1, 0, 'a'), text(2, 1, 'a', 1)]), ['day 1970-01-01', '1', '2']);
});

test('days are those of the office, not of Greenwich', () => {
  const entries = [text(1, EVENING, 'a'), text(2, EVENING + 3 * 60_000, 'a')];
  assert.deepEqual(shape(entries), ['day 2026-12-31', '1', 'day 2027-01-01', '2']);
});

test('the mark of the first unread stands once, before the first message after the read position', () => {
  const entries = [text(1, 0, 'a'), text(3, 1, 'a'), text(4, 2, 'a')];
  assert.deepEqual(shape(entries, 2), ['day 1970-01-01', '1', 'unread', '3', '4+']);
  assert.deepEqual(shape(entries, 4), ['day 1970-01-01', '1', '3+', '4+']);
});
