/**
 * What the registers' pages know and do for one person: administration as it stands, what is urgent, which dispatch is open,
 * which dialog. Read anew whenever an entry of a register arrives, so that a page never shows what was long ago decided.
 */

import { batch, effect, signal } from "@preact/signals";

import { channelIn } from "../chat/channel_address.js";
import { lineCheckKeyMs } from "../chat/use_registers.js";
import { Duty } from "../sdk/duty.js";
import { IndexedDbStorage } from "../sdk/indexeddb_storage.js";
import { LINE_CHECKS, LineChecks } from "../sdk/line_checks.js";
import { Registers } from "../sdk/registers.js";
import { SignedRecord } from "../sdk/signed_record.js";
import { MemoryStorage } from "../sdk/storage.js";
import { t } from "../shared/i18n.js";
import {
  dueStep,
  isUndecided,
  waitingDispatches,
  waitingHandovers,
  waitingLineChecks,
  waitingProposals,
} from "./waiting.js";

/** @typedef {import('../chat/desk.js').Desk} Desk */
/** @typedef {NonNullable<Desk['channel']['value']>} Channel */
/** @typedef {import('../sdk/registers.js').Dispatch} Dispatch */
/** @typedef {import('../sdk/registers.js').Administration} Administration */

export const ADMINISTRATION = "joint/administration";
export const DISPATCHES = "joint/dispatches";

/** Several entries often come together: one dispatch that is accepted makes two. */
const GATHER_MS = 60;
/** Whoever pressed the key of line checks before they were here meant what is open now, but not what comes much later. */
const KEY_MEANS_NOW_MS = 10_000;
/** As many as may be urgent at once without the page growing a list of them. */
const MOST_URGENT = 200;

/** Whoever comes in takes over one handover at a time; an older one that is open still shows. */
const MOST_HANDOVERS = 10;

const URGENT = new Set(["flash", "life_safety"]);

/** What is open inside a register: what stands behind `?` in the address. @param {string} hash */
export function openedIn(hash) {
  try {
    return decodeURIComponent(hash.split("?")[1] ?? "");
  } catch {
    return "";
  }
}

export class RegisterDesk {
  /** @param {Desk} desk */
  constructor(desk) {
    this.desk = desk;
    this.live = desk.live;
    const newKey = () => crypto.randomUUID();
    this.registers = new Registers(desk.client, newKey);
    this.lines = new LineChecks(desk.client, newKey);
    this.duty = new Duty(desk.client, newKey);
    /** Channels whose record contradicts what was seen here. @type {import('@preact/signals').Signal<readonly string[]>} */
    this.forks = signal([]);
    this.record = this.#openRecord();
    /** The last days of line checks, and what waits for a desk. @type {import('@preact/signals').Signal<import('../sdk/line_checks.js').LineChecksView | undefined>} */
    this.lineChecks = signal(undefined);
    /** @type {import('@preact/signals').Signal<Administration | undefined>} */
    this.administration = signal(undefined);
    /** Urgent dispatches that wait for the own side. @type {import('@preact/signals').Signal<readonly Dispatch[]>} */
    this.urgent = signal([]);
    /** Raised with each change of the dispatches: whoever shows some asks again. */
    this.version = signal(0);
    /** The dispatch that is open, by its number or id; empty is the list. */
    this.opened = signal(openedIn(location.hash));
    /** What lies over the page. @type {import('@preact/signals').Signal<import('preact').VNode | undefined>} */
    this.dialog = signal(undefined);
    /** @type {Map<string, ReturnType<typeof setTimeout>>} */
    this.gathering = new Map();
    const { client } = desk;
    this.endings = [
      client.on("timeline", (channel) => this.#onChange(channel)),
      client.on("connected", () => this.refresh()),
      client.on("channel", ({ channel }) => {
        if (client.channels.get(channel)?.kind === "joint") this.#soon(ADMINISTRATION);
      }),
      this.#followAddress(),
      this.#followKey(),
    ];
    if (desk.isConnected) this.refresh();
  }

  close() {
    for (const end of this.endings) end();
    for (const timer of this.gathering.values()) clearTimeout(timer);
  }

  /** Ask for everything. */
  refresh() {
    this.#soon(ADMINISTRATION);
    this.#soon(DISPATCHES);
    this.#soon(LINE_CHECKS);
    this.#soon(this.#ownDuty);
  }

  get me() {
    return this.live.me.value;
  }

  get isHead() {
    return this.me?.role === "head";
  }

  get own() {
    return this.me?.delegation ?? "";
  }

  get #ownDuty() {
    return `${this.own}/duty`;
  }

  /** What a channel is called on this screen. @param {string} name */
  titleOf(name) {
    const channel = this.desk.channels.value.get(name);
    return channel ? this.desk.titleOf(channel) : name;
  }

  /** What a side is called; for neither, the office. @param {string} delegation */
  sideName(delegation) {
    const side = this.live.side(delegation);
    return side ? side.title : { ko: t("office"), en: t("office") };
  }

  /** The suspension of a channel, once it is known. @param {string} channel */
  suspensionOf(channel) {
    return this.administration.value?.suspensions.find((one) => one.channel === channel);
  }

  /** The undecided proposal to end a suspension, the newest if there are several. @param {string} suspension */
  resumptionOf(suspension) {
    return this.administration.value?.proposals.find(
      ({ subject, state }) => subject.suspension === suspension && isUndecided(state),
    );
  }

