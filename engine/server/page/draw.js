// Layers of the map. Each takes a canvas context in pixels and a lens, and draws what lies within.

const TAU = Math.PI * 2;
const BINS = 8;
/** Names of kinds by their numbers on the wire; others are drawn as animals of no name. */
const KINDS = ["player", "deer", "boar", "wolf"];

export function colours() {
  const style = getComputedStyle(document.documentElement);
  const of = (name) => style.getPropertyValue(`--${name}`).trim();
  const names = ["land", "line", "text", "soft", "accent", "wall", "bad", ...KINDS, "ground"];
  return Object.fromEntries(names.map((name) => [name, of(name)]));
}

/** Indices of the tiles in view: [west, north, east, south], the last two outside. */
function tilesInView(lens, map) {
  const { x, y, w, h } = lens.rectangle(0);
  const cut = (at) => Math.min(Math.max(at, 0), map.tiles_per_side);
  return [Math.floor(x / map.tile_m), Math.floor(y / map.tile_m),
    Math.ceil((x + w) / map.tile_m), Math.ceil((y + h) / map.tile_m)].map(cut);
}

function eachTile(lens, map, draw) {
  const [west, north, east, south] = tilesInView(lens, map);
  for (let y = north; y < south; y += 1) {
    for (let x = west; x < east; x += 1) draw(x, y, y * map.tiles_per_side + x);
  }
}

export function drawGround(context, lens, map, colour) {
  context.fillStyle = colour.ground;
  context.fillRect(0, 0, lens.width, lens.height);
  context.fillStyle = colour.land;
  context.fillRect(lens.toX(0), lens.toY(0), map.side_m * lens.scale, map.side_m * lens.scale);
}

/** Density as opacity; a power below one keeps the quiet tiles visible beside a town. */
export function drawHeat(context, lens, map, colour, strength) {
  const most = Math.max(...map.players.map((n, at) => n + map.creatures[at]), 1);
  const size = map.tile_m * lens.scale;
  const cut = map.side_m;
  context.fillStyle = colour.accent;
  eachTile(lens, map, (x, y, at) => {
    const n = map.players[at] + map.creatures[at];
    if (n === 0) return;
    context.globalAlpha = strength * (0.06 + 0.74 * (n / most) ** 0.65);
    const [left, top] = [x * map.tile_m, y * map.tile_m];
    context.fillRect(lens.toX(left), lens.toY(top),
      Math.min(size, (cut - left) * lens.scale), Math.min(size, (cut - top) * lens.scale));
  });
  context.globalAlpha = 1;
}

/** A tile's walls as a picture of one pixel per cell of a metre. */
function wallPicture(bytes, tile, colour) {
  const picture = new OffscreenCanvas(64, 64);
  const context = picture.getContext("2d");
  context.fillStyle = colour.wall;
  for (let row = 0; row < 64; row += 1) {
    for (let column = 0; column < 64; column += 1) {
      if (bytes[tile * 512 + row * 8 + (column >> 3)] >> (column & 7) & 1) context.fillRect(column, row, 1, 1);
    }
  }
  return picture;
}

export function drawWalls(context, lens, map, walls, colour) {
  if (!walls.bytes || lens.scale < 0.9) return;
  const size = map.tile_m * lens.scale;
  context.save();
  context.beginPath();
  context.rect(lens.toX(0), lens.toY(0), map.side_m * lens.scale, map.side_m * lens.scale);
  context.clip();
  context.imageSmoothingEnabled = lens.scale < 2;
  eachTile(lens, map, (x, y, at) => {
    if (!walls.pictures.has(at)) walls.pictures.set(at, wallPicture(walls.bytes, at, colour));
    context.drawImage(walls.pictures.get(at), lens.toX(x * map.tile_m), lens.toY(y * map.tile_m), size, size);
  });
  context.restore();
}

/** Place of a bin within its tile: its number's even bits are x, its odd bits y. */
function binPlace(bin) {
  const even = (n) => (n & 1) | (n >> 1 & 2) | (n >> 2 & 4);
  return [even(bin), even(bin >> 1)];
}

/** Borders between cells, in metres. */
export function cellBorders(map) {
  const path = new Path2D();
  const size = map.tile_m / BINS;
  const side = map.tiles_per_side;
  const byTile = new Map();
  map.cells.forEach(([tile, first, n], cell) => {
    if (!byTile.has(tile)) byTile.set(tile, new Int32Array(BINS * BINS).fill(-1));
    for (let bin = first; bin < first + n; bin += 1) {
      const [x, y] = binPlace(bin);
      byTile.get(tile)[y * BINS + x] = cell;
    }
  });
  for (const [tile, bins] of byTile) {
    const [left, top] = [(tile % side) * map.tile_m, Math.floor(tile / side) * map.tile_m];
    for (let y = 0; y < BINS; y += 1) {
      for (let x = 0; x < BINS; x += 1) {
        const cell = bins[y * BINS + x];
        if (cell < 0) continue;
        const differs = (ox, oy) => {
          const [nx, ny] = [x + ox, y + oy];
          return nx < 0 || ny < 0 || nx >= BINS || ny >= BINS || bins[ny * BINS + nx] !== cell;
        };
        const [px, py] = [left + x * size, top + y * size];
        if (differs(-1, 0)) { path.moveTo(px, py); path.lineTo(px, py + size); }
        if (differs(0, -1)) { path.moveTo(px, py); path.lineTo(px + size, py); }
        if (differs(1, 0)) { path.moveTo(px + size, py); path.lineTo(px + size, py + size); }
        if (differs(0, 1)) { path.moveTo(px, py + size); path.lineTo(px + size, py + size); }
      }
    }
  }
  return path;
}

