/**
 * Signing in, language and appearance, in Korean: loaded beside the other texts by what shows it.
 * @type {Readonly<Record<string, string>>}
 */
export const ko = {
  language_switch: "언어",
  theme_switch: "화면 모드",
  theme_auto: "시스템 설정",
  theme_light: "밝게",
  theme_dark: "어둡게",

  login_heading: "로그인",
  login_user: "사용자 이름",
  login_password: "비밀번호",
  login_code: "일회용 코드",
  login_code_hint: "설정한 경우에만 입력",
  login_submit: "로그인",
  login_busy: "로그인하는 중…",

  error_reference: "오류 번호: {ref}",
  error_network: "서버에 연결할 수 없습니다. 연결을 확인하고 다시 시도하십시오.",
  error_unknown: "문제가 발생했습니다({name}). 화면을 새로 고치십시오.",
  error_unauthenticated: "로그인이 해제되었습니다.",
  error_revoked: "접근 권한이 철회되었습니다. 다시 로그인하거나 소속 대표에게 문의하십시오.",
  error_wrong_credentials: "사용자 이름, 비밀번호 또는 코드가 올바르지 않습니다.",
  error_too_many_sessions: "너무 많은 기기에서 로그인되어 있습니다. 하나를 닫고 다시 시도하십시오.",
  error_rate_limited: "너무 빠릅니다. 잠시 후 다시 시도하십시오.",
  error_unavailable: "지금은 서버가 처리할 수 없습니다. 다시 시도하십시오.",
  error_internal: "서버 오류입니다. 오류 번호를 알려 주십시오.",
  error_origin_refused: "서버가 허용하지 않는 주소에서 연 화면입니다.",
  error_timeout: "서버가 제때 응답하지 않았습니다.",
};
