/**
 * Bring images to the network's size with the very values of OpenCV's `cv2.resize`.
 *
 * An image is {data, width, height}, data a Uint8Array of RGB. See OpenCV's
 * modules/imgproc/src/resize.cpp: INTER_AREA where both sides shrink, else INTER_LINEAR.
 */

const CROP_RESIZE = 256;
const CROP_SIZE = 224;
const MOST_PIXELS = 2 ** 28;
const COEFFICIENT = 2048; // INTER_RESIZE_COEF_SCALE
const round = Math.fround;

/** Round a half to the even number, as cvRound and Python's round do. */
export function rint(x) {
  const low = Math.floor(x);
  if (x - low !== 0.5) return Math.round(x);
  return low % 2 === 0 ? low : low + 1;
}

/** Bring an image to a square by a protocol, as edge.py's `to_square`. */
export function toSquare(image, size, protocol = "square") {
  if (protocol === "square") return resize(image, size, size);
  if (protocol !== "crop") throw new Error(`unknown protocol ${protocol}; square or crop`);
  const [height, width] = scaledShape(image, size);
  if (height * width > MOST_PIXELS) throw new Error("too long to be cropped");
  const top = Math.floor((height - size) / 2);
  const left = Math.floor((width - size) / 2);
  return crop(resize(image, width, height), left, top, size);
}

/** Return {top, left, height, width} of what the network sees, in the image's pixels. */
export function seenWindow(image, size, protocol = "square") {
  if (protocol === "square") return { top: 0, left: 0, height: image.height, width: image.width };
  const [height, width] = scaledShape(image, size);
  const y = image.height / height;
  const x = image.width / width;
  return {
    top: Math.floor((height - size) / 2) * y,
    left: Math.floor((width - size) / 2) * x,
    height: size * y,
    width: size * x,
  };
}

function scaledShape(image, size) {
  const scale = (size * CROP_RESIZE) / CROP_SIZE / Math.min(image.height, image.width);
  return [rint(image.height * scale), rint(image.width * scale)];
}

function crop(image, left, top, size) {
  const data = new Uint8Array(size * size * 3);
  for (let y = 0; y < size; y++) {
    const start = ((top + y) * image.width + left) * 3;
    data.set(image.data.subarray(start, start + 3 * size), 3 * size * y);
  }
  return { data, width: size, height: size };
}

/** Resize an image as `cv2.resize` does. */
export function resize(image, width, height) {
  if (width === image.width && height === image.height) return image;
  if (width > image.width || height > image.height) return enlarge(image, width, height);
  const x = image.width / width;
  const y = image.height / height;
  const whole = Number.isInteger(x) && Number.isInteger(y);
  return whole ? blockMeans(image, width, height, x, y) : areaMeans(image, width, height);
}

function blockMeans(image, width, height, across, down) {
  const data = new Uint8Array(width * height * 3);
  const share = round(1 / (across * down));
  const byTwo = across === 2 && down === 2;
  for (let y = 0, at = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      for (let channel = 0; channel < 3; channel++, at++) {
        let sum = 0;
        for (let j = 0; j < down; j++) {
          const start = ((y * down + j) * image.width + x * across) * 3 + channel;
          for (let i = 0; i < across; i++) sum += image.data[start + 3 * i];
        }
        data[at] = byTwo ? (sum + 2) >> 2 : rint(round(sum * share));
      }
    }
  }
  return { data, width, height };
}

/** Return the source pixels that each target pixel covers, and their weights, in float32. */
function coverage(from, to) {
  const scale = 1 / (to / from);
  const table = [];
  for (let target = 0; target < to; target++) {
    const start = target * scale;
    const end = start + scale;
    const length = Math.min(scale, from - start);
    const last = Math.min(Math.floor(end), from - 1);
    const first = Math.min(Math.ceil(start), last);
    const add = (source, weight) => table.push({ target, source, weight: round(weight) });
    if (first - start > 1e-3) add(first - 1, (first - start) / length);
    for (let source = first; source < last; source++) add(source, 1 / length);
    if (end - last > 1e-3) add(last, Math.min(end - last, 1, length) / length);
  }
  return table;
}

function areaMeans(image, width, height) {
  const data = new Uint8Array(width * height * 3);
  const columns = coverage(image.width, width);
  const line = new Float32Array(width * 3);
  const sums = new Float32Array(width * 3);
  let row = 0;
  const finish = () => {
    for (let i = 0; i < sums.length; i++) data[row * width * 3 + i] = rint(sums[i]);
    sums.fill(0);
  };
  for (const { target, source, weight } of coverage(image.height, height)) {
    if (target !== row) finish();
    row = target;
    line.fill(0);
    const start = source * image.width * 3;
    for (const column of columns) {
      const to = 3 * column.target;
      const from = start + 3 * column.source;
      for (let i = 0; i < 3; i++) line[to + i] += round(image.data[from + i] * column.weight);
    }
    for (let i = 0; i < line.length; i++) sums[i] += round(line[i] * weight);
  }
  finish();
  return { data, width, height };
}

/**
 * Return the two source pixels of each target pixel, and the weights of both, in 1/2048.
 *
 * Beyond the outermost source pixels, columns take that pixel alone; rows keep both weights, each
 * of which is rounded down later.
 */
function neighbours(from, to, areRows) {
  const scale = 1 / (to / from);
  return Array.from({ length: to }, (_, target) => {
    const position = round((target + 0.5) * scale - 0.5);
    const first = Math.floor(position);
    const inside = areRows || (first >= 0 && first < from - 1);
    const share = inside ? round(position - first) : 0;
    const weights = [round(1 - share), share].map((x) => rint(round(x * COEFFICIENT)));
    const [low, high] = [first, first + 1].map((x) => Math.min(Math.max(x, 0), from - 1));
    return [low, high, ...weights];
  });
}

function enlarge(image, width, height) {
  const data = new Uint8Array(width * height * 3);
  const columns = neighbours(image.width, width, false);
  const across = (row) => {
    const line = new Int32Array(width * 3);
    columns.forEach(([first, second, a, b], x) => {
      for (let i = 0; i < 3; i++) {
        const start = row * image.width * 3 + i;
        line[3 * x + i] = image.data[start + 3 * first] * a + image.data[start + 3 * second] * b;
      }
    });
    return line;
  };
  neighbours(image.height, height, true).forEach(([first, second, a, b], y) => {
    const [above, below] = [across(first), across(second)];
    for (let i = 0; i < above.length; i++) {
      const sum = ((a * (above[i] >> 4)) >> 16) + ((b * (below[i] >> 4)) >> 16);
      data[y * width * 3 + i] = (sum + 2) >> 2;
    }
  });
  return { data, width, height };
}
