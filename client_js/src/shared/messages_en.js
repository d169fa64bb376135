/**
 * The interface in English. `{name}` stands for a value. messages_ko.js has the same keys and values.
 * @type {Readonly<Record<string, string>>}
 */
export const en = {
  chat_title: "Liaison",
  skip_to_composer: "Skip to the message field",

  loading: "Loading …",

  link_connecting: "Connecting …",
  link_online: "Connected",
  link_waiting: "Connection lost. Reconnecting in {seconds} s",
  link_offline: "Not connected",
  link_complete: "Complete up to {time}",
  link_retry: "Reconnect now",
  link_outdated: "The server speaks another version than this page.",
  link_reload: "Reload the page",
  link_moving: "The server is restarting. Reconnecting in {seconds} s",

  channels: "Channels",
  channels_joint: "Both sides",
  channels_direct: "Direct messages",
  channels_empty: "You have no channel yet.",
  unread: "Unread: {count}",
  mentioned: "Mentions of you: {count}",
  channels_registers: "Registers",
  back_to_channels: "Back to the channels",
  choose_channel: "Choose a channel.",

  log_label: "Messages in {channel}",
  log_empty: "Nothing has been written here yet.",
  log_loading: "Loading earlier messages …",
  log_start: "This is the beginning of the channel.",
  log_latest: "Latest messages",
  log_latest_new: "New messages",
  first_unread: "New since you were last here",
  you: "you",
  bot: "bot",
  corrected: "corrected",
  corrected_show: "Earlier versions",
  withdrawn: "This message was withdrawn. The record keeps it.",
  reply_to: "In reply to {name}",
  reply_to_unknown: "In reply to an earlier message",

  reaction_by: "{reaction} from {names}",

  delivery_queued: "Waiting for the connection",
  delivery_sent: "Sending",
  delivery_held: "Waiting: the line is suspended",
  delivery_delivered: "Delivered",
  delivery_shown: "Shown at their side",
  delivery_read: "Read by {names}",
  precedence_priority: "Priority",
  precedence_flash: "Flash",
  precedence_life_safety: "Life safety",

  composer_label: "Message to {channel}",
  composer_placeholder: "Write to {channel}",
  composer_send: "Send",
  composer_hint: "Enter sends, Shift+Enter starts a new line",
  composer_joint: "The other side will read this",
  composer_private: "Only {side} reads this",
  composer_direct: "Only the people named here read this",
  composer_read_only: "You can read this channel but not write in it.",
  composer_too_long: "Too long by {bytes} bytes",
  suspended: "Suspended",
  cancel: "Cancel",
  typing_one: "{name} is writing …",
  typing_many: "{names} are writing …",

  people_show: "People",

  search: "Search",
  date: "Go to a date",
};
