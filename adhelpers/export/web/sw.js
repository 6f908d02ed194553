/* Keeps the site for use without a network; {{digest}} names what belongs together. */
const NAME = "adhelpers-{{digest}}";
const FILES = ["{{files}}"];

self.addEventListener("install", (event) => {
  event.waitUntil(caches.open(NAME).then((cache) => cache.addAll(FILES)));
});

self.addEventListener("activate", (event) => {
  const old = (names) => names.filter((x) => x.startsWith("adhelpers-") && x !== NAME);
  event.waitUntil(
    caches.keys().then((names) => Promise.all(old(names).map((x) => caches.delete(x)))),
  );
});

self.addEventListener("fetch", (event) => {
  event.respondWith(caches.match(event.request).then((found) => found ?? fetch(event.request)));
});
