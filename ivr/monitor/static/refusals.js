// Why the API refused something, in the page's language.

import { make } from "./dom.js";
import { money, words } from "./words.js";

/** Say it; what this page has no words for is said as the API says it, in English. */
export function whyNot(problem) {
  const said = words().refusals[problem?.code];
  const errors = problem?.errors ?? [];
  if (said === undefined) {
    const detail = errors.map((one) => one.detail).join(" ") || problem?.detail || "";
    return make("span", { lang: "en" }, detail);
  }
  if (typeof said === "string") return make("span", {}, said);
  const { owed } = problem;
  const fields = errors.map(({ parameter }) => words().fields[parameter] ?? parameter);
  return make("span", {}, said({
    owed: owed ? money(owed.amount, owed.currency) : "", fields: fields.join(", "),
  }));
}
