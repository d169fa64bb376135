/** SHA-256 in hexadecimal, as hashes are shown and written down. @param {BufferSource} bytes */
export async function sha256(bytes) {
  const hash = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  return [...hash].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}
