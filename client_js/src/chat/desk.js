/**
 * What one person's chat page knows and does: the open channel, what is being corrected or answered, which panel is
 * open. The components below it draw this and call it; the SDK does the talking.
 */

import { batch, computed, effect, signal } from "@preact/signals";

import { locale, titled } from "../shared/i18n.js";
import { recall, remember } from "../shared/preferences.js";
import { attended, idle, watchAttention } from "./attention.js";
import { addressOf, channelIn } from "./channel_address.js";
import { isReadAcross, membersOf } from "./channel_groups.js";
import { extras, loadExtras, loadExtrasLater } from "./use_extras.js";

/** @typedef {import('../shared/live.js').Live} Live */
/** @typedef {ReturnType<Live['client']['timeline']>} Timeline */
/** @typedef {Timeline['items'][number]} Item */
/** @typedef {'active' | 'away' | 'dnd'} Choice   What one says of oneself; idle is seen, not said. */

/** @typedef {'' | 'switcher' | 'help' | 'date' | 'account'} Sheet */

/** @type {readonly Choice[]} */
export const CHOICES = ["active", "away", "dnd"];

const HIDDEN_FRAME_MS = 250;
/** The names of `shortcuts.js`, for as long as it is not here. */
const EARLY_SHORTCUT = /^(F9|C(KeyK|Slash|SKey[DF])|AArrow(Up|Down))$/;
/** While messages come thick they are drawn no more often than this, so that frames are left for who writes. */
const DRAWING_MS = 100;

export class Desk {
  /** @param {Live} live */
  constructor(live) {
    this.live = live;
    this.client = live.client;
    this.channels = signal(live.client.channels);
    /** The open channel; empty is none, which a phone shows as the list. */
    this.selected = signal(channelIn(location.hash));
    /** @type {import('@preact/signals').Signal<'' | 'people' | 'search'>} */
    this.panel = signal("");
    /** What lies over the page. @type {import('@preact/signals').Signal<Sheet>} */
    this.sheet = signal("");
    /** The own message that is being corrected. @type {import('@preact/signals').Signal<Item | undefined>} */
    this.correcting = signal(undefined);
    /** The message that is being answered. @type {import('@preact/signals').Signal<Item | undefined>} */
    this.replying = signal(undefined);
    /** Raised each time a channel is opened, also the same one. */
    this.visits = signal(0);
    /** How urgent the next message is. */
    this.precedence = signal("");
    /** How much waits for the own side, by register; kept by the registers' pages. @type {import('@preact/signals').Signal<ReadonlyMap<string, number>>} */
    this.waiting = signal(new Map());
    /** The message that the list should bring into view. */
    this.target = signal(0);
    /** @type {import('@preact/signals').Signal<Choice>} */
    this.choice = signal(CHOICES.find((choice) => choice === recall("availability")) ?? "active");
    /** The open channel as the server describes it. */
    this.channel = computed(() => this.channels.value.get(this.selected.value));
    /** @type {Map<string, import('@preact/signals').Signal<Timeline>>} */
    this.timelines = new Map();
    /** @type {Map<string, import('@preact/signals').Signal<readonly string[]>>} */
    this.typists = new Map();
    /** How far others have read, raised with every change. */
    this.readVersion = signal(0);
    /** Channels of which there is something new to draw. @type {Set<string>} */
    this.stale = new Set();
    /** @type {Promise<void> | undefined} */
    this.drawing = undefined;
    /** When that was done last, on the page's clock. */
    this.drawnMs = -DRAWING_MS;
    /** A key was pressed, and there may have been no frame since. */
    this.isKeyed = false;
    this.endings = [
      watchAttention(),
      ...this.listen(),
      this.followAddress(),
      this.followKeys(),
      this.tellAvailability(),
      this.followExtras(),
    ];
  }

  /** Stop listening to the window and the client. */
  close() {
    for (const end of this.endings) end();
  }

  listen() {
    const { client } = this;
    const refresh = () => {
      this.channels.value = client.channels;
    };
    return [
      client.on("state", refresh),
      client.on("read", () => {
        this.readVersion.value += 1;
        this.drawn();
      }),
      client.on("connected", () => {
        refresh();
        loadExtrasLater();
        for (const channel of client.channels.keys()) client.subscribe(channel);
        if (!client.channels.has(this.selected.value)) this.open(isNarrow() ? "" : this.firstChannel());
      }),
      client.on("channel", ({ event, channel }) => {
        refresh();
        if (event === "added") client.subscribe(channel);
        if (event === "removed" && this.selected.value === channel) this.open("");
      }),
      client.on("timeline", (channel) => {
        this.stale.add(channel);
        this.drawn();
      }),
      client.on("typing", (channel) => {
        const known = this.typists.get(channel);
        if (known) known.value = client.typists(channel);
      }),
    ];
  }

