// Figures into the page. Everything goes in as text, never as markup.

import { age, bytes, count, ms, ns, plural, share, short } from "/page/format.js";

const STAGES = [
  ["2", "commands become velocities, paths, swings"],
  ["3a", "everything moves and stops at walls"],
  ["3b", "creatures decide"],
  ["4a", "swings find targets"],
  ["4b", "hits are applied"],
  ["5", "changes become segments"],
  ["6", "who is where: the index"],
  ["7-8", "what each client sees, and its snapshot"],
];

export function put(name, text) {
  const place = document.querySelector(`[data-figure="${name}"]`);
  if (place && place.textContent !== text) place.textContent = text;
  return place;
}

function element(kind, text, ...classes) {
  const made = document.createElement(kind);
  if (text !== undefined) made.textContent = text;
  made.classList.add(...classes);
  return made;
}

function row(title, ...values) {
  const made = document.createElement("tr");
  const head = element("th");
  head.scope = "row";
  head.append(title);
  made.append(head, ...values.map((value) => {
    const cell = element("td");
    cell.append(value);
    return cell;
  }));
  return made;
}

let before = null;

export function showStatus(status) {
  const { window, total } = status;
  put("players", count(status.players));
  put("players-note", `${count(status.clients.quic)} QUIC, ${count(status.clients.websocket)} WebSocket`);
  put("creatures", count(status.creatures));
  put("kills", `${count(total.kills)} killed so far`);
  put("tick-p99", ms(window.tick_ms.p99));
  put("tick-note", `p50 ${short(window.tick_ms.p50)}, max ${ms(window.tick_ms.max)}`);
  const overruns = put("overruns", count(total.overruns));
  overruns.classList.toggle("is-bad", total.overruns_own > 0);
  put("overruns-note", `${count(total.overruns_own)} own, ${count(total.overruns_stolen)} stolen`);
  const { level, rung, tick_period_ms: period } = status.shed;
  const shed = put("shed", level ? `sheds ${rung}, level ${level}; one per ${short(period)} ms` : "full detail");
  shed.classList.toggle("is-bad", level > 0);
  put("tick", count(status.tick));
  put("uptime", `up ${age(status.uptime_seconds)}`);
  showRate(status);
  showStages(window.stage_ns);
  showDoor(status);
}

function showDoor({ door_queue: waiting, sockets }) {
  const finished = sockets.handshakes_quic + sockets.handshakes_websocket;
  document.querySelector("#door").replaceChildren(
    row("waiting now", count(waiting)),
    row("handshakes finished", `${count(finished)} of ${count(sockets.handshakes_begun)}`),
    row("handshakes failed", count(sockets.handshakes_failed)),
    row("turned away", count(sockets.refused)),
  );
}

function showRate(status) {
  const now = { at: performance.now(), n: status.total.snapshots, bytes: status.total.snapshot_bytes };
  if (before && now.at > before.at) {
    const seconds = (now.at - before.at) / 1000;
    const perSecond = Math.max(now.n - before.n, 0) / seconds;
    put("rate", `${bytes(Math.max(now.bytes - before.bytes, 0) / seconds)}/s`);
    put("rate-note", `${count(perSecond)} per second`);
  }
  before = now;
}

function showStages(stages) {
  const longest = Math.max(...Object.values(stages), 1);
  const rows = STAGES.filter(([name]) => name in stages).map(([name, does]) => {
    const what = document.createDocumentFragment();
    const fill = element("span", undefined, "fill");
    const bar = element("i");
    bar.style.width = `${(stages[name] / longest) * 100}%`;
    fill.append(bar);
    what.append(does, fill);
    return row(name, what, ns(stages[name]));
  });
  document.querySelector("#stages").replaceChildren(...rows);
}

export function showClients(clients) {
  const both = (title, figure) => row(title, figure(clients.quic), figure(clients.websocket));
  document.querySelector("#clients").replaceChildren(
    both("connected", (link) => count(link.clients)),
    both("round trip, median", (link) => ms(link.rtt_ms.p50)),
    both("round trip, p99", (link) => ms(link.rtt_ms.p99)),
    both("packets lost", (link) => (link.clients ? share(link.loss_share) : "–")),
    both("in", (link) => `${bytes(link.bytes_in_per_second)}/s`),
    both("out", (link) => `${bytes(link.bytes_out_per_second)}/s`),
    both("waiting to be sent", (link) => bytes(link.queued_bytes)),
  );
}

export function showBytes(sampled) {
  const parts = sampled.components.map((part) => [part.component, part.bytes]);
  put("bytes-caption", sampled.snapshots_sampled
    ? `${short(sampled.bytes_per_snapshot)} B, mean of ${plural(sampled.snapshots_sampled, "sample", "samples")}`
    : "none sampled yet");
  const bar = document.querySelector("#bytes-bar");
  bar.replaceChildren(...parts.map(([, size], at) => {
    const piece = element("i", undefined, `part-${at}`);
    piece.style.flexGrow = size;
    piece.style.flexBasis = "0";
    return piece;
  }));
  bar.setAttribute("aria-label", parts.map(([name, size]) => `${name} ${short(size)} bytes`).join(", "));
  document.querySelector("#bytes-parts").replaceChildren(...parts.map(([name, size], at) => {
    const line = element("li");
    line.append(element("i", undefined, `part-${at}`), element("span", name), short(size));
    return line;
  }));
}

/** What was dropped stands in the open; the classes that are still at zero are folded away. */
export function showDrops(drops) {
  const rows = (some) => some.map((drop) => row(drop.class, drop.meaning, count(drop.n)));
  const dropped = drops.filter((drop) => drop.n > 0).sort((a, b) => b.n - a.n);
  const quiet = drops.filter((drop) => drop.n === 0);
  document.querySelector("#drops").replaceChildren(...rows(dropped));
  document.querySelector("#drops-quiet").replaceChildren(...rows(quiet));
  put("drops-caption", dropped.length ? "by class, since the start" : "nothing was dropped since the start");
  put("drops-quiet", plural(quiet.length, "class without a drop", "classes without a drop"));
}
