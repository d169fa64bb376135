/** Signs drawn in the colour of the text beside them; the words that name them stand in the control they belong to. */

/** The others are added by who needs them; see `inner_icons.js`. @type {Record<string, string>} */
export const PATHS = {
  back: "M15 5l-7 7 7 7",
  calendar: "M5 6h14v13H5zM5 10h14M9 3v4M15 3v4",
  check: "M5 13l4 4L19 7",
  checks: "M2 13l4 4L15 7M10 16l1 1L21 7",
  chevron: "M6 9l6 6 6-6",
  clock: "M12 7v5l3 2M21 12a9 9 0 1 1-18 0 9 9 0 0 1 18 0z",
  down: "M12 5v14M6 13l6 6 6-6",
  eye: "M2 12q10-13 20 0-10 13-20 0zM12 15a3 3 0 1 0 0-6 3 3 0 0 0 0 6z",
  lock: "M6 11h12v9H6zM8.5 11V8a3.5 3.5 0 0 1 7 0v3",
  pause: "M8 5v14M16 5v14",
  pen: "M4 20l1-4L16.5 4.5l3 3L8 19z",
  people:
    "M9 11a3.5 3.5 0 1 0 0-7 3.5 3.5 0 0 0 0 7zM2.5 20c0-7 13-7 13 0M17 4.5a3.5 3.5 0 0 1 0 6.5M18 15q3.5 1 3.5 5",
  reply: "M9 6l-6 6 6 6M3 12h11a6 6 0 0 1 6 6v1",
  search: "M20 20l-4.5-4.5M17.5 10.5a7 7 0 1 1-14 0 7 7 0 0 1 14 0z",
  send: "M4 12l16-8-6 16-3-7z",
};

/** @param {{ name: string }} props */
export function Icon({ name }) {
  return (
    <svg class="icon" viewBox="0 0 24 24" aria-hidden="true">
      <path d={PATHS[name] ?? ""} />
    </svg>
  );
}