  /** What goes on all the while and is loaded later. */
  followExtras() {
    return effect(() => extras.value?.accompany(this));
  }

  /**
   * What the badge of a channel counts: unread messages; of a register what waits for the own side, whoever has read its
   * entries. Looked up and not worked out, since it is drawn with every message that comes.
   * @param {NonNullable<Desk['channel']['value']>} channel
   */
  newsIn({ channel, unread, isRegister }) {
    return isRegister ? (this.waiting.value.get(channel) ?? 0) : unread;
  }

  /** How many unread messages of a channel mention this person. @param {NonNullable<Desk['channel']['value']>} info */
  mentionsIn({ channel, readSeq, unread, isRegister }) {
    const me = this.live.me.value?.user;
    if (unread === 0 || isRegister || me === undefined) return 0;
    const { items } = this.client.timeline(channel);
    let count = 0;
    for (let index = items.length - 1; index >= 0; index -= 1) {
      const item = /** @type {Item} */ (items[index]);
      if (item.seq > 0 && item.seq <= readSeq) break;
      if (item.mentions.includes(me) && !item.withdrawn && item.sender !== me) count += 1;
    }
    return count;
  }

  /** People who can read a channel, without oneself. @param {NonNullable<Desk['channel']['value']>} channel */
  readersOf(channel) {
    const me = this.live.me.value?.user;
    const side = channel.kind === "side" ? channel.channel.slice(0, channel.channel.indexOf("/")) : "";
    const members = channel.kind === "direct" ? membersOf(channel) : channel.members;
    return [...this.live.people.value.values()].filter(
      ({ user, role, delegation }) =>
        user !== me &&
        (role === "official" || role === "head") &&
        (side === "" || delegation === side) &&
        (members.length === 0 || members.includes(user)),
    );
  }

  /** @param {Sheet} name */
  openSheet(name) {
    this.live.attempt(loadExtras());
    this.sheet.value = name;
  }

  /** @param {'people' | 'search'} name */
  togglePanel(name) {
    this.live.attempt(loadExtras());
    this.panel.value = this.panel.value === name ? "" : name;
  }

  /** Draw what has changed, in one frame however much that is; resolves once it is in the document. */
  drawn() {
    this.drawing ??= new Promise((resolve) => {
      this.nextFrame(this.drawnMs + DRAWING_MS - performance.now(), () => {
        this.drawnMs = performance.now();
        this.drawing = undefined;
        const changed = [...this.stale];
        this.stale.clear();
        batch(() => {
          for (const channel of changed) {
            const known = this.timelines.get(channel);
            if (known) known.value = this.client.timeline(channel);
          }
          this.channels.value = this.client.channels;
        });
        resolve();
      });
    });
    return this.drawing;
  }

  /**
   * A hidden page has no frames, and its title and count go on all the same.
   * @param {number} waitMs   Of a page that can be seen; may be in the past.
   * @param {() => void} draw
   */
  nextFrame(waitMs, draw) {
    if (document.visibilityState === "hidden") setTimeout(draw, HIDDEN_FRAME_MS);
    else
      setTimeout(requestAnimationFrame, waitMs, () => {
        // The frame that shows a key press is the writer's; what others wrote comes with the next one.
        if (this.isKeyed) requestAnimationFrame(draw);
        else draw();
        this.isKeyed = false;
      });
  }

  followKeys() {
    const note = (/** @type {KeyboardEvent} */ event) => {
      this.isKeyed = true;
      if (extras.value) return;
      const { code, ctrlKey, metaKey, altKey, shiftKey } = event;
      if (!EARLY_SHORTCUT.test(`${ctrlKey || metaKey ? "C" : ""}${altKey ? "A" : ""}${shiftKey ? "S" : ""}${code}`))
        return;
      // What follows shortcuts is fetched at once, and then the key is pressed again.
      event.preventDefault();
      this.live.attempt(loadExtras().then(() => dispatchEvent(new KeyboardEvent("keydown", event))));
    };
    addEventListener("keydown", note, true);
    return () => removeEventListener("keydown", note, true);
  }

