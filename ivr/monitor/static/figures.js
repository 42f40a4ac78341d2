// The indicators of today, for whoever sees all calls.

import { get } from "./api.js";
import { money, percent, words } from "./words.js";

const COUNT_AFTER = 1000;
const COUNTED = new Set([
  "transaction.created", "transaction.identified", "transaction.ended", "entry.error",
  "payment.succeeded", "payment.declined", "payment.not-charged",
]);
const at = (id) => document.getElementById(id);
let figures = null;
let waiting = null;
let pause = COUNT_AFTER;

/** Count again, but not more often than it takes time. */
export function countSoon() {
  waiting ??= setTimeout(count, pause);
}

export async function count() {
  clearTimeout(waiting);
  waiting = null;
  const midnight = new Date();
  midnight.setHours(0, 0, 0, 0);
  const begun = performance.now();
  try {
    figures = await get(`api/v1/kpi?from=${encodeURIComponent(midnight.toISOString())}`);
    drawFigures();
  } catch (error) {
    console.warn(error);
  }
  // A long day takes longer to count: no page keeps the ledger busy more than a tenth of it.
  pause = Math.max(COUNT_AFTER, 10 * (performance.now() - begun));
}

export function drawFigures() {
  if (figures === null) return;
  const recovery = at("figure-recovery");
  const lines = figures.recovery.map(
    (row) => words().recovered(money(row.recovered, row.currency), money(row.due, row.currency)));
  recovery.querySelector(".value").textContent =
    figures.recovery.map((row) => percent(row.rate)).join(" · ") || "–";
  recovery.querySelector(".basis").textContent = lines.join(" · ") || words().noDebt;
  const known = figures.completed + figures.not_completed;
  const pending = figures.pending ? words().pending(figures.pending) : "";
  figure("figure-not-completed", figures.not_completed,
    known ? words().ofKnown(known, percent(figures.not_completed_rate)) + pending
      : words().none + pending);
  figure("figure-entry-error", figures.with_entry_error,
    figures.transactions
      ? words().ofAll(figures.transactions, percent(figures.entry_error_rate)) : words().none);
}

function figure(id, value, basis) {
  at(id).querySelector(".value").textContent = value;
  at(id).querySelector(".basis").textContent = basis;
}

/** Whether an event changes an indicator. */
export const isCounted = (type) => COUNTED.has(type);
