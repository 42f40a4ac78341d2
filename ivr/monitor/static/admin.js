// The administrators' page: users, tokens, callbacks, audit trail.

import { drawAudit } from "./admin-audit.js";
import { drawCallbacks } from "./admin-callbacks.js";
import { drawTokens, drawUsers } from "./admin-people.js";
import { say } from "./admin-words.js";
import { may, myself, signOut, whoAmI } from "./api.js";
import { choose, currentLanguage, prefer, words } from "./words.js";

const SECTIONS = [
  ["people", "users:write", drawUsers], ["tokens", "users:write", drawTokens],
  ["callbacks", "callbacks:write", drawCallbacks], ["audit", "users:write", drawAudit],
];
const at = (id) => document.getElementById(id);

async function draw() {
  document.documentElement.lang = currentLanguage();
  document.title = `Solde · ${say().title}`;
  for (const node of document.querySelectorAll("[data-word]")) {
    node.textContent = words()[node.dataset.word];
  }
  for (const node of document.querySelectorAll("[data-admin]")) {
    node.textContent = say()[node.dataset.admin];
  }
  for (const button of document.querySelectorAll("[data-language]")) {
    button.setAttribute("aria-pressed", String(button.dataset.language === currentLanguage()));
  }
  const { user, actor } = myself();
  at("who").textContent = user === null ? actor : `${user.name} · ${words().roles[user.role]}`;
  at("not-allowed").hidden = SECTIONS.some(([, scope]) => may(scope));
  for (const [id, scope, fill] of SECTIONS) {
    at(id).hidden = !may(scope);
    if (may(scope)) await fill(at(id).querySelector(".content"));
  }
  at("admin").dataset.drawn = currentLanguage();
}

for (const button of document.querySelectorAll("[data-language]")) {
  button.addEventListener("click", () => {
    choose(button.dataset.language);
    draw().catch(console.warn);
  });
}
at("sign-out").addEventListener("click", () => signOut().catch(console.warn));

whoAmI().then(({ user }) => {
  if (user !== null) prefer(user.language);
  return draw();
}).catch(console.warn);
