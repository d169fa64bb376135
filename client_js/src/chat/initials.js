/** Two characters that stand for a person. Pure. */

/**
 * The last two syllables of a Korean name, which colleagues call somebody by; of another, where the first and the last
 * of its words begin.
 * @param {string} name
 */
export function initials(name) {
  if (/^\p{Script=Hangul}{2,4}$/u.test(name)) return [...name].slice(-2).join("");
  const words = name.split(/\s+/).filter(Boolean);
  const letters = [words[0], words.length > 1 ? words.at(-1) : ""].map((word) => [...(word ?? "")][0] ?? "");
  return letters.join("").toUpperCase() || "?";
}
