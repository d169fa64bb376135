/**
 * Signing in, language and appearance, in English: loaded beside the other texts by what shows it.
 * @type {Readonly<Record<string, string>>}
 */
export const en = {
  language_switch: "Language",
  theme_switch: "Appearance",
  theme_auto: "As the system",
  theme_light: "Light",
  theme_dark: "Dark",

  login_heading: "Sign in",
  login_user: "User name",
  login_password: "Password",
  login_code: "One-time code",
  login_code_hint: "Only if one was set up for you",
  login_submit: "Sign in",
  login_busy: "Signing in …",

  error_reference: "Reference: {ref}",
  error_network: "The server can’t be reached. Check your connection and try again.",
  error_unknown: "Something went wrong ({name}). Reload the page.",
  error_unauthenticated: "You are not signed in any more.",
  error_revoked: "Your access was withdrawn. Sign in again, or ask your head of delegation.",
  error_wrong_credentials: "User name, password or code is wrong.",
  error_too_many_sessions: "You are signed in on too many devices. Close one and try again.",
  error_rate_limited: "Too fast. Wait a moment and try again.",
  error_unavailable: "The server can’t do this just now. Try again.",
  error_internal: "An error in the server. Please report its reference.",
  error_origin_refused: "The server does not accept this address of the page.",
  error_timeout: "The server did not answer in time.",
};
