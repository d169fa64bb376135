/** An amount of bytes in few digits: `0 B`, `812 B`, `64 KB`, `1.5 MB` (of 1,024 each). @param {number} bytes */
export function formatBytes(bytes) {
  if (bytes < 1024) return `${bytes} B`;
  const kilobytes = bytes / 1024;
  return kilobytes < 1024 ? `${short(kilobytes)} KB` : `${short(kilobytes / 1024)} MB`;
}

/** @param {number} value */
function short(value) {
  return value < 10 ? value.toFixed(1) : Math.round(value).toString();
}
