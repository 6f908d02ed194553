/** The page: pictures in; score, decision, heat map, bars and table out. */

import { asset } from "#assets.js";
import { startCamera } from "#camera.js";
import { decode } from "#decode.js";
import { Detector } from "#detector.js";
import { draw } from "#drawing.js";
import { toCsv } from "#table.js";

const find = (id) => document.getElementById(id);
const rows = [];
let detector;
let work = Promise.resolve();
let waiting = 0;

/** Score files one after the other, each after those before; a promise of the end. */
export function scoreFiles(files) {
  for (const file of files) {
    waiting += 1;
    work = work.then(() => scoreFile(file));
  }
  return work;
}

async function scoreFile(file) {
  waiting -= 1;
  try {
    await scoreImage(file.name, await decode(file, detector.record.bits ?? 16));
  } catch (error) {
    say(`${file.name}: ${error.message}`, "error");
    clear();
    addRow({ name: file.name, error: error.message });
  }
}

async function scoreImage(name, image, keep = true) {
  warnOfAspect(name, image);
  const result = await detector.score(image);
  if (waiting === 0) show(name, image, result);
  if (keep) addRow({ name, threshold: detector.threshold, ...result });
  return result;
}

/** Score a camera's picture after what waits; a promise of the end, or why not. */
function scoreFrame(image) {
  const scored = work.then(() => scoreImage("camera", image, false));
  work = scored.catch(() => {});
  return scored;
}

/** Show an image and its result; of several, the last one alone. */
function show(name, image, result) {
  draw(find("picture"), image, result.heat, detector.threshold);
  const shown = result.score.toFixed(3);
  const where = result.place ? `, hottest at x=${result.place[0]} y=${result.place[1]}` : "";
  say(`${name}: score ${shown} ${result.decision}${where}`, result.decision);
  find("picture").setAttribute("aria-label", `${name}${where}`);
  showBars(result.distances);
}

/** Take away the picture before, so that no error stands over it. */
function clear() {
  Object.assign(find("picture"), { width: 0, height: 0 });
  find("picture").setAttribute("aria-label", "No picture");
  find("bars").replaceChildren();
}

/** Warn in edge.py's words; once is enough. */
function warnOfAspect(name, image) {
  if (find("warning").textContent || !detector.hasOtherAspect(image)) return;
  const size = `${image.height} x ${image.width}`;
  find("warning").textContent = `${name}: ${size}, another aspect than the training images'`;
}

function say(words, kind = "") {
  find("result").textContent = words;
  find("result").className = kind;
}

function showBars(distances) {
  const most = Math.max(...distances.map(([, x]) => x), 1e-12);
  const lines = distances.map(([name, value]) => {
    const meter = Object.assign(document.createElement("progress"), { max: most, value });
    meter.setAttribute("aria-label", `distance at ${name}`);
    return line("tr", [name, meter, value.toFixed(3)]);
  });
  find("bars").replaceChildren(...lines);
}

function addRow(row) {
  rows.push(row);
  const score = row.error ?? row.score.toFixed(3);
  find("rows").prepend(line("tr", [row.name, score, row.decision ?? ""]));
  find("download").disabled = false;
}

function line(kind, cells) {
  const element = document.createElement(kind);
  for (const content of cells) {
    const cell = document.createElement("td");
    cell.append(content);
    element.append(cell);
  }
  return element;
}

function download() {
  const file = new Blob([toCsv(rows, detector.record.levels ?? [])], { type: "text/csv" });
  const link = document.createElement("a");
  link.href = URL.createObjectURL(file);
  link.download = "scores.csv";
  link.click();
  URL.revokeObjectURL(link.href);
}

function listen() {
  find("files").addEventListener("change", (event) => scoreFiles(event.target.files));
  find("download").addEventListener("click", download);
  document.addEventListener("dragover", (event) => event.preventDefault());
  document.addEventListener("drop", (event) => {
    event.preventDefault();
    scoreFiles(event.dataTransfer.files);
  });
  startCamera(find("camera"), scoreFrame, say);
}

async function addExamples() {
  for (const [i, name] of detector.record.examples.entries()) {
    const button = Object.assign(document.createElement("button"), { textContent: name });
    const file = new File([await asset(`example-${i}`)], name);
    button.addEventListener("click", () => scoreFiles([file]));
    find("examples").append(button);
    if (i === 0) scoreFiles([file]);
  }
}

async function start() {
  try {
    detector = await Detector.load();
    const { threshold } = detector;
    const rule =
      threshold === null
        ? "No threshold: nothing is decided."
        : `Threshold ${threshold.toFixed(3)}.`;
    find("about").textContent = `${detector.record.category ?? "Detector"}. ${rule}`;
    say("Ready: choose a picture.");
    find("files").disabled = false;
    listen();
    await addExamples();
  } catch (error) {
    say(`The detector cannot start: ${error.message}`, "error");
  }
}

const ready = start();
self.adhelpers = { rows, scoreFiles, ready, detector: () => detector };
if (location.protocol !== "file:" && find("manifest") && navigator.serviceWorker)
  navigator.serviceWorker.register("./sw.js");