  get isConnected() {
    return this.client.state.name === "connected";
  }

  followAddress() {
    const follow = () => this.show(channelIn(location.hash));
    addEventListener("popstate", follow);
    return () => removeEventListener("popstate", follow);
  }

  tellAvailability() {
    return effect(() => {
      const { value } = this.choice;
      this.client.setAvailability(value === "active" && idle.value ? "idle" : value);
    });
  }

  /** The channel of the last visit, else the joint one in which most was said, else any. */
  firstChannel() {
    const all = [...this.client.channels.values()];
    const last = all.find(({ channel }) => channel === recall("channel"));
    const joint = all.filter(({ kind, isRegister }) => kind === "joint" && !isRegister).sort((a, b) => b.head - a.head);
    return (last ?? joint[0] ?? all[0])?.channel ?? "";
  }

  /** Open a channel and put it into the address. @param {string} channel */
  open(channel) {
    // What was open inside the channel is left, too.
    if (channel !== channelIn(location.hash) || location.hash.includes("?"))
      history.pushState(null, "", addressOf(channel));
    this.show(channel);
  }

  /** @param {string} channel */
  show(channel) {
    if (channel !== "") remember("channel", channel);
    batch(() => {
      this.selected.value = channel;
      this.visits.value += 1;
      this.correcting.value = undefined;
      this.replying.value = undefined;
      this.precedence.value = "";
      this.target.value = 0;
      if (isNarrow()) this.panel.value = "";
    });
  }

  /** Open a channel at one of its messages. @param {string} channel @param {number} seq */
  jump(channel, seq) {
    this.open(channel);
    const show = async () => {
      await this.client.loadUntil(channel, seq);
      this.target.value = seq;
    };
    return this.live.attempt(show());
  }

  /** Open the direct channel with somebody. @param {string} user */
  write(user) {
    const open = async () => {
      const { channel } = await this.client.openDirect([user]);
      this.client.subscribe(channel);
      this.open(channel);
    };
    return this.live.attempt(open());
  }

  /** @param {Choice} choice */
  choose(choice) {
    this.choice.value = choice;
    remember("availability", choice === "active" ? "" : choice);
  }

  /** A channel's messages, as a signal. @param {string} channel */
  timeline(channel) {
    let known = this.timelines.get(channel);
    if (known === undefined) {
      known = signal(this.client.timeline(channel));
      this.timelines.set(channel, known);
    }
    return known;
  }

  /** Who is writing in a channel, as a signal. @param {string} channel */
  typistsOf(channel) {
    let known = this.typists.get(channel);
    if (known === undefined) {
      known = signal(this.client.typists(channel));
      this.typists.set(channel, known);
    }
    return known;
  }

  /**
   * What a channel is called on this screen: direct ones by the other people in them.
   * @param {NonNullable<Desk['channel']['value']>} channel
   */
  titleOf(channel) {
    // Read here, so that whatever shows a title is drawn again in another language.
    void locale.value;
    if (channel.kind !== "direct") return titled(channel.title);
    const me = this.live.me.value?.user;
    const others = membersOf(channel).filter((user) => user !== me);
    return others.map((user) => this.live.nameOf(user)).join(", ");
  }

  /** @param {NonNullable<Desk['channel']['value']>} channel */
  isReadAcross(channel) {
    return isReadAcross(channel, this.live.me.value?.delegation ?? "", this.live.people.value);
  }

  /** Everything of the open channel has been seen, if somebody sits here. @param {Timeline} timeline */
  markRead(timeline) {
    const info = this.client.channels.get(timeline.channel);
    if (attended.value && info && timeline.head > info.readSeq) this.client.read(timeline.channel, timeline.head);
  }

  /** Correct an own message in the composer. @param {Item | undefined} item */
  correct(item) {
    this.replying.value = undefined;
    this.correcting.value = item;
  }

  /** Answer a message in the composer. @param {Item | undefined} item */
  reply(item) {
    this.correcting.value = undefined;
    this.replying.value = item;
  }

  /** Correct the last own message; one that is still on its way can't be, and an earlier one isn't meant. */
  correctLast() {
    const me = this.live.me.value?.user;
    const { items } = this.client.timeline(this.selected.value);
    const last = items.findLast((item) => item.sender === me && !item.withdrawn);
    if (last && last.seq > 0) this.correct(last);
  }
}

/** Whether the page shows one column at a time; the style sheet has the same bound. */
export function isNarrow() {
  return matchMedia("(max-width: 700px)").matches;
}
