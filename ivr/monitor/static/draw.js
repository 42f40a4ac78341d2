// Drawing a call's state. Text goes in as text only, never as markup.

import { drawActions, newActions } from "./actions.js";
import { myself } from "./api.js";
import { locale, money, words } from "./words.js";

const STEPS = [
  "reference", "amount", "ready", "payment-card-number", "expiration-date",
  "security-code", "confirm", "payment-processing", "payment-completed",
];
const FAILED = new Set(["payment-failed", "payment-cancelled"]);
const GOOD = new Set(["success", "already-paid"]);
const SILENCE_WORTH_TELLING = 3;

const template = (id) => document.getElementById(id).content.firstElementChild;

function part(node, name, text) {
  const found = node.querySelector(`.${name}`);
  if (found.textContent !== text) found.textContent = text;
  return found;
}

const resultName = (result) => words().results[result] ?? result ?? words().noResult;
const ended = (call) =>
  call.result === null && call.transactionId !== null ? words().stillOpen : resultName(call.result);
export const callerName = (call) => call.caller || words().hiddenCaller;
export const stepName = (step) => words().steps[step] ?? step ?? "";
const brandName = (brand) =>
  brand ? ({ amex: "American Express", cb: "CB", jcb: "JCB", unknown: "" })[brand] ??
    brand[0].toUpperCase() + brand.slice(1) : "";

export function newStrip() {
  const strip = template("strip-template").cloneNode(true);
  strip.querySelector(".steps").append(...STEPS.map(() => document.createElement("li")));
  newActions(strip);
  return strip;
}

/** Draw a live call; `debtor` is the name that was given when it was prepared. */
export function drawStrip(strip, call, debtor = "") {
  part(strip, "caller", callerName(call));
  const due = [
    debtor, call.reference, call.due === null ? "" : words().due(money(call.due, call.currency)),
  ];
  part(strip, "due", due.filter(Boolean).join(" · "));
  const others = call.owner !== null && call.ownerId !== myself()?.user?.id;
  part(strip, "owner", others ? words().owner(call.owner) : "");
  strip.toggleAttribute("data-asked", call.asked);
  part(strip, "desk", deskLine(call)).dataset.kind = DESK_KINDS[call.desk?.event] ?? "plain";
  drawSteps(strip, call);
  drawEntry(strip, call);
  const result = part(strip, "result", call.result === null ? "" : outcome(call));
  result.dataset.kind = kindOf(call.result);
  part(strip, "error", call.error === null ? "" : errorLine(call.error));
  drawActions(strip, call);
  drawElapsed(strip, call);
}

const DESK_KINDS = {
  "agent.wanted": "warn", "agent.ringing": "warn", "agent.unavailable": "bad",
  "agent.connected": "good", "capture.started": "good", "shield.proved": "good",
  "shield.unproved": "bad",
};

/** What goes on between debtor and agent, in words; empty when the debtor is alone. */
export function deskLine({ desk, asked }) {
  if (desk === null) return "";
  const why = asked && desk.event !== "agent.wanted" ? `${words().desk["agent.wanted"]["asked-for"]} · ` : "";
  const said = words().desk[desk.event];
  const own = desk.agent !== null && desk.agent === myself()?.user?.id;
  return why + (said[desk.reason] ?? (own ? said.own : undefined) ?? said[""]);
}

function drawSteps(strip, call) {
  const list = strip.querySelector(".steps");
  // A journey that failed stopped where the payment was being made.
  const step = FAILED.has(call.place) ? "payment-processing" : call.place;
  const at = GOOD.has(call.result) ? STEPS.length : STEPS.indexOf(step);
  [...list.children].forEach((node, index) => {
    const state = index < at ? "done" : index === at ? "current" : "ahead";
    node.dataset.state = state;
    node.textContent = stepName(STEPS[index]);
    if (state === "current") node.setAttribute("aria-current", "step");
    else node.removeAttribute("aria-current");
  });
  list.setAttribute("aria-label", words().stepOf(
    stepName(call.place), Math.min(at + 1, STEPS.length), STEPS.length));
}

function drawEntry(strip, call) {
  part(strip, "step-name", stepName(call.place));
  const { digits, luhn, attempt, silence } = call.entry;
  const dots = strip.querySelector(".dots");
  const group = call.place === "payment-card-number" ? 4 : digits || 1;
  const drawn = "●".repeat(digits).match(new RegExp(`.{1,${group}}`, "gu")) ?? [];
  part(strip, "dots", drawn.join(" "));
  dots.hidden = digits === 0;
  dots.setAttribute("aria-label", words().digits(digits));
  part(strip, "card-brand", brandName(call.brand) + (call.last4 ? ` •••• ${call.last4}` : ""));
  const valid = part(strip, "validity", luhn === null ? "" : luhn ? words().valid : words().invalid);
  valid.dataset.kind = luhn ? "good" : "bad";
  part(strip, "attempt", attempt > 1 ? words().attempt(attempt) : "");
  const quiet = silence >= SILENCE_WORTH_TELLING && call.result === null;
  part(strip, "silence", quiet ? words().silence(Math.round(silence)) : "");
}

export function errorLine({ step, error, attempt }) {
  const tries = attempt ? ` (${words().attempt(attempt)})` : "";
  const colon = locale().startsWith("fr") ? " : " : ": ";
  const what = words().errors[error] ?? error;
  return `${words().lastError}${colon}${stepName(step)}, ${what}${tries}`;
}

export function drawElapsed(strip, call) {
  const from = new Date(call.startedAt);
  const seconds = Math.max(0, Math.floor((Date.now() - from) / 1000));
  const elapsed = strip.querySelector(".elapsed");
  elapsed.dateTime = call.startedAt;
  elapsed.textContent =
    `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;
}

function kindOf(result) {
  if (GOOD.has(result)) return "good";
  return result === "pending" || result === "transferred-to-agent" || result === null
    ? "plain" : "bad";
}

function outcome(call) {
  return call.result === "success" && call.paid
    ? words().paid(money(call.paid, call.currency)) : resultName(call.result);
}

export function newRow() {
  return template("ended-template").cloneNode(true);
}

export function drawRow(row, call) {
  const result = part(row, "result", ended(call));
  result.dataset.kind = kindOf(call.result);
  const paid = call.paid ? money(call.paid, call.currency) : "";
  const due = call.due === null ? "" : words().due(money(call.due, call.currency));
  part(row, "amount", paid || due).dataset.kind = paid ? "paid" : "due";
  part(row, "card", call.last4 ? `${brandName(call.brand)} •••• ${call.last4}` : "");
  const owner = call.ownerId === myself()?.user?.id ? "" : call.owner;
  part(row, "caller", [callerName(call), call.reference, owner].filter(Boolean).join(" · "));
  const when = row.querySelector(".when");
  when.dateTime = call.endedAt;
  when.textContent = new Date(call.endedAt).toLocaleTimeString(locale(), { timeStyle: "short" });
}

export const began = (call) => words().began(callerName(call));
export const finished = (call) => words().finished(
  callerName(call), resultName(call.result), call.paid ? money(call.paid, call.currency) : "");
