/** Heat over a picture, in edge.py's colours. */

import { rint } from "#resize.js";

const OPACITY = 0.8;
const COLOUR = [230, 20, 20];

/** How strongly heat is drawn: 0 up to half the threshold, 1 from one and a half on. */
export function strength(heat, threshold) {
  return Math.min(Math.max(heat / threshold - 0.5, 0), 1);
}

/** Draw an image on a canvas, with its heat where there is one and a threshold above 0. */
export function draw(canvas, image, heat, threshold) {
  const { data, width, height } = image;
  const picture = new ImageData(width, height);
  const painted = heat && threshold > 0;
  if (painted) paintGrey(picture.data, data);
  else paintColours(picture.data, data);
  if (painted) paintHeat(picture, heat, threshold);
  [canvas.width, canvas.height] = [width, height];
  canvas.getContext("2d").putImageData(picture, 0, 0);
}

function paintColours(rgba, rgb) {
  for (let from = 0, to = 0; from < rgb.length; from += 3, to += 4) {
    rgba[to] = rgb[from];
    rgba[to + 1] = rgb[from + 1];
    rgba[to + 2] = rgb[from + 2];
    rgba[to + 3] = 255;
  }
}

/** Paint the grey of OpenCV's `cvtColor`, in its weights of 1/32768. */
function paintGrey(rgba, rgb) {
  for (let from = 0, to = 0; from < rgb.length; from += 3, to += 4) {
    const sum = 9798 * rgb[from] + 19235 * rgb[from + 1] + 3735 * rgb[from + 2];
    rgba[to] = rgba[to + 1] = rgba[to + 2] = (sum + 16384) >> 15;
    rgba[to + 3] = 255;
  }
}

/** Paint a map's heat over what was seen, each pixel between its four cells, row by row. */
function paintHeat({ data, width, height }, { values, rows, columns, seen }, threshold) {
  const left = rint(seen.left);
  const top = rint(seen.top);
  const across = stops(Math.max(rint(seen.left + seen.width) - left, 1), columns);
  const down = stops(Math.max(rint(seen.top + seen.height) - top, 1), rows);
  const line = new Float32Array(columns);
  for (let y = 0; y < down.length && top + y < height; y++) {
    const [above, below, j] = down[y];
    for (let i = 0; i < columns; i++)
      line[i] = values[above * columns + i] * (1 - j) + values[below * columns + i] * j;
    for (let x = 0; x < across.length && left + x < width; x++) {
      const [first, second, i] = across[x];
      const heat = line[first] * (1 - i) + line[second] * i;
      const share = OPACITY * strength(heat, threshold);
      if (share > 0) tint(data, 4 * ((top + y) * width + left + x), share);
    }
  }
}

function tint(rgba, at, share) {
  for (let i = 0; i < 3; i++) rgba[at + i] = rint((1 - share) * rgba[at + i] + share * COLOUR[i]);
}

/** Return the two cells that each pixel of a line lies between, and the share of the second. */
function stops(length, count) {
  return Array.from({ length }, (_, pixel) => {
    const place = ((pixel + 0.5) * count) / length - 0.5;
    const inside = Math.min(Math.max(place, 0), count - 1);
    const first = Math.floor(inside);
    return [first, Math.min(first + 1, count - 1), inside - first];
  });
}
