/** The SDK as both pages use it: made with what this browser has, and its values as signals. */

import { batch, signal } from "@preact/signals";

import { LiaisonClient } from "../sdk/client.js";
import { IndexedDbStorage } from "../sdk/indexeddb_storage.js";
import { MemoryStorage } from "../sdk/storage.js";
import { UNKNOWN_PRESENCE } from "../sdk/unknown_presence.js";
import { ownZone, usableZone } from "./clocks.js";

const VERSION = "web/0.1.0";

/** Where the outbox is kept. A browser that forbids storage still chats; its outbox then ends with the page. */
async function openStorage() {
  try {
    return await IndexedDbStorage.open(indexedDB);
  } catch {
    return new MemoryStorage();
  }
}

/** What ops read in the table of sessions: enough to tell two devices of one person apart, and no more. */
function deviceName() {
  return matchMedia("(pointer: coarse)").matches ? "mobile" : "desktop";
}

const browserOnline = {
  isOnline: () => navigator.onLine,
  /** @param {() => void} changed */
  onChange: (changed) => {
    addEventListener("online", changed);
    addEventListener("offline", changed);
    return () => {
      removeEventListener("online", changed);
      removeEventListener("offline", changed);
    };
  },
};

/** @returns {Promise<LiaisonClient>} */
export async function openClient() {
  return new LiaisonClient({
    url: `${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/api/v1/socket`,
    WebSocket,
    fetch: (url) => fetch(url),
    storage: await openStorage(),
    timers: { setTimeout: (fn, ms) => setTimeout(fn, ms), clearTimeout: (id) => clearTimeout(id) },
    now: () => Date.now(),
    random: () => Math.random(),
    newKey: () => crypto.randomUUID(),
    online: browserOnline,
    client: VERSION,
    device: deviceName(),
  });
}

/** Who is who, and how the line is: signals that follow one client. */
export class Live {
  /** @param {LiaisonClient} client */
  constructor(client) {
    this.client = client;
    this.link = signal(client.state);
    this.me = signal(client.me);
    this.office = signal(client.office);
    this.people = signal(client.people);
    /** Follows once somebody asked for it; see `follow_presence.js`. */
    this.presence = signal(UNKNOWN_PRESENCE);
    /** @type {import("@preact/signals").Signal<import("../sdk/client.js").Events["notice"] | undefined>} */
    this.notice = signal(undefined);
    /** Why the last thing that was asked for could not be done. @type {import("@preact/signals").Signal<{ name: string, ref?: string } | undefined>} */
    this.failure = signal(undefined);
    /** This browser is getting another cookie, for which the server ends the line; whoever asked for it begins the next. */
    this.isRenewing = false;
    client.on("state", (state) => {
      this.link.value = state;
      // Before the first connection these are what the device remembers from the last visit.
      this.refresh();
    });
    client.on("connected", () => this.refresh());
    client.on("notice", (notice) => {
      this.notice.value = notice;
    });
    client.on("error", ({ where, error }) => console.warn(`liaison: ${where}`, error));
  }

  refresh() {
    const { me, office, people } = this.client;
    batch(() => {
      this.me.value = me;
      this.office.value = office;
      this.people.value = people;
    });
  }

  /** Show it if something asked of the server fails. @param {Promise<unknown>} asked */
  async attempt(asked) {
    try {
      await asked;
      this.failure.value = undefined;
    } catch (error) {
      this.failure.value = /** @type {{ name: string, ref?: string }} */ (error);
    }
  }

  /** What people call somebody; the id where the office doesn't know them any more. @param {string} user */
  nameOf(user) {
    return this.people.value.get(user)?.name ?? user;
  }

  /** @param {string} delegation */
  side(delegation) {
    return this.office.value?.delegations.get(delegation);
  }

  /** Both delegations, the own one first. */
  get sides() {
    const own = this.me.value?.delegation;
    const all = [...(this.office.value?.delegations.values() ?? [])];
    return all.sort((a, b) => Number(b.id === own) - Number(a.id === own));
  }

  /** The zone in which this person reads times: that of the own side, else of the browser. */
  get timeZone() {
    return usableZone(this.side(this.me.value?.delegation ?? "")?.timeZone ?? ownZone());
  }
}
