// A spectator: asks the zone for the entities of a rectangle, and moves them smoothly from picture to picture.

const MARGIN = 0.15;
/** The next picture is this late at most; what moves is never drawn further than its last known place. */
const STEP_MS_MAX = 600;
/** A longer way in one picture is a jump: somebody died and came back, or has been away. */
const JUMP_M = 12;
const RETRY_MS = 5000;

/** Where an entity looks, in radians: where it goes, else where it acts, else as before. */
function heading(dot, facing, old) {
  const [dx, dy] = [dot.x - dot.fromX, dot.y - dot.fromY];
  if (Math.hypot(dx, dy) > 0.05) return Math.atan2(dy, dx);
  return dot.action !== 0 || dot.kind === 0 ? (facing / 128) * Math.PI : old?.heading;
}

export class Spectator {
  /** `drawn` is called when there is something new to draw. */
  constructor(drawn) {
    this.drawn = drawn;
    this.byId = new Map();
    this.leftOut = 0;
    this.stepMs = 200;
    this.source = null;
    this.seen = null;
    this.trouble = false;
    this.still = matchMedia("(prefers-reduced-motion: reduce)");
  }

  /** Looks at what the lens shows, and somewhat beyond it. */
  look(lens) {
    const needed = lens.rectangle(0);
    const has = this.seen;
    const isInside = has && needed.x >= has.x && needed.y >= has.y
      && needed.x + needed.w <= has.x + has.w && needed.y + needed.h <= has.y + has.h;
    const isClose = isInside && has.w < needed.w * (1 + 4 * MARGIN);
    if (this.source && isClose) return;
    this.open(lens.rectangle(MARGIN));
  }

  open(rectangle) {
    this.source?.close();
    clearTimeout(this.retry);
    this.seen = rectangle;
    const query = Object.entries(rectangle).map(([name, metres]) => `${name}=${metres.toFixed(1)}`).join("&");
    const source = new EventSource(`/spectate?${query}`);
    this.source = source;
    source.onmessage = (event) => this.take(JSON.parse(event.data));
    source.onerror = () => {
      // Still trying by itself, unless it was told no: all seats are taken, or the zone is gone.
      if (source.readyState !== EventSource.CLOSED || this.source !== source) return;
      this.trouble = true;
      this.retry = setTimeout(() => this.source === source && this.open(this.seen), RETRY_MS);
      this.drawn();
    };
  }

  close() {
    this.source?.close();
    clearTimeout(this.retry);
    Object.assign(this, { source: null, seen: null, takenAt: undefined, leftOut: 0, trouble: false });
    this.byId.clear();
  }

  take({ dots, left_out: leftOut }) {
    const now = performance.now();
    if (this.takenAt) {
      const step = Math.min(now - this.takenAt, STEP_MS_MAX);
      this.stepMs += (step - this.stepMs) * 0.2;
    }
    Object.assign(this, { takenAt: now, leftOut, trouble: false });
    const next = new Map();
    for (const [id, xMm, yMm, kind, facing, health, action] of dots) {
      const [x, y] = [xMm / 1000, yMm / 1000];
      const old = this.byId.get(id);
      const [fromX, fromY] = old ? this.place(old, now) : [x, y];
      const jumps = Math.hypot(x - fromX, y - fromY) > JUMP_M;
      const dot = { x, y, fromX: jumps ? x : fromX, fromY: jumps ? y : fromY, at: now, kind, health, action };
      dot.heading = heading(dot, facing, old);
      next.set(id, dot);
    }
    this.byId = next;
    this.drawn();
  }

  /** Where to draw an entity now. */
  place(dot, now) {
    const part = this.still.matches ? 1 : Math.min((now - dot.at) / this.stepMs, 1);
    return [dot.fromX + (dot.x - dot.fromX) * part, dot.fromY + (dot.y - dot.fromY) * part];
  }

  /** Whether the next frame will look different. */
  isMoving(now) {
    return !this.still.matches && this.takenAt !== undefined && now - this.takenAt <= this.stepMs;
  }
}
