/**
 * The interface in Korean. `{name}` stands for a value; sentences are built so that no particle depends on it.
 * @type {Readonly<Record<string, string>>}
 */
export const ko = {
  chat_title: "연락 대화방",
  skip_to_composer: "메시지 입력란으로 건너뛰기",

  loading: "불러오는 중…",

  link_connecting: "연결하는 중…",
  link_online: "연결됨",
  link_waiting: "연결이 끊어졌습니다. {seconds}초 후 다시 연결",
  link_offline: "연결되지 않음",
  link_complete: "{time}까지 빠짐없음",
  link_retry: "지금 다시 연결",
  link_outdated: "서버와 이 페이지의 버전이 다릅니다.",
  link_reload: "페이지 새로 고침",
  link_moving: "서버가 다시 시작하는 중입니다. {seconds}초 후 다시 연결",

  channels: "대화방",
  channels_joint: "양측 공동",
  channels_direct: "개인 대화",
  channels_empty: "아직 대화방이 없습니다.",
  unread: "읽지 않음: {count}",
  mentioned: "나를 부름: {count}",
  channels_registers: "대장",
  back_to_channels: "대화방 목록으로",
  choose_channel: "대화방을 선택하십시오.",

  log_label: "{channel} 메시지",
  log_empty: "아직 작성된 메시지가 없습니다.",
  log_loading: "이전 메시지를 불러오는 중…",
  log_start: "대화방의 처음입니다.",
  log_latest: "최근 메시지",
  log_latest_new: "새 메시지",
  first_unread: "여기부터 새 메시지",
  you: "나",
  bot: "봇",
  corrected: "정정됨",
  corrected_show: "정정 전 내용",
  withdrawn: "철회된 메시지입니다. 기록에는 남아 있습니다.",
  reply_to: "{name} 님에게 답장",
  reply_to_unknown: "이전 메시지에 답장",

  reaction_by: "{reaction} {names}",

  delivery_queued: "연결 대기 중",
  delivery_sent: "보내는 중",
  delivery_held: "대기 중: 연락이 중지됨",
  delivery_delivered: "전달됨",
  delivery_shown: "상대측에 표시됨",
  delivery_read: "읽음: {names}",
  precedence_priority: "긴급",
  precedence_flash: "지급",
  precedence_life_safety: "인명 안전",

  composer_label: "{channel} 메시지 입력",
  composer_placeholder: "{channel}에 메시지 쓰기",
  composer_send: "보내기",
  composer_hint: "Enter로 보내기, Shift+Enter로 줄바꿈",
  composer_joint: "상대측이 읽습니다",
  composer_private: "{side}만 읽습니다",
  composer_direct: "여기에 표시된 사람만 읽습니다",
  composer_read_only: "읽을 수만 있는 대화방입니다.",
  composer_too_long: "{bytes}바이트 초과",
  suspended: "연락 중지",
  cancel: "취소",
  typing_one: "{name} 님이 입력 중…",
  typing_many: "{names} 님이 입력 중…",

  people_show: "사람",

  search: "검색",
  date: "날짜로 이동",
};
