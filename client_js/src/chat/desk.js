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

/** @typedef {import('../shared/live.js').Live} Live */
/** @typedef {ReturnType<Live['client']['timeline']>} Timeline */
/** @typedef {Timeline['items'][number]} Item */
/** @typedef {'active' | 'away' | 'dnd'} Choice   What one says of oneself; idle is seen, not said. */

/** @type {readonly Choice[]} */
export const CHOICES = ["active", "away", "dnd"];

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
    /** The own message that is being corrected. @type {import('@preact/signals').Signal<Item | undefined>} */
    this.correcting = signal(undefined);
    /** The message that is being answered. @type {import('@preact/signals').Signal<Item | undefined>} */
    this.replying = signal(undefined);
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
    this.endings = [watchAttention(), ...this.listen(), this.followAddress(), this.tellAvailability()];
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
      client.on("read", refresh),
      client.on("connected", () => {
        refresh();
        client.watchPresence();
        for (const channel of client.channels.keys()) client.subscribe(channel);
        if (!client.channels.has(this.selected.value)) this.open(isNarrow() ? "" : this.firstChannel());
      }),
      client.on("channel", ({ event, channel }) => {
        refresh();
        if (event === "added") client.subscribe(channel);
        if (event === "removed" && this.selected.value === channel) this.open("");
      }),
      client.on("timeline", (channel) => {
        const known = this.timelines.get(channel);
        if (known) known.value = client.timeline(channel);
        refresh();
      }),
      client.on("typing", (channel) => {
        const known = this.typists.get(channel);
        if (known) known.value = client.typists(channel);
      }),
    ];
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
    const joint = all.filter(({ kind }) => kind === "joint").sort((a, b) => b.head - a.head);
    return (last ?? joint[0] ?? all[0])?.channel ?? "";
  }

  /** Open a channel and put it into the address. @param {string} channel */
  open(channel) {
    if (channel !== channelIn(location.hash)) history.pushState(null, "", addressOf(channel));
    this.show(channel);
  }

  /** @param {string} channel */
  show(channel) {
    if (channel !== "") remember("channel", channel);
    batch(() => {
      this.selected.value = channel;
      this.correcting.value = undefined;
      this.replying.value = undefined;
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
