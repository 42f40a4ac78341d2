// The audit trail, newest first, of everybody or of one actor.

import { CHANGED, moment } from "./admin-people.js";
import { say } from "./admin-words.js";
import { get } from "./api.js";
import { button, field, form, make } from "./dom.js";

const PAGE = 50;
let refresh = async () => {};
document.addEventListener(CHANGED, () => refresh().catch(console.warn));

export async function drawAudit(place) {
  const trail = make("ol", { className: "log" });
  const older = make("div", { className: "tools" });
  let actor = "";
  const more = async (before) => {
    const query = new URLSearchParams({ limit: PAGE });
    if (actor) query.set("actor", actor);
    if (before) query.set("before", before);
    const { items } = await get(`api/v1/audit?${query}`);
    if (!before) trail.replaceChildren();
    trail.append(...items.map(line));
    if (trail.childElementCount === 0) trail.append(make("li", {}, say().none));
    const next = () => more(items.at(-1).id);
    older.replaceChildren(...items.length === PAGE ? [button(say().older, next)] : []);
  };
  place.replaceChildren(
    form([field(say().actor, "actor", {
      hint: say().actorHint, pattern: "[!-~]{1,100}", autocapitalize: "none",
    })], say().filter, async (given) => {
      actor = given.get("actor").trim();
      await more();
      return "";
    }), trail, older);
  refresh = () => more();
  await more();
}

const line = ({ at, actor, action, subject, data }) => make("li", {},
  make("time", { dateTime: at, className: "hint" }, moment(at)),
  make("strong", {}, actor), make("span", {}, action),
  make("code", {}, [subject, Object.keys(data).length ? JSON.stringify(data) : ""].filter(Boolean).join(" ")));