  /** Open a dispatch, or the list of them. @param {string} name   Empty: the list. */
  open(name) {
    const address = `#${DISPATCHES}${name === "" ? "" : `?${encodeURIComponent(name)}`}`;
    if (address !== location.hash) history.pushState(null, "", address);
    batch(() => {
      if (this.desk.selected.value !== DISPATCHES) this.desk.show(DISPATCHES);
      this.opened.value = name;
    });
  }

  /** @param {import('preact').VNode} dialog */
  ask(dialog) {
    this.dialog.value = dialog;
  }

  /** What waits for one's own desk, if anything. */
  get ownCheck() {
    return this.lineChecks.value?.open.find((check) => dueStep(check).side === this.own);
  }

  /** Call the other desk, or answer it: whatever is due. @param {import('../sdk/line_checks.js').LineCheck} check */
  stepLineCheck(check) {
    const { step } = dueStep(check);
    // The check's own name in the key: pressing twice is once.
    return this.live.attempt(this.lines[step](check.check, { key: `${check.check} ${step}` }));
  }

  /** It checks every entry that comes from now on. */
  async #openRecord() {
    // A browser that forbids storage still reads; what it has seen then ends with the page.
    const storage = await IndexedDbStorage.open(indexedDB).catch(() => new MemoryStorage());
    const timers = {
      setTimeout: (/** @type {() => void} */ fn, /** @type {number} */ ms) => setTimeout(fn, ms),
      clearTimeout: (/** @type {ReturnType<typeof setTimeout>} */ id) => clearTimeout(id),
    };
    const record = new SignedRecord(this.desk.client, { subtle: crypto.subtle, storage, timers });
    record.on("fork", ({ channel }) => {
      this.forks.value = [...new Set([...this.forks.value, channel])];
    });
    record.on("signed", (channel) => {
      if (!record.standing(channel).fork) this.forks.value = this.forks.value.filter((name) => name !== channel);
    });
    return record;
  }

  #followKey() {
    return effect(() => {
      const isPressed = performance.now() - lineCheckKeyMs.value < KEY_MEANS_NOW_MS;
      if (this.lineChecks.value === undefined || !isPressed) return;
      lineCheckKeyMs.value = Number.NEGATIVE_INFINITY;
      const check = this.ownCheck;
      if (check) this.stepLineCheck(check);
    });
  }

  #followAddress() {
    const follow = () => {
      this.opened.value = openedIn(location.hash);
    };
    addEventListener("popstate", follow);
    // Another channel was opened, or this one anew from the list of channels.
    const end = effect(() => {
      void this.desk.visits.value;
      if (this.desk.selected.value !== channelIn(location.hash)) return;
      follow();
    });
    return () => {
      removeEventListener("popstate", follow);
      end();
    };
  }

  /** @param {string} channel */
  #onChange(channel) {
    if (channel === ADMINISTRATION || channel === LINE_CHECKS || channel === this.#ownDuty) this.#soon(channel);
    if (channel === DISPATCHES || channel === `${this.own}/dispatches`) this.#soon(DISPATCHES);
  }

  /** @param {string} what */
  #soon(what) {
    if (this.gathering.has(what)) return;
    const timer = setTimeout(() => {
      this.gathering.delete(what);
      this.#ask(what).catch(() => {
        // Without a line; asked again with the next connection.
      });
    }, GATHER_MS);
    this.gathering.set(what, timer);
  }

  /** @param {string} what */
  async #ask(what) {
    if (what === ADMINISTRATION) {
      this.administration.value = await this.registers.administration({ limit: MOST_URGENT });
      this.#count(what, waitingProposals(this.administration.value.proposals, this.own));
      return;
    }
    if (what === LINE_CHECKS) {
      this.lineChecks.value = await this.lines.lineChecks();
      this.#count(what, waitingLineChecks(this.lineChecks.value.open, this.own));
      return;
    }
    if (what === this.#ownDuty) {
      if (!this.desk.client.channels.has(what)) return;
      const { handovers } = await this.duty.handovers({ limit: MOST_HANDOVERS });
      this.#count(what, waitingHandovers(handovers));
      return;
    }
    this.version.value += 1;
    const { dispatches } = await this.registers.dispatches({ waitsOn: this.own, limit: MOST_URGENT });
    this.urgent.value = dispatches.filter(({ precedence, number }) => number !== "" && URGENT.has(precedence));
    const { numbered, drafts } = waitingDispatches(dispatches);
    this.#count(DISPATCHES, numbered);
    this.#count(`${this.own}/dispatches`, drafts);
  }

  /** How much of a register waits for the own side: worked out here, when it was told, and nowhere else. @param {string} channel @param {number} count */
  #count(channel, count) {
    const { waiting } = this.desk;
    // The same map while nothing changes, so that nobody draws it anew.
    if ((waiting.peek().get(channel) ?? 0) !== count) waiting.value = new Map(waiting.peek()).set(channel, count);
  }
}

/** @type {WeakMap<Desk, RegisterDesk>} */
const desks = new WeakMap();

/** The one that goes with a desk. @param {Desk} desk */
export function registerDeskOf(desk) {
  let found = desks.get(desk);
  if (found === undefined) {
    found = new RegisterDesk(desk);
    desks.set(desk, found);
    desk.endings.push(() => found?.close());
  }
  return found;
}
