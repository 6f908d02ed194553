/** The detector: an image to its score, distances and heat map. */

import { loadAndCompile, loadLiteRt, Tensor } from "@litertjs/core";
import { asset, assetUrl } from "#assets.js";
import { seenWindow, toSquare } from "#resize.js";

export class Detector {
  /** Load the runtime and the model that the page carries. */
  static async load() {
    const record = JSON.parse(document.getElementById("record").textContent);
    self.Module = { wasmBinary: await asset("litert.wasm"), printErr: () => {} };
    await loadLiteRt(await assetUrl("litert.js"));
    const model = await loadAndCompile(await asset("detector.tflite"), { accelerator: "wasm" });
    return new Detector(record, model);
  }

  constructor(record, model) {
    this.record = record;
    this.model = model;
    this.size = record.side;
    this.protocol = record.protocol ?? "square";
    this.threshold = record.threshold ?? null;
  }

  /** Return {score, decision, distances, heat, place} of an image of any size. */
  async score(image) {
    const pixels = toSquare(image, this.size, this.protocol);
    const outputs = await this.run(pixels.data);
    const score = outputs.score.values[0];
    if (!Number.isFinite(score)) throw new Error(`the score is ${score}, not a finite number`);
    const names = this.record.levels ?? [];
    const distances = Array.from(outputs.distances?.values ?? [], (x, i) => [names[i], x]);
    const heat = outputs.heat_map && this.heatMap(image, outputs.heat_map, score, distances);
    return { score, decision: this.decide(score), distances, ...heat };
  }

  /** Tell whether an image's aspect is not that of the training images, as edge.py does. */
  hasOtherAspect({ height, width }) {
    const [rows, columns] = this.record.image_shape ?? [height, width];
    return Math.abs(height / width / (rows / columns) - 1) > 0.02;
  }

  decide(score) {
    if (this.threshold === null) return "";
    return score <= this.threshold ? "normal" : "ANOMALY";
  }

  async run(data) {
    const input = new Tensor(data, [1, this.size, this.size, 3]);
    try {
      const tensors = await this.model.run({ image: input });
      const entries = Object.entries(tensors).map(async ([name, tensor]) => {
        const values = (await tensor.data()).slice();
        const shape = Array.from(tensor.type.layout.dimensions);
        tensor.delete();
        return [name, { values, shape }];
      });
      return Object.fromEntries(await Promise.all(entries));
    } finally {
      input.delete();
    }
  }

  /** Return the heat in the unit of the score, its window, and the hottest place, in pixels. */
  heatMap(image, { values, shape }, score, distances) {
    const [rows, columns] = shape.slice(-2);
    const seen = seenWindow(image, this.size, this.protocol);
    const hottest = values.indexOf(values.reduce((a, b) => Math.max(a, b)));
    const [row, column] = [Math.floor(hottest / columns), hottest % columns];
    const place = [
      Math.floor(seen.left + ((column + 0.5) * seen.width) / columns),
      Math.floor(seen.top + ((row + 0.5) * seen.height) / rows),
    ];
    const most = distances.reduce((sum, [name, x]) => sum + (name === "pooled" ? 0 : x), 0);
    const scale = score / Math.max(most, values[hottest], 1e-12);
    return { place, heat: { values: values.map((x) => x * scale), rows, columns, seen } };
  }
}
