// Asking the zone again and again, one question at a time per path, and knowing when it last answered.

const PATIENCE_MS = 4000;

/** When the zone last answered anything, on the clock of `performance.now()`; null before the first time. */
let answeredAt = null;

export function silentFor() {
  return answeredAt === null ? null : performance.now() - answeredAt;
}

export async function ask(path, read) {
  const answer = await fetch(path, { signal: AbortSignal.timeout(PATIENCE_MS), cache: "no-store" });
  if (!answer.ok) throw new Error(`${path}: ${answer.status}`);
  const content = await read(answer);
  answeredAt = performance.now();
  return content;
}

/** Asks every so often while the page is visible; `show` gets each answer. Failures show by silence. */
export function every(ms, path, show, read = (answer) => answer.json()) {
  const round = async () => {
    if (!document.hidden) {
      let content;
      try {
        content = await ask(path, read);
      } catch {
        content = undefined; // the state of the page says so
      }
      if (content !== undefined) show(content);
    }
    setTimeout(round, ms);
  };
  round();
}
