// Preparing payments, and what has been prepared and waits for its call.

import { announce } from "./announce.js";
import { get, isMine, may, myself, newKey, send } from "./api.js";
import { copy } from "./dom.js";
import { whyNot } from "./refusals.js";
import { complain, needSubject, offerCurrencies } from "./subject.js";
import { currentLanguage, money, words } from "./words.js";

const KEPT = "solde.prepared"; // in this tab only
/** What this version charges; the words for what may follow are there. */
const OFFERED = ["all"];
const SPEAKS_FOR = 1500;

const at = (id) => document.getElementById(id);
const waiting = new Map(); // transaction id to { transaction, live, node }

// Where to transfer a call is told once: this tab remembers it until the transaction ends.

let kept = {};
try { kept = JSON.parse(sessionStorage.getItem(KEPT) ?? "{}"); } catch { /* nothing is kept */ }

function keep() {
  try { sessionStorage.setItem(KEPT, JSON.stringify(kept)); } catch { /* only until reload */ }
}

const debtors = new Map(Object.entries(kept).map(([id, { debtor }]) => [id, debtor]));

/** The debtor's name, as it was given here. */
export const debtorOf = (transactionId) => debtors.get(transactionId) ?? "";

// The form

export function openForm() {
  at("prepare").hidden = !may("transactions:write");
  offerCurrencies(at("form"));
  at("language").value = currentLanguage();
  at("form").addEventListener("submit", (event) => {
    event.preventDefault();
    prepare();
  });
}

export function focusForm() {
  at("prepare").open = true;
  at("reference").focus();
}

export function translateForm() {
  at("phone-hint").textContent = words().phoneHint(myself()?.user?.phone ?? "");
  at("offers").replaceChildren(...OFFERED.map((offer) => {
    const label = document.createElement("label");
    const box = Object.assign(document.createElement("input"), {
      type: "checkbox", name: "offers", value: offer, checked: true, disabled: OFFERED.length === 1,
    });
    label.append(box, ` ${words().offers[offer]}`);
    return label;
  }));
  for (const one of waiting.values()) draw(one);
  drawList();
}

/** Return what the form says, or null after saying what is wrong. */
function read(form) {
  const subject = needSubject(form);
  const said = (name) => form.elements[name].value.trim();
  return subject && {
    language: said("language"), afterwards: said("afterwards"), mode: said("mode"),
    offers: OFFERED, debtor: said("debtor"), agent_phone: said("agent_phone"), ...subject,
  };
}

let sending = null; // { key, body } of what was sent and not answered

async function prepare() {
  const form = at("form");
  const wish = read(form);
  if (!wish || at("prepare-button").ariaDisabled === "true") return;
  const body = JSON.stringify(wish);
  // The same wish again, its answer lost, is still one preparation.
  if (sending?.body !== body) sending = { key: newKey(), body };
  at("prepare-button").ariaDisabled = "true";
  try {
    const { ok, told } = await send(
      "POST", "api/v1/transactions", wish, { "Idempotency-Key": sending.key });
    sending = null;
    if (!ok) {
      complain(form, null, `${words().notPrepared} `, whyNot(told));
      return;
    }
    const lives = new Date(told.transfer.expires_at) - new Date(told.created_at);
    kept[told.id] = { transfer: told.transfer, debtor: wish.debtor, until: Date.now() + lives };
    keep();
    debtors.set(told.id, wish.debtor);
    // What is the same for the next call stays.
    for (const name of ["reference", "amount", "debtor"]) at(name).value = "";
    wait(told);
    at("prepare").open = false;
    waiting.get(told.id)?.node.querySelector("button").focus();
    announce(words().prepared(told.transfer.number));
  } catch (error) {
    console.warn(error);
    complain(form, null, `${words().notPrepared} ${words().notSent}`);
  } finally {
    at("prepare-button").ariaDisabled = "false";
  }
}

// What waits

/** Ask for what is prepared; `live` returns the transactions whose call is here. */
export async function lookAtPrepared(live) {
  if (!may("transactions:write")) return;
  const before = [...new Set([...waiting.keys(), ...Object.keys(kept)])];
  const open = await get("api/v1/transactions?open=true&limit=200");
  const mine = open.items.filter((one) => one.channel === "agent" && isMine(one.owner_id));
  const ended = before.filter((id) => !mine.some((one) => one.id === id));
  if (open.next === null) ended.forEach(forget);
  for (const one of mine) wait(one, live().has(one.id));
}

