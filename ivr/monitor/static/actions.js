// What can be done with a live call: the buttons that fit it, and the commands they send.

import { announce } from "./announce.js";
import { ended, may, send } from "./api.js";
import { whyNot } from "./refusals.js";
import { complain, needSubject, offerCurrencies } from "./subject.js";
import { words } from "./words.js";

const ACTIONS = [
  { command: "take-back", key: "t" },
  { command: "hand-over", key: "h" },
  { command: "start-capture", key: "s" },
  { command: "complete", key: "c" },
  { command: "capture", field: "payment-card-number", key: "1" },
  { command: "capture", field: "expiration-date", key: "2" },
  { command: "capture", field: "security-code", key: "3" },
  { command: "cancel", key: "x" },
];
const ENTRY = ACTIONS.find((one) => one.command === "start-capture");
const SURE_FOR = 6000;
const COMING = new Set(["agent.wanted", "agent.ringing"]);
const ASKING = new Set(["agent.unavailable", "agent.left"]);

const underWay = new Map(); // call id to the button's name

/** Return the names of the commands that mean something where the call is. */
export function fitting(call) {
  if (call.result !== null || call.transactionId === null || call.endedAt !== null) return [];
  const paying = call.place === "payment-processing";
  if (call.capturing) return ["complete", "capture", "hand-over", "cancel"];
  if (call.together) return ["hand-over", "start-capture", "cancel"];
  if (COMING.has(call.desk?.event)) return ["hand-over", "cancel"];
  if (ASKING.has(call.desk?.event)) return ["take-back", "hand-over", "cancel"];
  return paying ? ["take-back"] : ["take-back", "cancel"];
}

const nameOf = ({ command, field }) => (field ? `${command} ${field}` : command);
const labelOf = ({ command, field }) => (field ? words().capture[field] : words().commands[command]);

/** Return the keys and what they do. */
export const letters = () => ACTIONS.map((action) => [action.key, labelOf(action)]);

/** Put the buttons into a strip, and let its letters press them. */
export function newActions(strip) {
  const group = strip.querySelector(".actions");
  for (const action of ACTIONS) {
    const button = document.createElement("button");
    button.type = "button";
    button.dataset.action = nameOf(action);
    button.setAttribute("aria-keyshortcuts", action.key);
    button.append(document.createElement("span"), " ", document.createElement("kbd"));
    button.lastChild.textContent = action.key.toUpperCase();
    button.lastChild.ariaHidden = "true";
    button.addEventListener("click", () => press(strip, button, action));
    group.append(button);
  }
  newSubject(strip);
  strip.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.altKey || event.metaKey || event.target.closest("form")) return;
    const action = ACTIONS.find((one) => one.key === event.key.toLowerCase());
    const button = action && group.querySelector(`[data-action="${nameOf(action)}"]`);
    if (!button || button.hidden || button.ariaDisabled === "true") return;
    event.preventDefault();
    button.click();
  });
}

/** Show what fits the call, what is under way, and what came of the last command. */
export function drawActions(strip, call) {
  strip.solde = call;
  strip.dataset.call = call.id;
  const group = strip.querySelector(".actions");
  group.setAttribute("aria-label", words().actions);
  const fits = may("transactions:write") ? fitting(call) : [];
  const busy = underWay.get(call.id);
  // What is hidden loses the focus at once.
  const form = strip.querySelector(".subject");
  const focused = [group, form].some((one) => one.contains(document.activeElement))
    ? document.activeElement : null;
  for (const action of ACTIONS) {
    const button = group.querySelector(`[data-action="${nameOf(action)}"]`);
    button.hidden = !fits.includes(action.command) && busy !== nameOf(action);
    // Not `disabled`: the focus stays where it is.
    button.ariaDisabled = String(busy !== undefined);
    const text = button.dataset.sure ? words().sure : labelOf(action);
    if (button.firstChild.textContent !== text) button.firstChild.textContent = text;
  }
  group.hidden = [...group.children].every((button) => button.hidden);
  if (!fits.includes(ENTRY.command) || call.due !== null) form.hidden = true;
  for (const word of form.querySelectorAll("[data-word]")) {
    word.textContent = words()[word.dataset.word];
  }
  const told = strip.querySelector(".told");
  const line = document.createElement("span");
  line.append(...toldLine(call));
  if (told.textContent !== line.textContent) told.replaceChildren(...line.childNodes);
  // What goes away hands the focus to its neighbour.
  if (focused?.closest("[hidden]")) (firstAction(strip) ?? strip).focus();
}

