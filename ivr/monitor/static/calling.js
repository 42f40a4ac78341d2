// Calling a debtor: the agent's phone rings first, then the debtor's.

import { announce } from "./announce.js";
import { ended, may, myself, newKey, send } from "./api.js";
import { whyNot } from "./refusals.js";
import { complain, offerCurrencies, readSubject } from "./subject.js";
import { currentLanguage, words } from "./words.js";

const KINDS = { "under-way": "warn", "done": "good" };

const at = (id) => document.getElementById(id);
let isHere = () => false; // whether a call, by its id, is shown
let called = null; // { number, callId, outcome } of the last call that was asked for
let sending = null; // { key, body } of what was sent and not answered

export function openCalling(here) {
  isHere = here;
  at("calling").hidden = !may("transactions:write");
  offerCurrencies(at("call-form"));
  at("call-form").elements.language.value = currentLanguage();
  at("call-form").addEventListener("submit", (event) => {
    event.preventDefault();
    call();
  });
}

export function focusCalling() {
  at("calling").open = true;
  at("call-number").focus();
}

export function translateCalling() {
  at("call-phone-hint").textContent = words().phoneHint(myself()?.user?.phone ?? "");
  drawCalled();
}

/** The call is here: its strip says all there is to say. */
export function hasCome(callId) {
  if (called?.callId !== callId) return;
  called = null;
  drawCalled();
}

/** A number as it is dialled: people group digits. */
function dialled(text) {
  const digits = text.replace(/[\s./()-]/gu, "");
  return /^\+?\d+$/u.test(digits) ? digits : text;
}

function read(form) {
  const number = dialled(form.elements.number.value.trim());
  if (!/^(?:\+?\d{1,15}|[A-Za-z][\w.-]{0,63})$/u.test(number)) {
    complain(form, "number", words().badNumber);
    return null;
  }
  const subject = readSubject(form);
  return subject && {
    number, language: form.elements.language.value, phone: form.elements.phone.value.trim(),
    ...subject,
  };
}

async function call() {
  const form = at("call-form");
  const button = at("call-button");
  const wish = read(form);
  if (wish === null || button.ariaDisabled === "true") return;
  const body = JSON.stringify(wish);
  // The same wish again, its answer lost, is still one call.
  if (sending?.body !== body) sending = { key: newKey(), body };
  button.ariaDisabled = "true";
  try {
    const { ok, told } = await send("POST", "api/v1/calls", wish, { "Idempotency-Key": sending.key });
    sending = null;
    if (!ok) {
      complain(form, null, `${words().notCalled} `, whyNot(told));
      return;
    }
    for (const name of ["number", "reference", "amount"]) form.elements[name].value = "";
    at("calling").open = false;
    at("calling").querySelector("summary").focus();
    tell({ number: wish.number, callId: told.call_id, outcome: told.outcome ?? "under-way" });
    if (told.outcome === null) follow(called, told);
  } catch (error) {
    console.warn(error);
    complain(form, null, `${words().notCalled} ${words().notSent}`);
  } finally {
    button.ariaDisabled = "false";
  }
}

async function follow(one, command) {
  try {
    const outcome = await ended(command);
    // Its strip, or another call, may be there meanwhile.
    if (called === one) tell({ ...one, outcome });
  } catch (error) {
    console.warn(error);
    if (called === one) tell(null);
  }
}

function tell(what) {
  called = what !== null && isHere(what.callId) ? null : what;
  drawCalled();
  announce(line());
}

function line() {
  if (called === null) return "";
  const { number, outcome } = called;
  return words().called[outcome]?.(number)
    ?? words().outcome(words().commands.call, words().outcomes[outcome] ?? outcome);
}

function drawCalled() {
  const shown = at("called");
  shown.textContent = line();
  shown.dataset.kind = KINDS[called?.outcome] ?? "bad";
}
