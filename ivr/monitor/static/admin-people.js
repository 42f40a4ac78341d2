// Users and tokens.

import { say } from "./admin-words.js";
import { announce } from "./announce.js";
import { get, myself, send } from "./api.js";
import { boxes, button, copy, field, form, make, sureButton } from "./dom.js";
import { whyNot } from "./refusals.js";
import { locale, words } from "./words.js";

export const moment = (at) => new Date(at).toLocaleString(locale(), {
  dateStyle: "short", timeStyle: "short",
});
const day = (at) => new Date(at).toLocaleDateString(locale(), { dateStyle: "medium" });
export const tag = (text, kind = "plain") =>
  make("span", { className: "tag", "data-kind": kind }, text);
export const adding = (title, ...content) =>
  make("details", { className: "panel" }, make("summary", {}, title), ...content);

/** Show what is shown this once, with a button that copies it. */
export function shownOnce(secret) {
  return make("div", { className: "panel once" }, make("p", {}, say().shownOnce),
    make("p", { className: "dial" }, make("code", {}, secret),
      button(words().copy, async () => {
        await copy(secret);
        announce(words().copied);
      })));
}

export const CHANGED = "solde:changed";

/** Send a change; return why it was refused, text or element, or "" after drawing anew. */
export async function changing(method, path, body, what, after) {
  try {
    const { ok, told } = await send(method, path, body);
    if (!ok) {
      const why = make("span", {}, `${say().refused} `, whyNot(told));
      announce(why);
      return why;
    }
    await after(told);
    document.dispatchEvent(new Event(CHANGED));
    announce(say().done(what));
    return "";
  } catch (error) {
    console.warn(error);
    return `${say().refused} ${words().notSent}`;
  }
}

const roles = () => Object.entries(words().roles);
const languages = () => [["fr", words().french], ["en", words().english]];

export async function drawUsers(place) {
  const { items } = await get("api/v1/users");
  const again = () => drawUsers(place);
  place.replaceChildren(
    make("ul", { className: "things" }, ...items.map((user) => userRow(user, again))),
    adding(say().addUser, form([
      field(say().login, "login", { required: true, autocapitalize: "none" }),
      field(say().name, "name", { required: true }),
      field(say().role, "role", { choices: roles(), value: "agent" }),
      field(say().language, "language", { choices: languages(), value: "fr" }),
      field(say().phone, "phone", { hint: say().phoneHint }),
      field(say().password, "password", {
        type: "password", required: true, autocomplete: "new-password", hint: say().passwordHint,
      }),
    ], say().add, (given) => changing(
      "POST", "api/v1/users", Object.fromEntries(given), say().addUser, again))),
  );
}

function userRow(user, again) {
  const path = `api/v1/users/${encodeURIComponent(user.id)}`;
  const patch = (change, what) => changing("PATCH", path, change, `${what}, ${user.login}`, again);
  const isMe = user.id === myself().user?.id;
  const off = user.disabled_at !== null;
  return make("li", { className: "thing", "data-login": user.login },
    make("div", { className: "head" },
      make("strong", {}, user.name), make("span", { className: "hint" }, user.login),
      tag(words().roles[user.role]),
      tag(user.has_second_factor ? say().hasCode : say().hasNoCode),
      off ? tag(say().disabled, "bad") : null,
      make("span", { className: "hint" }, user.phone)),
    make("div", { className: "tools" },
      user.has_second_factor
        ? sureButton(say().resetCode, say().sure, () => patch({ second_factor: "reset" }, say().resetCode))
        : null,
      isMe ? null : off ? button(say().enable, () => patch({ disabled: false }, say().enable))
        : sureButton(say().disable, say().sure, () => patch({ disabled: true }, say().disable))),
    make("details", {}, make("summary", {}, say().change), form([
      field(say().name, "name", { value: user.name, required: true }),
      field(say().role, "role", { choices: roles(), value: user.role }),
      field(say().language, "language", { choices: languages(), value: user.language }),
      field(say().phone, "phone", { value: user.phone, hint: say().phoneHint }),
      field(say().newPassword, "password", {
        type: "password", autocomplete: "new-password", hint: say().newPasswordHint,
      }),
    ], say().save, (given) => {
      // Only what changes: an empty password is none.
      const change = Object.fromEntries([...given].filter(
        ([name, value]) => value !== (name === "password" ? "" : user[name])));
      return patch(change, say().change);
    })));
}

export async function drawTokens(place, secret = null) {
  const { items } = await get("api/v1/tokens");
  const once = secret === null ? null : shownOnce(secret);
  place.replaceChildren(...[
    once,
    items.length === 0 ? make("p", { className: "empty" }, say().none) : null,
    make("ul", { className: "things" }, ...items.map((token) => tokenRow(token, place))),
    adding(say().addToken, form([
      field(say().tokenName, "name", { required: true, hint: say().tokenNameHint }),
      field(say().expires, "expires", { type: "date", hint: say().expiresHint }),
      boxes(say().scopes, "scopes", Object.entries(say().scopeNames)),
    ], say().create, (given) => changing("POST", "api/v1/tokens", {
      name: given.get("name"), scopes: given.getAll("scopes"),
      // The day is included.
      expires_at: given.get("expires") ? new Date(`${given.get("expires")}T23:59:59`).toISOString() : null,
    }, say().addToken, (made) => drawTokens(place, made.token)))),
  ].filter(Boolean));
  once?.querySelector("button").focus();
}

function tokenRow(token, place) {
  const path = `api/v1/tokens/${encodeURIComponent(token.id)}`;
  return make("li", { className: "thing" },
    make("div", { className: "head" },
      make("strong", {}, token.name),
      token.revoked_at === null ? null : tag(say().revoked, "bad"),
      ...token.scopes.map((scope) => tag(say().scopeNames[scope] ?? scope))),
    make("p", { className: "hint" }, [
      token.used_at === null ? say().neverUsed : say().usedOn(moment(token.used_at)),
      token.expires_at === null ? "" : say().expiredOn(day(token.expires_at)),
    ].filter(Boolean).join(" · ")),
    token.revoked_at === null
      ? make("div", { className: "tools" }, sureButton(say().revoke, say().sure, () => changing(
        "DELETE", path, undefined, `${say().revoke}, ${token.name}`, () => drawTokens(place))))
      : null);
}
