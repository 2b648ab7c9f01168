// Mouse, wheel, touch and keys become pans and zooms.

const KEY_PIXELS = 80;
const KEY_ZOOM = 1.5;

export function listen(canvas, lens, { changed, pointed }) {
  const held = new Map();
  const place = (event) => {
    const box = canvas.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  };

  canvas.addEventListener("pointerdown", (event) => {
    canvas.setPointerCapture(event.pointerId);
    held.set(event.pointerId, place(event));
    pointed(...place(event));
  });

  canvas.addEventListener("pointermove", (event) => {
    const now = place(event);
    const before = held.get(event.pointerId);
    pointed(...now);
    if (!before) return;
    held.set(event.pointerId, now);
    if (held.size === 2) {
      const [other] = [...held].filter(([id]) => id !== event.pointerId).map(([, at]) => at);
      const distance = (a, b) => Math.max(Math.hypot(a[0] - b[0], a[1] - b[1]), 1);
      lens.zoom(distance(now, other) / distance(before, other), (now[0] + other[0]) / 2, (now[1] + other[1]) / 2);
      lens.pan((now[0] - before[0]) / 2, (now[1] - before[1]) / 2);
    } else {
      lens.pan(now[0] - before[0], now[1] - before[1]);
    }
    changed();
  });

  for (const end of ["pointerup", "pointercancel"]) {
    canvas.addEventListener(end, (event) => held.delete(event.pointerId));
  }
  canvas.addEventListener("pointerleave", (event) => {
    // A finger that is lifted has pointed; what it pointed at stays.
    if (event.pointerType === "mouse") pointed(null, null);
  });

  canvas.addEventListener("wheel", (event) => {
    event.preventDefault();
    // Lines and pages are what some mice send.
    const pixels = event.deltaY * [1, 30, 300][event.deltaMode];
    lens.zoom(Math.exp(-Math.max(Math.min(pixels, 240), -240) / 400), ...place(event));
    changed();
  }, { passive: false });

  canvas.addEventListener("dblclick", (event) => {
    lens.zoom(2, ...place(event));
    changed();
  });

  const keys = {
    ArrowLeft: () => lens.pan(KEY_PIXELS, 0),
    ArrowRight: () => lens.pan(-KEY_PIXELS, 0),
    ArrowUp: () => lens.pan(0, KEY_PIXELS),
    ArrowDown: () => lens.pan(0, -KEY_PIXELS),
    "+": () => lens.zoom(KEY_ZOOM),
    "=": () => lens.zoom(KEY_ZOOM),
    "-": () => lens.zoom(1 / KEY_ZOOM),
    "0": () => lens.showAll(),
  };
  canvas.addEventListener("keydown", (event) => {
    if (!(event.key in keys) || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    keys[event.key]();
    changed();
  });
}