/** What is to be paid, for a call that is about nothing yet. */
function newSubject(strip) {
  const form = strip.querySelector(".subject");
  offerCurrencies(form);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const subject = underWay.has(strip.solde.id) ? null : needSubject(form);
    if (subject !== null) act(strip, ENTRY, subject);
  });
  form.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    form.hidden = true;
    strip.querySelector(`[data-action="${ENTRY.command}"]`).focus();
  });
}

export const firstAction = (strip) => strip.querySelector(".actions button:not([hidden])");

/** Return texts and elements. */
function toldLine(call) {
  const name = underWay.get(call.id);
  if (name !== undefined) return [words().outcome(nameInWords(name), words().underWay)];
  if (call.told === null) return [];
  const { command, field, outcome, problem } = call.told;
  const about = nameInWords(nameOf({ command, field }));
  if (problem) return [words().outcome(about, ""), whyNot(problem)];
  const what = outcome === null ? words().notSent : words().outcomes[outcome] ?? outcome;
  return [words().outcome(about, what)];
}

function nameInWords(name) {
  const [command, field] = name.split(" ");
  return labelOf({ command, field });
}

function press(strip, button, action) {
  const call = strip.solde;
  if (underWay.has(call.id)) return;
  if (action.command === "cancel" && !button.dataset.sure) {
    askAgain(strip, button);
    return;
  }
  if (action === ENTRY && call.due === null) {
    const form = strip.querySelector(".subject");
    form.hidden = false;
    form.elements.reference.focus();
    return;
  }
  delete button.dataset.sure;
  act(strip, action);
}

/** Send a command, with what is to be paid where that is asked, and tell what came of it. */
async function act(strip, action, subject = {}) {
  const call = strip.solde;
  underWay.set(call.id, nameOf(action));
  drawActions(strip, call);
  const { outcome, problem } = await command(call.transactionId, action, subject);
  underWay.delete(call.id);
  // The strip may have been drawn anew meanwhile.
  const now = document.querySelector(`[data-call="${CSS.escape(call.id)}"]`) ?? strip;
  const form = now.querySelector(".subject");
  if (problem && !form.hidden) {
    // Said where it can be put right.
    complain(form, null, whyNot(problem));
    now.solde.told = null;
  } else {
    now.solde.told = { ...action, outcome, problem };
    if (outcome !== null) form.hidden = true;
  }
  drawActions(now, now.solde);
  announce(...toldLine(now.solde));
}

/** What cannot be undone is pressed twice. */
function askAgain(strip, button) {
  button.dataset.sure = "yes";
  drawActions(strip, strip.solde);
  announce(words().sure);
  const forget = () => {
    delete button.dataset.sure;
    drawActions(strip, strip.solde);
  };
  setTimeout(forget, SURE_FOR);
  button.addEventListener("blur", forget, { once: true });
}

/** Send a command; return { outcome, problem }, no outcome when it could not be sent. */
async function command(transactionId, { command: type, field }, subject) {
  try {
    const path = `api/v1/transactions/${encodeURIComponent(transactionId)}/commands`;
    const { ok, told } = await send("POST", path, { type, field, ...subject });
    return ok ? { outcome: await ended(told) } : { outcome: null, problem: told };
  } catch (error) {
    console.warn(error);
    return { outcome: null };
  }
}
