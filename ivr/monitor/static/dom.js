// Building parts of a page. Text goes in as text only, never as markup.

const SURE_FOR = 6000;

/** Make an element; children are elements or texts, what is null is left out. */
export function make(tag, properties = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name in node) node[name] = value;
    else node.setAttribute(name, value);
  }
  node.append(...children.filter((child) => child !== null && child !== ""));
  return node;
}

/** A button that does its work once at a time. */
export function button(text, work, properties = {}) {
  const made = make("button", { type: "button", ...properties }, text);
  made.addEventListener("click", async () => {
    if (made.ariaDisabled === "true") return;
    made.ariaDisabled = "true";
    try {
      await work(made);
    } finally {
      made.ariaDisabled = "false";
    }
  });
  return made;
}

/** A button for what cannot be undone: it asks `sure`, and works at the second press. */
export function sureButton(text, sure, work) {
  let asked = false;
  const made = button(text, () => {
    if (asked) return work();
    asked = true;
    made.dataset.sure = "yes";
    made.textContent = sure;
    setTimeout(forget, SURE_FOR);
    return null;
  }, { className: "drop" });
  const forget = () => {
    asked = false;
    delete made.dataset.sure;
    made.textContent = text;
  };
  made.addEventListener("blur", forget);
  return made;
}

let fields = 0;

/** A labelled field: an input, or a select when there are choices [value, text]. */
export function field(label, name, { choices, hint, value = "", ...properties } = {}) {
  fields += 1;
  const id = `field-${fields}`;
  const entry = choices
    ? make("select", { id, name, ...properties }, ...choices.map(([option, text]) => make(
      "option", { value: option, selected: option === value }, text)))
    : make("input", { id, name, value, autocomplete: "off", ...properties });
  if (hint) entry.setAttribute("aria-describedby", `${id}-hint`);
  return make("p", {}, make("label", { htmlFor: id }, label), entry,
    hint ? make("span", { className: "hint", id: `${id}-hint` }, hint) : null);
}

/** A group of boxes that are ticked; `choices` are [value, text]. */
export const boxes = (title, name, choices) => make("fieldset", {}, make("legend", {}, title),
  ...choices.map(([value, text]) => make(
    "label", {}, make("input", { type: "checkbox", name, value }), ` ${text}`)));

/** A form; `work` gets its FormData and returns why it could not be done, text or element, or "". */
export function form(fieldsOf, submit, work) {
  const wrong = make("p", { className: "wrong", role: "alert" });
  const send = make("button", { className: "main", type: "submit" }, submit);
  const made = make("form", { className: "fields" }, ...fieldsOf,
    make("div", { className: "send" }, wrong, send));
  made.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (send.ariaDisabled === "true") return;
    send.ariaDisabled = "true";
    try {
      wrong.textContent = "";
      wrong.replaceChildren(await work(new FormData(made)));
    } finally {
      send.ariaDisabled = "false";
    }
  });
  return made;
}

/** The clipboard is there over TLS and on this machine only. */
export async function copy(text) {
  if (navigator.clipboard) {
    await navigator.clipboard.writeText(text).catch(console.warn);
    return;
  }
  const holder = make("textarea", { value: text });
  document.body.append(holder);
  holder.select();
  document.execCommand("copy");
  holder.remove();
}
