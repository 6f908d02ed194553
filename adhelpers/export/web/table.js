/** What was scored, as CSV (RFC 4180, with the columns of `adhelpers score`). */

export function toCsv(rows, levels) {
  const head = ["path", "score", "threshold", "decision", ...levels, "error"];
  const lines = rows.map((row) => {
    const distances = levels.map((_, i) => row.distances?.[i]?.[1]);
    return [row.name, row.score, row.threshold, row.decision, ...distances, row.error];
  });
  return [head, ...lines].map((line) => `${line.map(quoted).join(",")}\n`).join("");
}

function quoted(cell) {
  const text = String(cell ?? "");
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
