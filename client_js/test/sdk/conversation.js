/** What the tests of the client share: one channel, what is shown of it, and a line that breaks. */

import { message } from "./scripted_server.js";

export const CHANNEL = "joint/general";

/** @typedef {import("./scripted_server.js").Bench} Bench */

/** @param {Bench} bench */
export function shown(bench) {
  return bench.client.timeline(CHANNEL).items.map(({ seq, state, text }) => [seq, state, text]);
}

/** A line that broke and is up again. @param {Bench} bench @param {Record<string, any>} [fields] of the answer to connect */
export async function reconnect(bench, fields) {
  bench.socket.drop(1006);
  await bench.time.advance(30_000);
  return await bench.accept(fields);
}

/** @param {number} from @param {number} to @param {Record<string, any>} [fields] */
export function page(from, to, fields = {}) {
  const messages = Array.from({ length: to - from + 1 }, (_, index) => message(from + index, fields));
  return { channel: CHANNEL, epoch: 1, head: 99, messages, ...fields };
}
