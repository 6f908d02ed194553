import assert from "node:assert/strict";
import test from "node:test";

const web = new URL("../../adhelpers/export/web/", import.meta.url);
const { rint, toSquare } = await import(new URL("resize.js", web));
const { toCsv } = await import(new URL("table.js", web));
const { strength } = await import(new URL("drawing.js", web));
const { checkFile } = await import(new URL("decode.js", web));

test("a half is rounded to the even number", () => {
  assert.deepEqual([0.5, 1.5, 2.5, 2.6].map(rint), [0, 2, 2, 3]);
});

test("one colour stays itself at every size, and by both protocols", () => {
  for (const [width, height] of [
    [3, 5],
    [448, 448],
    [300, 700],
  ]) {
    const image = { data: new Uint8Array(width * height * 3).fill(77), width, height };
    for (const protocol of ["square", "crop"]) {
      const { data } = toSquare(image, 224, protocol);
      assert.equal(data.length, 224 * 224 * 3);
      assert.ok(data.every((x) => Math.abs(x - 77) <= 1));
    }
  }
});

test("a name with a quote and a comma is one cell", () => {
  const rows = [
    { name: 'a,"b', score: 1.5, threshold: 2, decision: "normal", distances: [["l", 3]] },
  ];
  const head = "path,score,threshold,decision,l,error\n";
  assert.equal(toCsv(rows, ["l"]), `${head}"a,""b",1.5,2,normal,3,\n`);
});

test("heat is drawn from half the threshold to one and a half", () => {
  assert.deepEqual(
    [0.5, 1, 1.5, 9].map((x) => strength(x * 8, 8)),
    [0, 0.5, 1, 1],
  );
});

test("sixteen bits are refused where a camera's lower bits count", () => {
  const end = [0x49, 0x45, 0x4e, 0x44, 0xae, 0x42, 0x60, 0x82];
  const png = new Uint8Array([0x89, 0x50, 0x4e, 0x47, ...Array(20).fill(0), 16, 2, ...end]);
  assert.throws(() => checkFile(png, 12), /upper 8/);
  checkFile(png, 16);
});
