// Numbers as people read them.

const whole = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });

export function count(n) {
  return whole.format(n);
}

/** Three digits that count: 0.84, 12.5, 320. */
export function short(value) {
  const digits = value >= 100 ? 0 : value >= 10 ? 1 : 2;
  return value.toFixed(digits);
}

export function ms(value) {
  return value === null || value === undefined ? "–" : `${short(value)} ms`;
}

/** Nanoseconds with the unit that fits. */
export function ns(value) {
  return value < 1e6 ? `${short(value / 1e3)} µs` : `${short(value / 1e6)} ms`;
}

export function bytes(value) {
  const units = ["B", "kB", "MB", "GB", "TB"];
  let at = 0;
  let left = value;
  while (left >= 999.5 && at + 1 < units.length) {
    left /= 1000;
    at += 1;
  }
  return `${at === 0 ? Math.round(left) : short(left)} ${units[at]}`;
}

export function share(value) {
  return value === 0 ? "0 %" : value < 0.0001 ? "< 0.01 %" : `${(value * 100).toFixed(2)} %`;
}

export function age(seconds) {
  const parts = [["d", 86400], ["h", 3600], ["min", 60], ["s", 1]];
  const first = parts.findIndex(([, size]) => seconds >= size);
  if (first < 0) return "0 s";
  let left = Math.floor(seconds);
  return parts.slice(first, first + 2).map(([unit, size]) => {
    const n = Math.floor(left / size);
    left -= n * size;
    return `${n} ${unit}`;
  }).join(" ");
}

export function plural(n, one, many) {
  return `${count(n)} ${n === 1 ? one : many}`;
}
