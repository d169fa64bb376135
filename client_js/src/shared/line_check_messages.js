/** What the strip of line checks says, in both languages; loaded with what shows it. */

import { addTexts } from "./i18n.js";

/** @type {Readonly<Record<string, string>>} */
export const en = {
  desk_staffed: "desk staffed",
  desk_empty: "line up, desk unstaffed",
  desk_closed: "line up, outside the desk’s hours",
  line_is_down: "line down",
  strip: "The last 30 days",
  outcome_answered: "Answered",
  outcome_desk_unstaffed: "Line up, desk unstaffed",
  outcome_not_answered: "Line up, not answered",
  outcome_line_down: "Line down",
  check_scheduled: "Still to come",
  check_open: "Under way",
  check_called: "Called",
  check_missed: "Missed",
  check_not_kept: "Before the register began",
  reason_side_down: "no client of that side was connected",
  reason_unknown: "the office could not tell",
  reason_office_down: "the office was down",
};

/** @type {Readonly<Record<string, string>>} */
export const ko = {
  desk_staffed: "근무자 있음",
  desk_empty: "회선 정상, 근무자 없음",
  desk_closed: "회선 정상, 근무 시간 외",
  line_is_down: "회선 끊김",
  strip: "최근 30일",
  outcome_answered: "응답함",
  outcome_desk_unstaffed: "회선 정상, 근무자 없음",
  outcome_not_answered: "회선 정상, 응답 없음",
  outcome_line_down: "회선 끊김",
  check_scheduled: "예정",
  check_open: "진행 중",
  check_called: "호출함",
  check_missed: "점검하지 못함",
  check_not_kept: "대장 시작 전",
  reason_side_down: "해당 측 접속 없음",
  reason_unknown: "확인할 수 없었음",
  reason_office_down: "연락사무소 서버 중단",
};

addTexts({ ko, en });
