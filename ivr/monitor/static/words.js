// The page's language: its words, its money, its dates.

import { en } from "./words-en.js";
import { fr } from "./words-fr.js";

export const LOCALES = { fr: "fr-FR", en: "en-GB" };

const ALL = { fr, en };
const KEY = "solde.language";

function chosen() {
  try {
    const kept = localStorage.getItem(KEY);
    if (kept in ALL) return kept;
  } catch { /* storage may be forbidden: the browser's language it is */ }
  for (const wish of navigator.languages ?? []) {
    const language = wish.slice(0, 2);
    if (language in ALL) return language;
  }
  return "fr";
}

let language = chosen();

/** Take a person's own language, unless another was chosen in this browser. */
export function prefer(wanted) {
  try {
    if (localStorage.getItem(KEY) !== null) return;
  } catch { /* nothing can have been kept */ }
  if (wanted in ALL) language = wanted;
}

export const words = () => ALL[language];
export const currentLanguage = () => language;

export function choose(wanted) {
  language = wanted;
  try { localStorage.setItem(KEY, wanted); } catch { /* kept for this visit only */ }
}

export const locale = () => LOCALES[language];

/** Minor units of an ISO 4217 currency, as money is written in the page's language. */
export function money(minor, currency) {
  if (minor === null || minor === undefined || !currency) return "";
  const format = new Intl.NumberFormat(locale(), { style: "currency", currency });
  return format.format(minor / 10 ** format.resolvedOptions().maximumFractionDigits);
}

/** Money as somebody writes it, in minor units; null for what is none. */
export function minorUnits(text, currency) {
  const { maximumFractionDigits: places } =
    new Intl.NumberFormat(locale(), { style: "currency", currency }).resolvedOptions();
  const plain = text.replace(/\s/gu, "").replace(",", ".");
  const form = places ? `^\\d{1,9}(\\.\\d{1,${places}})?$` : "^\\d{1,9}$";
  return new RegExp(form, "u").test(plain) ? Math.round(Number(plain) * 10 ** places) : null;
}

/** A share between 0 and 1 as per cent; a dash when there is none. */
export function percent(share) {
  if (share === null) return "–";
  return new Intl.NumberFormat(locale(), { style: "percent", maximumFractionDigits: 1 }).format(share);
}
