/** What attaching and fetching files says, in both languages; loaded with what shows it. */

import { addTexts } from "./i18n.js";

/** @type {Readonly<Record<string, string>>} */
export const en = {
  attach: "Attach files",
  attach_list: "Files to be sent along",
  attach_progress: "{percent} %",
  attach_remove: "Take {name} away again",
  attach_get: "Download {name}",
  attach_hash: "SHA-256",
  attach_hash_true: "SHA-256, recomputed here of what the server has: it matches",
  attach_hash_false: "The file does not have the recorded SHA-256. Do not rely on it; tell operations.",
  attach_check: "Check",
  attach_check_name: "Check {name}",
  attach_formal: "Attachments",
  attach_formal_hint: "Part of the text: each is on the record by its hash. Up to {count} files.",
  attach_held_draft: "It is saved as soon as its files are up, as it stands here then.",
  attach_retry: "Try again",
  attach_limit: "At most {size} is possible.",
  attach_held: "The message goes as soon as its files are up.",
  attach_call_off: "Don’t send yet",
  attach_held_back:
    "The message was not sent, as one of its files failed or was taken away. Send it again as it is to go.",

  error_no_such_attachment: "This file is not there, or not any more.",
  error_attachment_type:
    "Files of this type can’t be attached. Possible are PDF, HWPX, Word, Excel, PowerPoint, OpenDocument, PNG, JPEG, WebP, TXT and CSV.",
  error_attachment_mismatch:
    "The file is not what its name says, is damaged, or has macros in it. Text must be in UTF-8: save it anew and try again.",
  error_attachment_too_large: "The file is too large.",
  error_attachment_name: "The file’s name can’t be used. It needs the ending of its type.",
  error_attachment_incomplete: "The file is empty or did not arrive as a whole. Try again.",
  error_attachment_slow: "The file came too slowly. Try again on a better line.",
  error_attachment_quota: "Your side’s files take all the room that they may have. Tell operations.",
  error_attachment_not_uploaded: "An attached file is not there any more. Attach it again.",
  error_attachment_twice: "This file is attached already.",
  error_attachment_unsaved:
    "Nothing was saved, as a file failed or was taken away. What you wrote is still here: save it again as it is to be.",
  error_attachment_held_back:
    "A message was not sent, as one of its files did not get up. Its text is still in the field of its channel.",
  error_attachments_off: "This office takes no files.",
  error_attachment_many: "At most {count} files go with one message.",
};

/** @type {Readonly<Record<string, string>>} */
export const ko = {
  attach: "파일 첨부",
  attach_list: "함께 보낼 파일",
  attach_progress: "{percent} % 올림",
  attach_remove: "{name} 빼기",
  attach_get: "{name} 내려받기",
  attach_hash: "SHA-256 해시",
  attach_hash_true: "SHA-256 해시, 서버에 있는 파일로 여기서 다시 계산함: 일치",
  attach_hash_false: "파일의 SHA-256이 기록과 다릅니다. 믿지 말고 운영 담당자에게 알리십시오.",
  attach_check: "확인",
  attach_check_name: "{name} 확인",
  attach_formal: "첨부",
  attach_formal_hint: "본문의 일부로, 해시가 기록에 남습니다. 파일 {count}개까지 됩니다.",
  attach_held_draft: "파일이 다 올라가면 그때 이 화면에 있는 대로 저장합니다.",
  attach_retry: "다시 시도",
  attach_limit: "{size}까지 가능합니다.",
  attach_held: "파일이 다 올라가면 글을 바로 보냅니다.",
  attach_call_off: "아직 보내지 않기",
  attach_held_back: "파일이 올라가지 않았거나 빠져서 글을 보내지 않았습니다. 이대로 보내려면 다시 보내십시오.",

  error_no_such_attachment: "이 파일은 없거나 더는 없습니다.",
  error_attachment_type:
    "이 형식의 파일은 첨부할 수 없습니다. PDF, HWPX, Word, Excel, PowerPoint, OpenDocument, PNG, JPEG, WebP, TXT, CSV만 됩니다.",
  error_attachment_mismatch:
    "파일이 이름과 다른 형식이거나, 손상되었거나, 매크로가 들어 있습니다. 텍스트는 UTF-8이어야 합니다. 다시 저장하여 시도하십시오.",
  error_attachment_too_large: "파일이 너무 큽니다.",
  error_attachment_name: "쓸 수 없는 파일 이름입니다. 형식에 맞는 확장자가 있어야 합니다.",
  error_attachment_incomplete: "파일이 비었거나 끝까지 오지 않았습니다. 다시 시도하십시오.",
  error_attachment_slow: "파일이 너무 느리게 올라왔습니다. 더 나은 회선에서 다시 시도하십시오.",
  error_attachment_quota: "우리 측 파일이 허용된 공간을 모두 썼습니다. 운영 담당자에게 알리십시오.",
  error_attachment_not_uploaded: "첨부한 파일이 더는 없습니다. 다시 첨부하십시오.",
  error_attachment_twice: "이미 첨부한 파일입니다.",
  error_attachment_unsaved:
    "파일이 올라가지 않았거나 빠져서 저장하지 않았습니다. 쓴 내용은 그대로 있습니다. 이대로 두려면 다시 저장하십시오.",
  error_attachment_held_back:
    "파일이 올라가지 않아 글을 보내지 않았습니다. 쓴 글은 그 채널의 입력란에 그대로 있습니다.",
  error_attachments_off: "이 사무소는 파일을 받지 않습니다.",
  error_attachment_many: "한 글에 파일을 {count}개까지 첨부할 수 있습니다.",
};

addTexts({ ko, en });
