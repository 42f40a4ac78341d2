// The live page: a snapshot of the calls, then the event stream from exactly there on.

import { firstAction, letters } from "./actions.js";
import { announce } from "./announce.js";
import { get, isMine, may, myself, signOut, whoAmI } from "./api.js";
import { EVENT_TYPES, adopt, apply, fromEvent, fromSnapshot } from "./calls.js";
import {
  began, callerName, deskLine, drawElapsed, drawRow, drawStrip, errorLine, finished, newRow,
  newStrip, stepName,
} from "./draw.js";
import { focusCalling, hasCome, openCalling, translateCalling } from "./calling.js";
import { count, countSoon, drawFigures, isCounted } from "./figures.js";
import {
  debtorOf, focusForm, hasCall, hasEnded, lookAtPrepared, openForm, tick, translateForm,
  welcome,
} from "./prepare.js";
import { choose, currentLanguage, prefer, words } from "./words.js";

const ENDED_KEPT = 30;
const AGAIN_AFTER = 2000;
/** An agent meets a call by one of these: what came before was not theirs to see. */
const MEETING = new Set([
  "transaction.transferred", "agent.wanted", "agent.ringing", "agent.connected",
]);
/** These change what a transaction's row says and events do not. */
const TOLD_BY_ROW = new Set([
  "transaction.transferred", "transaction.identified", "transaction.ended", "agent.ringing",
  "agent.connected",
]);

const calls = new Map(); // call id to { state, node }
const meeting = new Map(); // call id to what happened while its snapshot is on its way
const at = (id) => document.getElementById(id);
let lastId = 0;
let source = null;
let connection = "connecting";
let trunks = [];

// Reading

async function liveCalls() {
  const live = [];
  const first = await get("api/v1/calls?live=true&limit=200");
  for (let page = first; ; page = await get(
    `api/v1/calls?live=true&limit=200&cursor=${encodeURIComponent(page.next)}`)) {
    live.push(...page.items);
    if (page.next === null) break;
  }
  return { live, lastEventId: first.last_event_id };
}

async function snapshot() {
  const { live, lastEventId } = await liveCalls();
  const ended = await get(`api/v1/calls?live=false&limit=${ENDED_KEPT}`);
  // The oldest answer's mark: later answers may hold more, and events may come twice.
  lastId = lastEventId;
  for (const { node } of calls.values()) node.remove();
  calls.clear();
  for (const told of [...ended.items, ...live].reverse()) show(fromSnapshot(told));
  tidy();
  await lookAtPrepared(liveTransactions);
  welcome(live.length > 0);
}

const liveTransactions = () => new Set([...calls.values()]
  .filter(({ state }) => state.endedAt === null).map(({ state }) => state.transactionId));

async function start() {
  try {
    if (myself() === null) await enter();
    await snapshot();
    listen();
    if (may("transactions:all")) count();
    lookAtTrunks();
  } catch (error) {
    console.warn(error);
    connectionIs("lost");
    setTimeout(start, AGAIN_AFTER);
  }
}

async function enter() {
  const { user } = await whoAmI();
  if (user !== null) prefer(user.language);
  at("today").hidden = !may("transactions:all");
  at("administration").hidden = !may("users:write");
  at("shortcuts").hidden = !may("transactions:write");
  openForm();
  openCalling((callId) => calls.get(callId)?.state.endedAt === null);
  translate();
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
  if (isCounted(event.type) && may("transactions:all")) countSoon();
  if (event.type.startsWith("trunk.")) lookAtTrunks();
  if (event.type === "transaction.ended") hasEnded(event.transaction_id);
  if (event.call_id === null) {
    if (event.type === "transaction.identified") lookAtPrepared(liveTransactions);
    return;
  }
  const call = calls.get(event.call_id);
  if (call !== undefined) happened(call, event);
  else if (event.type === "call.started") happened(show(fromEvent(event)), event);
  else if (meeting.has(event.call_id)) meeting.get(event.call_id).push(event);
  else if (MEETING.has(event.type)) meet(event);
}

/** A call has come to this agent: ask for all of it that is theirs to see. */
async function meet(event) {
  const since = [event];
  meeting.set(event.call_id, since);
  try {
    const { live } = await liveCalls();
    const told = live.find((one) => one.id === event.call_id);
    if (told === undefined) return;
    const call = calls.get(told.id) ?? show(fromSnapshot(told));
    announce(began(call.state));
    // What the snapshot held already changes nothing.
    for (const one of since) happened(call, one);
  } catch (error) {
    console.warn(error);
    setTimeout(() => meet(event), AGAIN_AFTER);
  } finally {
    meeting.delete(event.call_id);
  }
}

