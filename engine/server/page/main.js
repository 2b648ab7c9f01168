// What the page asks for, how often, and what it says about the zone's state.

import { ask, every, silentFor } from "/page/ask.js";
import { put, showBytes, showClients, showDrops, showStatus } from "/page/figures.js";
import { ZoneMap } from "/page/map.js";

const STALE_MS = 5000;
const PLOT_MS = 5000;
const WORDS = { ok: "live", starting: "starting", draining: "draining", stuck: "stuck: the zone does not tick" };
const STATES = { ok: "live", starting: "starting", draining: "draining", stuck: "stuck" };

const map = new ZoneMap(document.querySelector("#map"));
let health = null;

function showState() {
  const silent = silentFor();
  let [state, words] = ["connecting", "connecting"];
  if (silent !== null && silent > STALE_MS) {
    [state, words] = ["stale", `no answer for ${Math.floor(silent / 1000)} s`];
  } else if (health !== null) {
    [state, words] = [STATES[health] ?? "stuck", WORDS[health] ?? health];
  }
  document.body.dataset.state = state;
  put("state", words);
}

function plot(selector, path) {
  const image = document.querySelector(selector);
  every(PLOT_MS, path, (picture) => {
    const old = image.src;
    image.src = URL.createObjectURL(picture);
    image.hidden = false;
    if (old) URL.revokeObjectURL(old);
  }, (answer) => answer.blob());
}

put("host", location.host);
setInterval(showState, 250);
every(1000, "/status.json", (status) => {
  health = status.health;
  showStatus(status);
  showState();
});
every(1000, "/map.json", (overview) => map.show(overview));
every(2000, "/clients.json", showClients);
every(3000, "/bytes.json", showBytes);
every(3000, "/drops.json", showDrops);
plot("#timeline", "/plot/timeline.svg");
plot("#percentiles", "/plot/percentiles.svg");

// The walls never change; a zone that is only just starting has none yet.
const walls = async () => {
  try {
    map.showWalls(new Uint8Array(await ask("/walls.bin", (answer) => answer.arrayBuffer())));
  } catch {
    setTimeout(walls, 3000);
  }
};
walls();
