// The map: what it holds, when it is drawn, what it says.

import * as draw from "/page/draw.js";
import { put } from "/page/figures.js";
import { count, plural } from "/page/format.js";
import { listen } from "/page/gestures.js";
import { Lens } from "/page/lens.js";
import { Spectator } from "/page/spectate.js";

/** From this scale on, in pixels per metre, entities are shown one by one. */
const NEAR_SCALE = 2.2;
const SETTLE_MS = 200;

export class ZoneMap {
  constructor(canvas) {
    this.canvas = canvas;
    this.context = canvas.getContext("2d", { alpha: false });
    this.lens = new Lens();
    this.walls = { bytes: null, pictures: new Map() };
    this.spectator = new Spectator(() => this.changed());
    this.pointed = null;
    this.isWaiting = false;
    this.readColours();
    matchMedia("(prefers-color-scheme: light)").addEventListener("change", () => this.readColours());
    new ResizeObserver(() => this.resize()).observe(canvas);
    listen(canvas, this.lens, { changed: () => this.moved(), pointed: (x, y) => this.point(x, y) });
    this.button("#zoom-in", () => this.lens.zoom(2));
    this.button("#zoom-out", () => this.lens.zoom(0.5));
    this.button("#zoom-all", () => this.lens.showAll());
    document.addEventListener("visibilitychange", () => this.spectate());
  }

  button(selector, act) {
    document.querySelector(selector).addEventListener("click", () => {
      act();
      this.moved();
    });
  }

  readColours() {
    this.colours = draw.colours();
    this.walls.pictures.clear();
    this.changed();
  }

  resize() {
    const { clientWidth, clientHeight } = this.canvas;
    const density = Math.min(devicePixelRatio || 1, 2);
    this.canvas.width = Math.round(clientWidth * density);
    this.canvas.height = Math.round(clientHeight * density);
    this.density = density;
    this.lens.resize(clientWidth, clientHeight);
    this.moved();
  }

  /** The zone-wide picture of a second. */
  show(map) {
    this.map = map;
    this.lens.setSide(map.side_m);
    this.borders = draw.cellBorders(map);
    const most = Math.max(...map.players.map((n, at) => n + map.creatures[at]), 1);
    put("ramp", `1 to ${count(most)}`);
    this.moved();
  }

  showWalls(bytes) {
    this.walls = { bytes, pictures: new Map() };
    this.changed();
  }

  get isNear() {
    return this.map !== undefined && this.lens.scale >= NEAR_SCALE;
  }

  moved() {
    clearTimeout(this.settling);
    this.settling = setTimeout(() => this.spectate(), SETTLE_MS);
    this.changed();
  }

  /** Looks closer, or stops looking. */
  spectate() {
    if (this.isNear && !document.hidden) this.spectator.look(this.lens);
    else this.spectator.close();
    this.changed();
  }

  point(px, py) {
    this.pointed = null;
    if (px !== null && this.map) {
      const [x, y] = this.lens.at(px, py).map((metres) => Math.floor(metres / this.map.tile_m));
      const side = this.map.tiles_per_side;
      if (x >= 0 && y >= 0 && x < side && y < side) this.pointed = y * side + x;
    }
    this.changed();
  }

  changed() {
    if (this.isWaiting) return;
    this.isWaiting = true;
    requestAnimationFrame((now) => {
      this.isWaiting = false;
      this.draw(now);
      if (this.isNear && this.spectator.isMoving(now)) this.changed();
    });
  }

  draw() {
    const { context, lens, map, colours } = this;
    if (!map || !this.density) return;
    const now = performance.now();
    const near = this.isNear;
    this.canvas.parentElement.dataset.view = near ? "near" : "far";
    context.setTransform(this.density, 0, 0, this.density, 0, 0);
    draw.drawGround(context, lens, map, colours);
    draw.drawHeat(context, lens, map, colours, near ? 0.22 : 1);
    draw.drawWalls(context, lens, map, this.walls, colours);
    draw.drawCells(context, lens, map, this.borders, colours, near ? 0.25 : 0.6);
    if (this.pointed !== null) draw.drawPointed(context, lens, map, this.pointed, colours);
    if (near) this.canvas.dataset.dots = draw.drawDots(context, lens, this.spectator, colours, now);
    else {
      this.canvas.dataset.dots = 0;
      draw.drawCounts(context, lens, map, colours);
    }
    draw.drawScale(context, lens, colours);
    put("map-caption", this.caption(near));
  }

  caption(near) {
    const { map, spectator } = this;
    if (this.pointed !== null) {
      const at = this.pointed;
      const side = map.tiles_per_side;
      return `Tile ${at % side}, ${Math.floor(at / side)}: ${plural(map.players[at], "player", "players")}, `
        + plural(map.creatures[at], "creature", "creatures");
    }
    if (!near) return `${count(map.side_m)} m square, ${plural(map.cells.length, "cell", "cells")}`;
    if (spectator.trouble) return "No seat for another spectator, or no answer: trying again";
    const n = Number(this.canvas.dataset.dots);
    const left = spectator.leftOut > 0 ? `, a share: ${count(spectator.leftOut)} more are not drawn` : "";
    return `${plural(n, "entity", "entities")} in view${left}`;
  }
}
