/** Type as large as lets everything stand on one screen. */

const STEP = 0.95;
/** Below it words are too small for a wall, and what is lowest on the page goes first. */
const SMALLEST = 0.45;

/**
 * Keep the custom property `--fit` of an element at the largest share, 1 at most, at which its contents don't overflow
 * it. Its style sheet multiplies the sizes of type by it. An element as high as its contents always fits.
 * @param {HTMLElement} place
 * @returns {() => void}   Ends it.
 */
export function keepFitting(place) {
  const fit = () => {
    let share = 1;
    do {
      place.style.setProperty("--fit", share.toFixed(3));
      share *= STEP;
    } while (place.scrollHeight > place.clientHeight && share > SMALLEST);
  };
  // The window, and any part of the page: by a new alarm, a longer word, another language. In the next frame, because
  // it changes the very sizes that are observed; the same contents give the same share, so that it comes to rest.
  const observer = new ResizeObserver(() => requestAnimationFrame(fit));
  for (const part of [place, ...place.children]) observer.observe(part);
  return () => observer.disconnect();
}
