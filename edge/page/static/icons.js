// Drawings of 24 x 24, one list of [path, filled] each: stroked in the colour of the text, or filled with it.

const RING = "M12 3a9 9 0 1 0 0 18a9 9 0 0 0 0-18z";
const TICK = "M7.5 12.4l3.1 3.1l6-6.6";

export const PATHS = {
  // states of a plane: each has its own outline, so that colour is never needed
  missing: [[RING]],
  candidate: [[RING], ["M12 8.5a3.5 3.5 0 1 0 0 7a3.5 3.5 0 0 0 0-7z", true], ["M12 0.8v4M12 19.2v4M0.8 12h4M19.2 12h4"]],
  captured: [[RING], [TICK]],
  captured_low: [["M12 3.2L22 20.5H2z"], ["M12 9.5v5"], ["M12 16.6v1.4"]],
  confirmed: [["M2.5 12.8l4.4 4.4l8.6-9.4"], ["M11.6 16.4l0.9 0.8l8.9-9.6"]],
  not_obtainable: [[RING], ["M5.8 5.8l12.4 12.4"]],
  not_covered: [["M4 4h4M10.5 4h3M16 4h4v4M20 10.5v3M20 16v4h-4M13.5 20h-3M8 20H4v-4M4 13.5v-3M4 8V4"], ["M9.6 9.6a2.4 2.4 0 1 1 3.6 2.1c-0.8 0.5-1.2 0.9-1.2 1.8"], ["M12 15.6v1"]],
  plane: [["M9.5 4h5L22 17.5c-5.5 4-14.5 4-20 0z"], ["M8 11.5c2.6 1.4 5.4 1.4 8 0"]],
  // states of the box
  off: [["M12 3v8"], ["M7 6.3a8 8 0 1 0 10 0"]],
  alarm: [["M12 3.2L22 20.5H2z"], ["M12 9.5v5"], ["M12 16.6v1.4"]],
  signal: [["M3 5h18v12H3z"], ["M8 21h8M12 17v4"]],
  no_signal: [["M3 5h18v12H3z"], ["M8 21h8M12 17v4"], ["M8.5 8l7 6M15.5 8l-7 6"]],
  link_lost: [["M9.5 14.5l-2.6 2.6a3.6 3.6 0 0 1-5-5l3-3M14.5 9.5l2.6-2.6a3.6 3.6 0 0 1 5 5l-3 3"], ["M4 4l16 16"]],
  frozen: [["M12 2v20M3.4 7l17.2 10M20.6 7L3.4 17"], ["M9 3.6l3 2.4l3-2.4M9 20.4l3-2.4l3 2.4"]],
  ai: [["M5 5h14v14H5z"], ["M9 9h6v6H9z"], ["M9 2v3M15 2v3M9 19v3M15 19v3M2 9h3M2 15h3M19 9h3M19 15h3"]],
  store: [["M4 6.5c0-4 16-4 16 0v11c0 4-16 4-16 0z"], ["M4 6.5c0 4 16 4 16 0M4 12c0 4 16 4 16 0"]],
  wait: [["M6 3h12M6 21h12M7.5 3c0 5 9 5 9 9s-9 4-9 9M16.5 3c0 5-9 5-9 9s9 4 9 9"]],
  still: [["M5 12h14"], ["M9 8l-4 4l4 4M15 8l4 4l-4 4"], ["M12 4v16"]],
  other_plane: [[RING], ["M8 12h8"]],
  // what the user does
  freeze: [["M12 2v20M3.4 7l17.2 10M20.6 7L3.4 17"], ["M9 3.6l3 2.4l3-2.4M9 20.4l3-2.4l3 2.4"]],
  confirm: [["M4 12.6l5.2 5.2L20 6.6"]],
  reassign: [["M4 8h13M13 3.8L17.2 8L13 12.2"], ["M20 16H7M11 11.8L6.8 16L11 20.2"]],
  take_back: [["M8 5L3.5 9.5L8 14"], ["M4 9.5h10a5.5 5.5 0 0 1 0 11H9"]],
  pause: [["M7 4h3.4v16H7zM13.6 4H17v16h-3.4z", true]],
  go: [["M7 3.8l13 8.2l-13 8.2z", true]],
  end: [["M5 5h14v14H5z", true]],
  map: [[RING], ["M12 7.5a4.5 4.5 0 1 0 0 9a4.5 4.5 0 0 0 0-9z"], ["M12 11a1 1 0 1 0 0 2a1 1 0 0 0 0-2z", true]],
  exam: [["M6 4h12v17H6z"], ["M9 2.5h6v3.4H9z", true], ["M9 10.5h6M9 14h6M9 17.5h4"]],
  language: [[RING], ["M3 12h18M12 3c-6.5 5.5-6.5 12.5 0 18M12 3c6.5 5.5 6.5 12.5 0 18"]],
  help: [[RING], ["M9.4 9.4a2.6 2.6 0 1 1 3.9 2.2c-0.9 0.6-1.3 1-1.3 2"], ["M12 16v1"]],
  close: [["M5 5l14 14M19 5L5 19"]],
  add: [["M12 4v16M4 12h16"]],
  remove: [["M4 12h16"]],
  change: [["M4 8h13M13 3.8L17.2 8L13 12.2"], ["M20 16H7M11 11.8L6.8 16L11 20.2"]],
  tray: [["M3 13v7h18v-7"], ["M3 13l3.5-9h11L21 13h-5.5a3.5 3.5 0 0 1-7 0z"]],
  picture: [["M3 5h18v14H3z"], ["M3 16l5-5l4 4l3-3l6 5"], ["M15.5 8.2a1 1 0 1 0 0 2a1 1 0 0 0 0-2z", true]],
  note: [[RING], ["M12 11v6"], ["M12 7v1.2"]],
};
