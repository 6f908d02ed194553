/** Files to RGB images with the values of OpenCV's decoders, or an Error: why not. */

const TAKEN = "PNG, JPEG, WebP and BMP are taken";

/** Decode a file (a Blob) to {data, width, height}, RGB; `bits` are in use of 16-bit files. */
export async function decode(blob, bits = 16) {
  checkFile(new Uint8Array(await blob.arrayBuffer()), bits);
  let bitmap;
  try {
    bitmap = await createImageBitmap(blob, {
      colorSpaceConversion: "none",
      premultiplyAlpha: "none",
    });
  } catch {
    throw new Error("not a readable image, or larger than this browser reads");
  }
  const { width, height } = bitmap;
  const pixels = readPixels(bitmap, width, height);
  bitmap.close();
  return pixels;
}

/** Read a bitmap's or a video's pixels; alpha is refused. */
export function readPixels(source, width, height) {
  const canvas = new OffscreenCanvas(width, height);
  const context = canvas.getContext("2d", { willReadFrequently: true });
  if (!context) throw new Error(`${width} x ${height} pixels are more than this browser draws`);
  context.drawImage(source, 0, 0);
  const rgba = context.getImageData(0, 0, width, height).data;
  const data = new Uint8Array(width * height * 3);
  for (let from = 0, to = 0; from < rgba.length; from += 4, to += 3) {
    if (rgba[from + 3] !== 255)
      throw new Error("has an alpha channel, which browsers mix into the colours; save it without");
    data[to] = rgba[from];
    data[to + 1] = rgba[from + 1];
    data[to + 2] = rgba[from + 2];
  }
  return { data, width, height };
}

/** Throw an Error if a file's bytes are of a kind that a browser decodes otherwise, or cut off. */
export function checkFile(bytes, bits) {
  const start = String.fromCharCode(...bytes.subarray(0, 12));
  if (start.startsWith("\x89PNG")) return checkPng(bytes, bits);
  if (start.startsWith("\xff\xd8\xff")) return checkJpeg(bytes);
  if (/^(II\*\0|MM\0\*)/.test(start))
    throw new Error(`a TIFF file, which browsers do not read; ${TAKEN}`);
  if (!/^(BM|RIFF[\s\S]{4}WEBP)/.test(start)) throw new Error(`no image known here; ${TAKEN}`);
}

function checkPng(bytes, bits) {
  const end = [0x49, 0x45, 0x4e, 0x44, 0xae, 0x42, 0x60, 0x82]; // IEND and its check sum
  let at = bytes.lastIndexOf(end[0]);
  while (at >= 0 && !end.every((byte, i) => bytes[at + i] === byte))
    at = at > 0 ? bytes.lastIndexOf(end[0], at - 1) : -1;
  if (at < 0) throw new Error("the PNG file is cut off");
  if (bytes[24] === 16 && bits < 16)
    throw new Error(
      `a PNG of 16 bits, of which the detector reads ${bits} and browsers the upper 8; score it ` +
        "by edge.py",
    );
}

function checkJpeg(bytes) {
  let at = 2;
  while (at + 1 < bytes.length) {
    const marker = bytes[at + 1];
    const isMarker = bytes[at] === 0xff && marker >= 2 && !(marker >= 0xd0 && marker <= 0xd8);
    if (!isMarker || marker === 0xff) {
      at += 1;
      continue;
    }
    if (marker === 0xd9) return;
    const isFrame = marker >= 0xc0 && marker <= 0xcf && ![0xc4, 0xc8, 0xcc].includes(marker);
    if (isFrame && bytes[at + 9] === 4)
      throw new Error("a JPEG in CMYK, which browsers decode otherwise; save it in RGB");
    at += 2 + bytes[at + 2] * 256 + bytes[at + 3];
  }
  throw new Error("the JPEG file is cut off");
}
