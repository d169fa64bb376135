/**
 * What both pages show once somebody is inside and what writing doesn't wait for, in Korean: how people are, what can go
 * wrong.
 * @type {Readonly<Record<string, string>>}
 */
export const ko = {
  logout: "로그아웃",
  people_online: "접속: {count}명",
  people_stale: "{time}부터 확인 불가: 서버에 최신 접속 정보가 없습니다.",
  people_unknown: "연결이 없어 접속 상태를 확인할 수 없습니다.",
  close: "닫기",
  state_active: "활동 중",
  state_idle: "입력 없음",
  state_away: "자리 비움",
  state_dnd: "방해 금지",
  state_online: "접속 중",
  state_unconfirmed: "연결 불확실",
  state_offline: "접속 안 함",
  state_unknown: "확인 불가",

  error_too_large: "내용이 너무 깁니다.",
  error_forbidden: "권한이 없습니다.",
  error_gone: "없거나 더는 볼 수 없습니다.",
  error_withdrawn: "철회된 메시지입니다.",
  error_storage_full: "서버 저장 공간이 가득 차 보낼 수 없습니다. 읽기는 계속됩니다. 운영 담당자에게 알리십시오.",
  error_disconnected: "연결이 끊어졌습니다. 다시 연결된 뒤에 시도하십시오.",
};
