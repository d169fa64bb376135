/**
 * Listeners by event name. One that throws hurts neither the others nor whoever emits.
 *
 * @template {object} Events event name → argument of its listeners
 */
export class Emitter {
  /** @type {Map<keyof Events, Set<(argument: any) => void>>} */
  #listeners = new Map();
  /** @type {(event: keyof Events, error: unknown) => void} */
  #onListenerError;

  /** @param {(event: keyof Events, error: unknown) => void} onListenerError */
  constructor(onListenerError) {
    this.#onListenerError = onListenerError;
  }

  /**
   * @template {keyof Events} Name
   * @param {Name} event
   * @param {(argument: Events[Name]) => void} listener
   * @returns {() => void} stops listening
   */
  on(event, listener) {
    const listeners = this.#listeners.get(event) ?? new Set();
    this.#listeners.set(event, listeners.add(listener));
    return () => listeners.delete(listener);
  }

  /**
   * @template {keyof Events} Name
   * @param {Name} event
   * @param {Events[Name]} argument
   */
  emit(event, argument) {
    for (const listener of [...(this.#listeners.get(event) ?? [])]) {
      try {
        listener(argument);
      } catch (error) {
        this.#onListenerError(event, error);
      }
    }
  }
}
