// The live page: a snapshot of the calls, then the event stream from exactly there on.

import { EVENT_TYPES, adopt, apply, fromEvent, fromSnapshot } from "./calls.js";
import { began, drawElapsed, drawRow, drawStrip, finished, newRow, newStrip } from "./draw.js";
import { choose, currentLanguage, money, percent, words } from "./words.js";

const ENDED_KEPT = 30;
const AGAIN_AFTER = 2000;
const COUNT_AFTER = 1000;
const COUNTED = new Set([
  "transaction.created", "transaction.identified", "transaction.ended", "entry.error",
  "payment.succeeded", "payment.declined", "payment.not-charged",
]);

const calls = new Map(); // call id to { state, node }
const at = (id) => document.getElementById(id);
let lastId = 0;
let source = null;
let figures = null;
let connection = "connecting";
let trunks = [];

// Reading

async function get(path) {
  const answer = await fetch(path, { headers: { Accept: "application/json" } });
  if (answer.status === 401) location.reload(); // the cookie is gone: the door is at "/"
  if (!answer.ok) throw new Error(`${path}: ${answer.status}`);
  return answer.json();
}

async function snapshot() {
  const live = [];
  const first = await get("api/v1/calls?live=true&limit=200");
  for (let page = first; ; page = await get(
    `api/v1/calls?live=true&limit=200&cursor=${encodeURIComponent(page.next)}`)) {
    live.push(...page.items);
    if (page.next === null) break;
  }
  const ended = await get(`api/v1/calls?live=false&limit=${ENDED_KEPT}`);
  // The oldest answer's mark: later answers may hold more, and events may come twice.
  lastId = first.last_event_id;
  for (const { node } of calls.values()) node.remove();
  calls.clear();
  for (const told of [...ended.items, ...live].reverse()) show(fromSnapshot(told));
  tidy();
}

async function start() {
  try {
    await snapshot();
    listen();
    count();
    lookAtTrunks();
  } catch (error) {
    console.warn(error);
    connectionIs("lost");
    setTimeout(start, AGAIN_AFTER);
  }
}

function listen() {
  source = new EventSource(`api/v1/events?after=${lastId}`);
  source.onopen = () => connectionIs("live");
  source.onerror = () => {
    // A dropped stream resumes by itself with Last-Event-ID; a refused one is begun anew.
    connectionIs(source.readyState === EventSource.CLOSED ? "lost" : "catching");
    if (source.readyState === EventSource.CLOSED) setTimeout(start, AGAIN_AFTER);
  };
  for (const type of EVENT_TYPES) source.addEventListener(type, heard);
}

function heard(message) {
  const event = JSON.parse(message.data);
  if (event.id <= lastId) return;
  lastId = event.id;
  if (COUNTED.has(event.type)) countSoon();
  if (event.type.startsWith("trunk.")) lookAtTrunks();
  if (event.call_id === null) return;
  let call = calls.get(event.call_id);
  if (call === undefined) {
    if (event.type !== "call.started") return; // ended long ago: not on the page any more
    call = show(fromEvent(event));
  }
  const wasLive = call.state.endedAt === null;
  apply(call.state, event);
  if (event.type === "transaction.identified" || event.type === "transaction.ended") {
    complete(call, event.transaction_id);
  }
  if (event.type === "call.started") announce(began(call.state));
  if (event.type === "transaction.ended") announce(finished(call.state));
  if (wasLive && call.state.endedAt !== null) {
    call.node.remove();
    place(call);
    tidy();
  } else {
    draw(call);
  }
}

/** Ask for what events do not tell: the reference of the debt, the card that paid. */
async function complete(call, transactionId) {
  try {
    const transaction = await get(`api/v1/transactions/${encodeURIComponent(transactionId)}`);
    if (call.state.transactionId !== transactionId) return;
    const { step, result } = call.state; // events may be ahead of this answer
    adopt(call.state, transaction);
    Object.assign(call.state, { step, result: result ?? transaction.result });
    draw(call);
  } catch (error) {
    console.warn(error);
  }
}

async function lookAtTrunks() {
  try {
    trunks = (await get("api/v1/trunks")).items;
    drawTrunks();
  } catch (error) {
    console.warn(error);
  }
}

// Drawing

function drawTrunks() {
  const out = trunks.filter((trunk) => trunk.up === false || trunk.registered === false);
  const names = [...new Set(out.map((trunk) => trunk.name))].join(", ");
  at("trunks").textContent = names && words().trunksOut(names);
  at("trunks").hidden = !names;
}

function show(state) {
  const call = { state, node: null };
  calls.set(state.id, call);
  place(call);
  return call;
}

/** Put a call among the live or the ended ones, newest first. */
function place(call) {
  const live = call.state.endedAt === null;
  call.node = live ? newStrip() : newRow();
  at(live ? "live-calls" : "ended-calls").prepend(call.node);
  draw(call);
}

function draw({ state: call, node }) {
  (call.endedAt === null ? drawStrip : drawRow)(node, call);
  const live = at("live-calls").childElementCount;
  at("live-count").textContent = live;
  at("live-empty").hidden = live > 0;
  at("ended-empty").hidden = at("ended-calls").childElementCount > 0;
}

function tidy() {
  const rows = [...at("ended-calls").children].slice(ENDED_KEPT);
  for (const [id, { node }] of calls) {
    if (rows.includes(node)) {
      node.remove();
      calls.delete(id);
    }
  }
}

function connectionIs(name) {
  connection = name;
  at("connection").dataset.state = name;
  at("connection-words").textContent = words().connection[name];
}

function announce(text) {
  const line = document.createElement("span");
  line.textContent = text;
  at("announcements").append(line);
  while (at("announcements").childElementCount > 5) at("announcements").firstChild.remove();
}

// The indicators of today

let waiting = null;
let pause = COUNT_AFTER;

function countSoon() {
  waiting ??= setTimeout(count, pause);
}

async function count() {
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

function drawFigures() {
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

// Language

function translate() {
  document.documentElement.lang = currentLanguage();
  document.title = `Solde · ${words().title}`;
  for (const node of document.querySelectorAll("[data-word]")) {
    node.textContent = words()[node.dataset.word];
  }
  for (const button of document.querySelectorAll("[data-language]")) {
    button.setAttribute("aria-pressed", String(button.dataset.language === currentLanguage()));
  }
  connectionIs(connection);
  for (const call of calls.values()) draw(call);
  drawFigures();
  drawTrunks();
}

for (const button of document.querySelectorAll("[data-language]")) {
  button.addEventListener("click", () => {
    choose(button.dataset.language);
    translate();
  });
}

setInterval(() => {
  for (const call of calls.values()) {
    if (call.state.endedAt === null) drawElapsed(call.node, call.state);
  }
}, 1000);
setInterval(countSoon, 60_000); // midnight passes without an event

translate();
start();
