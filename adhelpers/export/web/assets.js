/** The files that the page carries: inside it (base64 of gzip), or beside it on a web server. */

export async function asset(name) {
  const element = document.getElementById(name);
  if (!element) {
    const answer = await fetch(`./${name}`);
    if (!answer.ok) throw new Error(`${name}: the server answers ${answer.status}`);
    return new Uint8Array(await answer.arrayBuffer());
  }
  const packed = await (await fetch(`data:;base64,${element.textContent}`)).blob();
  element.remove();
  const stream = packed.stream().pipeThrough(new DecompressionStream("gzip"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

/** Return an address of a script, ending with .js, as LiteRT.js asks for it. */
export async function assetUrl(name) {
  if (!document.getElementById(name)) return `./${name}`;
  const blob = new Blob([await asset(name)], { type: "text/javascript" });
  return `${URL.createObjectURL(blob)}#.js`;
}