function happened(call, event) {
  const wasLive = call.state.endedAt === null;
  apply(call.state, event);
  const { transactionId } = call.state;
  if (event.type === "transaction.transferred") hasCall(transactionId, true);
  if (TOLD_BY_ROW.has(event.type)) complete(call, event.transaction_id);
  announce(said(call.state, event));
  if (wasLive && call.state.endedAt !== null) {
    call.node.remove();
    place(call);
    tidy();
    if (call.state.result === null) hasCall(transactionId, false);
  } else {
    draw(call);
  }
  drawTitle();
}

/** What is read out: of one's own calls each step, never each digit; of others' the ends. */
function said(call, { type, step }) {
  if (type === "call.started") return began(call);
  if (type === "transaction.ended") return finished(call);
  if (type === "agent.wanted" && call.asked) return `${callerName(call)} · ${deskLine(call)}`;
  if (!isMine(call.ownerId)) return "";
  if (type === "step.entered") return step === "agent" ? "" : stepName(step);
  if (type === "entry.error") return errorLine(call.error);
  const atDesk = /^(?:agent|journey|capture|shield)\./u.test(type);
  return atDesk ? deskLine(call) : "";
}

/** Ask for what events do not tell: the reference of the debt, whose it is, the card that paid. */
async function complete(call, transactionId) {
  try {
    const transaction = await get(`api/v1/transactions/${encodeURIComponent(transactionId)}`);
    if (call.state.transactionId !== transactionId) return;
    adopt(call.state, transaction);
    call.state.result ??= transaction.result; // events may be ahead of this answer
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
  hasCome(state.id);
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
  if (call.endedAt === null) drawStrip(node, call, debtorOf(call.transactionId));
  else drawRow(node, call);
  const live = at("live-calls").childElementCount;
  at("live-count").textContent = live;
  at("live-empty").hidden = live > 0;
  at("ended-empty").hidden = at("ended-calls").childElementCount > 0;
}

function drawTitle() {
  const asked = [...calls.values()].some(({ state }) => state.asked && state.endedAt === null);
  document.title = asked ? `☎ ${words().wantedTitle} · Solde` : `Solde · ${words().title}`;
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

// Language

function translate() {
  document.documentElement.lang = currentLanguage();
  for (const node of document.querySelectorAll("[data-word]")) {
    node.textContent = words()[node.dataset.word];
  }
  for (const node of document.querySelectorAll("[data-label]")) {
    node.setAttribute("aria-label", words()[node.dataset.label]);
  }
  for (const button of document.querySelectorAll("[data-language]")) {
    button.setAttribute("aria-pressed", String(button.dataset.language === currentLanguage()));
  }
  connectionIs(connection);
  drawWho();
  drawLetters();
  for (const call of calls.values()) draw(call);
  translateForm();
  translateCalling();
  drawFigures();
  drawTrunks();
  drawTitle();
}

function drawWho() {
  const { user, actor } = myself() ?? { user: null, actor: "" };
  at("who").textContent = user === null ? actor : `${user.name} · ${words().roles[user.role]}`;
}

for (const button of document.querySelectorAll("[data-language]")) {
  button.addEventListener("click", () => {
    choose(button.dataset.language);
    translate();
  });
}
at("sign-out").addEventListener("click", () => signOut().catch(console.warn));

// The keyboard. Alt with a letter works everywhere; letters alone only inside a call.

function drawLetters() {
  at("letters").replaceChildren(...letters().map(([key, text]) => {
    const line = document.createElement("div");
    const name = document.createElement("dt");
    name.append(Object.assign(document.createElement("kbd"), { textContent: key.toUpperCase() }));
    line.append(name, Object.assign(document.createElement("dd"), { textContent: text }));
    return line;
  }));
}

function focusNextCall() {
  const strips = [...at("live-calls").children];
  const current = strips.findIndex((strip) => strip.contains(document.activeElement));
  const next = strips[(current + 1) % strips.length];
  (next === undefined ? at("live") : firstAction(next) ?? next).focus();
}

document.addEventListener("keydown", (event) => {
  if (!event.altKey || event.ctrlKey || event.metaKey || event.shiftKey) return;
  // By place on the keyboard: with Alt, some systems make other letters of these.
  if (event.code === "KeyN" && may("transactions:write")) focusForm();
  else if (event.code === "KeyC" && may("transactions:write")) focusCalling();
  else if (event.code === "KeyL") focusNextCall();
  else return;
  event.preventDefault();
});

setInterval(() => {
  for (const call of calls.values()) {
    if (call.state.endedAt === null) drawElapsed(call.node, call.state);
  }
  tick();
}, 1000);
setInterval(() => {
  if (may("transactions:all")) countSoon(); // midnight passes without an event
}, 60_000);

translate();
start();
