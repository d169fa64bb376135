/**
 * What both pages show once somebody is inside and what writing doesn't wait for, in English: how people are, what can go
 * wrong.
 * @type {Readonly<Record<string, string>>}
 */
export const en = {
  logout: "Sign out",
  people_online: "Online: {count}",
  people_stale: "Unknown since {time}: the server has no fresh word of who is here.",
  people_unknown: "Presence is unknown without a connection.",
  close: "Close",
  state_active: "Active",
  state_idle: "Idle",
  state_away: "Away",
  state_dnd: "Do not disturb",
  state_online: "Online",
  state_unconfirmed: "Connection uncertain",
  state_offline: "Offline",
  state_unknown: "Unknown",

  error_too_large: "This is too long.",
  error_forbidden: "You may not do this.",
  error_gone: "This is not there, or not any more.",
  error_withdrawn: "The message was withdrawn.",
  error_storage_full: "The server’s storage is full: nothing can be sent, reading goes on. Tell operations.",
  error_disconnected: "The connection was lost. Try again once it is back.",
};