export function drawCells(context, lens, map, borders, colour, strength) {
  context.save();
  context.translate(lens.toX(0), lens.toY(0));
  context.scale(lens.scale, lens.scale);
  context.beginPath();
  context.rect(0, 0, map.side_m, map.side_m);
  context.clip();
  context.strokeStyle = colour.accent;
  context.globalAlpha = strength;
  context.lineWidth = 1 / lens.scale;
  context.stroke(borders);
  context.restore();
}

/** Players per tile as numbers, where there is room for them. */
export function drawCounts(context, lens, map, colour) {
  if (map.tile_m * lens.scale < 46) return;
  context.font = "600 12px system-ui, sans-serif";
  context.textAlign = "left";
  context.textBaseline = "top";
  eachTile(lens, map, (x, y, at) => {
    if (map.players[at] === 0) return;
    const [left, top] = [lens.toX(x * map.tile_m) + 6, lens.toY(y * map.tile_m) + 5];
    const text = String(map.players[at]);
    context.lineWidth = 3;
    context.strokeStyle = colour.ground;
    context.strokeText(text, left, top);
    context.fillStyle = colour.player;
    context.fillText(text, left, top);
  });
}

/** Entities as dots; who they are is said by colour and size, health by the ring of a close view. */
export function drawDots(context, lens, spectator, colour, now) {
  const size = Math.min(Math.max(lens.scale * 0.45, 2), 8);
  let n = 0;
  const dots = [...spectator.byId.values()].sort((a, b) => (b.kind === 0) - (a.kind === 0)).reverse();
  for (const dot of dots) {
    const [x, y] = spectator.place(dot, now);
    const [px, py] = [lens.toX(x), lens.toY(y)];
    if (px < -20 || py < -20 || px > lens.width + 20 || py > lens.height + 20) continue;
    n += 1;
    const radius = dot.kind === 0 ? size * 1.15 : size * 0.9;
    const tint = colour[KINDS[dot.kind]] ?? colour.soft;
    context.globalAlpha = dot.health === 0 ? 0.35 : 1;
    context.fillStyle = tint;
    context.beginPath();
    context.arc(px, py, radius, 0, TAU);
    context.fill();
    if (lens.scale >= 4 && dot.heading !== undefined) drawHeading(context, px, py, radius, dot, tint);
    if (lens.scale >= 6 && dot.health < 255) drawHealth(context, px, py, radius, dot, colour);
  }
  context.globalAlpha = 1;
  return n;
}

function drawHeading(context, px, py, radius, dot, tint) {
  const turn = dot.heading;
  context.strokeStyle = tint;
  context.lineWidth = dot.action === 0 ? 1.5 : 3;
  context.beginPath();
  context.moveTo(px + Math.cos(turn) * radius, py + Math.sin(turn) * radius);
  context.lineTo(px + Math.cos(turn) * radius * 2.1, py + Math.sin(turn) * radius * 2.1);
  context.stroke();
}

function drawHealth(context, px, py, radius, dot, colour) {
  context.lineWidth = 2;
  context.strokeStyle = dot.health < 85 ? colour.bad : colour.accent;
  context.beginPath();
  context.arc(px, py, radius + 3, -TAU / 4, -TAU / 4 + TAU * (dot.health / 255));
  context.stroke();
}

/** A round length that takes about a fifth of the width. */
export function drawScale(context, lens, colour) {
  const target = (lens.width / 5) / lens.scale;
  const power = 10 ** Math.floor(Math.log10(target));
  const metres = [5, 2, 1].map((n) => n * power).find((length) => length <= target) ?? power;
  const [left, bottom, width] = [14, lens.height - 14, metres * lens.scale];
  const text = metres >= 1000 ? `${metres / 1000} km` : `${metres} m`;
  context.font = "12px system-ui, sans-serif";
  context.textAlign = "left";
  context.textBaseline = "bottom";
  for (const [style, lineWidth] of [[colour.ground, 4], [colour.text, 1.5]]) {
    context.strokeStyle = style;
    context.lineWidth = lineWidth;
    context.beginPath();
    context.moveTo(left, bottom - 5);
    context.lineTo(left, bottom);
    context.lineTo(left + width, bottom);
    context.lineTo(left + width, bottom - 5);
    context.stroke();
  }
  context.lineWidth = 3;
  context.strokeStyle = colour.ground;
  context.strokeText(text, left + 6, bottom - 4);
  context.fillStyle = colour.text;
  context.fillText(text, left + 6, bottom - 4);
}

export function drawPointed(context, lens, map, tile, colour) {
  const [x, y] = [tile % map.tiles_per_side, Math.floor(tile / map.tiles_per_side)];
  context.strokeStyle = colour.text;
  context.lineWidth = 1.5;
  const size = map.tile_m * lens.scale;
  context.strokeRect(lens.toX(x * map.tile_m), lens.toY(y * map.tile_m), size, size);
}
