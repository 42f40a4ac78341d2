// What is to be paid, as a form says it: the reference of a debt, an amount, or both.

import { make } from "./dom.js";
import { minorUnits, words } from "./words.js";

const CURRENCIES = ["EUR", "CHF", "GBP", "USD", "CAD", "MAD", "TND", "XOF"];

export function offerCurrencies(form) {
  form.elements.currency.replaceChildren(...CURRENCIES.map((one) => make("option", {}, one)));
}

/** Say what is wrong, and with which entry if it is one; without words, that nothing is. */
export function complain(form, name, ...said) {
  for (const entry of form.querySelectorAll("input:not([type])")) {
    entry.setAttribute("aria-invalid", String(entry.name === name));
  }
  form.querySelector("[role=alert]").replaceChildren(...said);
  if (name) form.elements[name].focus();
}

/** Return { reference, amount, currency } as far as given; null after saying what is wrong. */
export function readSubject(form) {
  const said = (name) => form.elements[name].value.trim();
  const found = {};
  if (said("reference")) {
    if (!/^\d{4,12}$/u.test(said("reference"))) {
      complain(form, "reference", words().badReference);
      return null;
    }
    found.reference = said("reference");
  }
  if (said("amount")) {
    found.currency = said("currency");
    found.amount = minorUnits(said("amount"), found.currency);
    if (!found.amount) {
      complain(form, "amount", words().badAmount);
      return null;
    }
  }
  complain(form, null);
  return found;
}

/** As `readSubject`, where something must be said. */
export function needSubject(form) {
  const found = readSubject(form);
  if (found === null || found.reference || found.amount) return found;
  complain(form, "reference", words().needAmount);
  return null;
}
