// Which part of the zone is looked at: a middle in metres and a scale in pixels per metre.

const SCALE_MAX = 24;
const MARGIN = 1.06;

export class Lens {
  constructor() {
    Object.assign(this, { x: 0, y: 0, scale: 1, width: 1, height: 1, side: 0, isWhole: true });
  }

  resize(width, height) {
    Object.assign(this, { width, height });
    this.settle();
  }

  /** The zone is this large, metres. */
  setSide(side) {
    if (this.side !== side) {
      this.side = side;
      this.showAll();
    }
  }

  showAll() {
    this.isWhole = true;
    this.settle();
  }

  get scaleMin() {
    return Math.min(this.width, this.height) / (Math.max(this.side, 1) * MARGIN);
  }

  /** Keeps the view within what there is to see. */
  settle() {
    if (this.isWhole) {
      Object.assign(this, { x: this.side / 2, y: this.side / 2, scale: this.scaleMin });
      return;
    }
    this.scale = Math.min(Math.max(this.scale, this.scaleMin), SCALE_MAX);
    const clamp = (at, pixels) => {
      const half = pixels / this.scale / 2;
      const slack = half * 0.5;
      return half * 2 >= this.side + slack * 2 ? this.side / 2
        : Math.min(Math.max(at, half - slack), this.side - half + slack);
    };
    this.x = clamp(this.x, this.width);
    this.y = clamp(this.y, this.height);
  }

  toX(metres) {
    return (metres - this.x) * this.scale + this.width / 2;
  }

  toY(metres) {
    return (metres - this.y) * this.scale + this.height / 2;
  }

  /** Metres under a pixel. */
  at(px, py) {
    return [(px - this.width / 2) / this.scale + this.x, (py - this.height / 2) / this.scale + this.y];
  }

  pan(dx, dy) {
    this.isWhole = false;
    this.x -= dx / this.scale;
    this.y -= dy / this.scale;
    this.settle();
  }

  /** Zooms and keeps what is under the pixel where it is. */
  zoom(factor, px = this.width / 2, py = this.height / 2) {
    const [x, y] = this.at(px, py);
    this.scale *= factor;
    this.isWhole = this.scale <= this.scaleMin;
    this.settle();
    if (this.isWhole) return;
    const [movedX, movedY] = this.at(px, py);
    this.x += x - movedX;
    this.y += y - movedY;
    this.settle();
  }

  /** West, north, width and height in metres, with a margin as a share of the view. */
  rectangle(margin) {
    const w = (this.width / this.scale) * (1 + 2 * margin);
    const h = (this.height / this.scale) * (1 + 2 * margin);
    return { x: this.x - w / 2, y: this.y - h / 2, w, h };
  }
}
