// Addresses that are told what happens, and what was sent to them.

import { adding, changing, moment, shownOnce, tag } from "./admin-people.js";
import { say } from "./admin-words.js";
import { get } from "./api.js";
import { EVENT_TYPES } from "./calls.js";
import { boxes, button, field, form, make, sureButton } from "./dom.js";

const ADDRESS = "api/v1/callbacks";

export async function drawCallbacks(place, secret = null) {
  const { items } = await get(ADDRESS);
  const once = secret === null ? null : shownOnce(secret);
  const chosen = make("details", {}, make("summary", {}, say().types),
    make("p", { className: "hint" }, say().typesHint),
    boxes(say().types, "types", EVENT_TYPES.map((type) => [type, type])));
  place.replaceChildren(...[
    once,
    items.length === 0 ? make("p", { className: "empty" }, say().none) : null,
    make("ul", { className: "things" }, ...items.map((one) => endpointRow(one, place))),
    adding(say().addCallback, form([
      field(say().url, "url", { type: "url", required: true, inputMode: "url" }), chosen,
    ], say().add, (given) => changing("POST", ADDRESS, {
      url: given.get("url"), types: given.getAll("types"),
    }, say().addCallback, (made) => drawCallbacks(place, made.secret)))),
  ].filter(Boolean));
  once?.querySelector("button").focus();
}

function endpointRow(one, place) {
  const path = `${ADDRESS}/${encodeURIComponent(one.id)}`;
  const log = make("ul", { className: "log" });
  const shows = button(say().deliveries, async () => {
    const open = shows.ariaExpanded !== "true";
    shows.ariaExpanded = String(open);
    shows.textContent = open ? say().hideDeliveries : say().deliveries;
    if (open) await drawDeliveries(log, path);
    else log.replaceChildren();
  }, { ariaExpanded: "false" });
  return make("li", { className: "thing" },
    make("div", { className: "head" },
      make("strong", {}, one.url),
      make("span", { className: "hint" }, one.types.join(", ") || say().allTypes)),
    make("div", { className: "tools" }, shows,
      sureButton(say().remove, say().sure, () => changing(
        "DELETE", path, undefined, `${say().remove}, ${one.url}`, () => drawCallbacks(place)))),
    log);
}

const KINDS = { "delivered": "good", "given-up": "bad" };

async function drawDeliveries(log, path) {
  const { items } = await get(`${path}/deliveries?limit=50`);
  const lines = items.map((one) => make("li", {},
    make("span", {}, say().event(one.event_id)),
    tag(one.outcome === null ? say().trying : say()[one.outcome] ?? one.outcome, KINDS[one.outcome]),
    make("span", { className: "hint" }, [
      say().attempts(one.attempts), one.last_status ?? "", one.last_error ?? "",
      one.ended_at === null ? "" : moment(one.ended_at),
    ].filter(Boolean).join(" · ")),
    button(say().replay, () => changing(
      "POST", `${path}/deliveries/${one.id}/replay`, undefined, say().replay,
      () => drawDeliveries(log, path)))));
  log.replaceChildren(...lines.length ? lines : [make("li", {}, say().none)]);
}
