/** Heat over a picture, in edge.py's colours. */

const OPACITY = 0.8;
const COLOUR = [230, 20, 20];

/** How strongly heat is drawn: 0 up to half the threshold, 1 from one and a half on. */
export function strength(heat, threshold) {
  return Math.min(Math.max(heat / threshold - 0.5, 0), 1);
}

/** Return the heat at a pixel between the cells of its map; 0 outside what was seen. */
export function heatAt({ values, rows, columns, seen }, x, y) {
  const across = ((x + 0.5 - seen.left) / seen.width) * columns - 0.5;
  const down = ((y + 0.5 - seen.top) / seen.height) * rows - 0.5;
  if (across < -0.5 || down < -0.5 || across > columns - 0.5 || down > rows - 0.5) return 0;
  const [column, i] = cell(across, columns);
  const [row, j] = cell(down, rows);
  const at = (r, c) => values[Math.min(r, rows - 1) * columns + Math.min(c, columns - 1)];
  const above = at(row, column) * (1 - i) + at(row, column + 1) * i;
  return above * (1 - j) + (at(row + 1, column) * (1 - i) + at(row + 1, column + 1) * i) * j;
}

function cell(position, count) {
  const inside = Math.min(Math.max(position, 0), count - 1);
  return [Math.floor(inside), inside % 1];
}

/** Draw an image on a canvas, with its heat where there is one and a threshold above 0. */
export function draw(canvas, image, heat, threshold) {
  const { data, width, height } = image;
  const picture = new ImageData(width, height);
  const painted = heat && threshold > 0;
  for (let y = 0, from = 0, to = 0; y < height; y++) {
    for (let x = 0; x < width; x++, from += 3, to += 4) {
      const share = painted ? OPACITY * strength(heatAt(heat, x, y), threshold) : 0;
      const grey = Math.round(0.299 * data[from] + 0.587 * data[from + 1] + 0.114 * data[from + 2]);
      for (let i = 0; i < 3; i++)
        picture.data[to + i] = painted ? (1 - share) * grey + share * COLOUR[i] : data[from + i];
      picture.data[to + 3] = 255;
    }
  }
  [canvas.width, canvas.height] = [width, height];
  canvas.getContext("2d").putImageData(picture, 0, 0);
}