/** Agents come to prepare: show them the form unless something else is to be done. */
export function welcome(busy) {
  at("prepare").open ||= !busy && waiting.size === 0 && !may("transactions:all");
}

function wait(transaction, live = false) {
  const known = waiting.get(transaction.id);
  const one = known ?? { node: at("prepared-template").content.firstElementChild.cloneNode(true) };
  Object.assign(one, { transaction, live });
  if (known === undefined) {
    waiting.set(transaction.id, one);
    wire(one);
    at("prepared").prepend(one.node);
  }
  draw(one);
  drawList();
}

function forget(id) {
  delete kept[id];
  keep();
  const one = waiting.get(id);
  if (one === undefined) return;
  const focused = one.node.contains(document.activeElement);
  one.node.remove();
  waiting.delete(id);
  drawList();
  if (focused) at("prepare").querySelector("summary").focus();
}

/** Its call has come, or has gone to the agent: then it may be transferred here again. */
export function hasCall(transactionId, live) {
  const one = waiting.get(transactionId);
  if (one === undefined) return;
  one.live = live;
  one.node.hidden = live;
  drawList();
}

export const hasEnded = forget;

function wire(one) {
  for (const [name, value] of [["number", "number"], ["uri", "uri"]]) {
    one.node.querySelector(`.copy-${name}`).addEventListener("click", async ({ currentTarget }) => {
      await copy(kept[one.transaction.id].transfer[value]);
      currentTarget.dataset.copied = "yes";
      draw(one);
      announce(words().copied);
      setTimeout(() => {
        delete currentTarget.dataset.copied;
        draw(one);
      }, SPEAKS_FOR);
    });
  }
  one.node.querySelector(".drop").addEventListener("click", async () => {
    const path = `api/v1/transactions/${encodeURIComponent(one.transaction.id)}`;
    try {
      const { ok, told } = await send("DELETE", path);
      announce(ok ? words().cancelled : whyNot(told));
      if (ok) forget(one.transaction.id);
    } catch (error) {
      console.warn(error);
      announce(words().outcome(words().cancelPrepared, words().notSent));
    }
  });
}

function draw(one) {
  const { node, transaction } = one;
  const known = kept[transaction.id];
  const part = (name) => node.querySelector(`.${name}`);
  node.hidden = one.live;
  for (const word of node.querySelectorAll("[data-word]")) {
    word.textContent = words()[word.dataset.word];
  }
  part("what").textContent = [
    known?.debtor, transaction.reference, money(transaction.amount_due, transaction.currency),
  ].filter(Boolean).join(" · ");
  part("known").hidden = known === undefined;
  part("unknown").hidden = known !== undefined;
  if (known === undefined) return;
  const { number, uri, header, user_to_user: user } = known.transfer;
  // Grouped to be read out and dialled; the text itself has no spaces.
  part("number").replaceChildren(...number.match(/.{1,2}/gu).map(
    (pair) => Object.assign(document.createElement("span"), { textContent: pair })));
  part("uri").textContent = uri;
  part("header").textContent = header;
  part("user").textContent = `User-to-User: ${user}`;
  for (const button of node.querySelectorAll("[class^=copy]")) {
    button.textContent = button.dataset.copied ? words().copied : words().copy;
  }
  drawCountdown(one);
}

function drawList() {
  at("prepared-title").hidden = [...waiting.values()].every((one) => one.live);
}

function drawCountdown({ node, transaction }) {
  const known = kept[transaction.id];
  if (known === undefined) return;
  const left = Math.ceil((known.until - Date.now()) / 1000);
  const time = `${Math.floor(left / 60)}:${String(left % 60).padStart(2, "0")}`;
  const shown = node.querySelector(".expires");
  shown.textContent = left > 0 ? words().expiresIn(time) : words().isExpired;
  shown.dataset.kind = left > 60 ? "plain" : "bad";
}

export function tick() {
  for (const one of waiting.values()) drawCountdown(one);
}
