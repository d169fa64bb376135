/**
 * The files that are to go with what is being written, from their choice until they are up, and what waits for that. A
 * value apart from what draws it: uploads go on while something else is on the screen.
 */

import { batch, signal } from "@preact/signals";

import { MAX_ATTACHMENTS } from "../sdk/limits.js";
import { refusalOf, upload } from "./upload.js";

/** @typedef {import("../sdk/attachments.js").Named} Named */
/** @typedef {import("./upload.js").Failure} Failure */

/**
 * A file on its way. `done` is what the server answered; `part` how much of it has gone, from 0 to 1; `file` is missing for
 * what was attached before.
 * @typedef {{ id: number, name: string, bytes: number, part: number, ends: AbortController, file?: File, done?: Named,
 *   failure?: Failure | undefined }} Waiting
 */

export class Tray {
  /**
   * @param {string} channel   Where they are uploaded to.
   * @param {{ maxBytes?: number | undefined, present?: readonly Named[], send?: typeof upload }} [options]   `maxBytes` is
   *   how large a file may be, 0 where none are taken; `present` what is attached already.
   */
  constructor(channel, { maxBytes = Number.POSITIVE_INFINITY, present = [], send = upload } = {}) {
    this.channel = channel;
    this.maxBytes = maxBytes;
    this.send = send;
    this.lastId = 0;
    /** @type {import("@preact/signals").Signal<readonly Waiting[]>} */
    this.files = signal(present.map((done) => this.#waiting(done.name, done.size_bytes, { part: 1, done })));
    /** More were chosen than may go along. */
    this.excess = signal(false);
    /** What waits until the files are up. @type {import("@preact/signals").Signal<{ go: (files: readonly Named[]) => void, heldBack: () => void } | undefined>} */
    this.held = signal(undefined);
    /** What waited last did not go. */
    this.isHeldBack = signal(false);
  }

  /** Those that neither failed nor will. */
  get usable() {
    return this.files.value.filter(({ failure }) => !failure);
  }

  /** Those that are up, as a message names them. @returns {readonly Named[]} */
  get named() {
    return this.files.value.flatMap(({ done }) => done ?? []);
  }

  /** Some are still on their way up. */
  get isBusy() {
    return this.usable.some(({ done }) => !done);
  }

  /** @param {Iterable<File>} files */
  add(files) {
    for (const file of files) {
      const room = this.usable.length < MAX_ATTACHMENTS;
      this.excess.value = !room;
      if (!room) return;
      const failure = refusalOf(file, this.maxBytes);
      const one = this.#waiting(file.name, file.size, { file, failure });
      this.files.value = [...this.files.value, one];
      if (failure) this.#holdBack();
      else this.#start(one);
    }
  }

  /** Once more what failed on its way. @param {Waiting} one */
  retry(one) {
    this.#change(one.id, { failure: undefined, part: 0 });
    this.#start(one);
  }

  /** @param {Waiting} one */
  remove(one) {
    one.ends.abort();
    this.files.value = this.files.value.filter(({ id }) => id !== one.id);
    this.excess.value = false;
    // Whoever takes a file away may not want the rest to go as it is: they say so.
    this.#holdBack();
  }

  /**
   * Do something with all of them once they are up: now, or when the last one is. It is held back for good, and `heldBack`
   * is called, when a file fails or is taken away meanwhile. While something waits, another call does nothing.
   * @param {(files: readonly Named[]) => void} go
   * @param {() => void} [heldBack]
   */
  whenUp(go, heldBack = () => {}) {
    if (this.held.value) return;
    this.isHeldBack.value = false;
    if (this.isBusy) this.held.value = { go, heldBack };
    else go(this.named);
  }

  /** What waits is not to go after all. */
  callOff() {
    this.held.value = undefined;
  }

  /** They have gone. */
  clear() {
    batch(() => {
      this.files.value = [];
      this.excess.value = false;
    });
  }

  /** Nothing comes of what is still on its way. */
  close() {
    this.callOff();
    for (const { ends } of this.files.value) ends.abort();
  }

  /** @param {string} name @param {number} bytes @param {Partial<Waiting>} more @returns {Waiting} */
  #waiting(name, bytes, more) {
    this.lastId += 1;
    return { id: this.lastId, name: name.normalize("NFC"), bytes, part: 0, ends: new AbortController(), ...more };
  }

  /** @param {number} id @param {Partial<Waiting>} changes */
  #change(id, changes) {
    this.files.value = this.files.value.map((one) => (one.id === id ? { ...one, ...changes } : one));
  }

  /** @param {Waiting} one */
  async #start({ id, file, ends }) {
    if (!file) return;
    try {
      const onProgress = (/** @type {number} */ part) => this.#change(id, { part });
      const done = await this.send(this.channel, file, { onProgress, signal: ends.signal });
      // The server takes a content once, whatever it is called.
      if (this.named.some(({ sha256 }) => sha256 === done.sha256)) throw { name: "attachment_twice" };
      this.#change(id, { part: 1, done });
    } catch (error) {
      if (ends.signal.aborted) return;
      this.#change(id, { failure: /** @type {Failure} */ (error) });
      this.#holdBack();
    }
    const { held } = this;
    if (this.isBusy || !held.value) return;
    const { go } = held.value;
    held.value = undefined;
    go(this.named);
  }

  #holdBack() {
    const waited = this.held.value;
    if (!waited) return;
    batch(() => {
      this.held.value = undefined;
      this.isHeldBack.value = true;
    });
    waited.heldBack();
  }
}
