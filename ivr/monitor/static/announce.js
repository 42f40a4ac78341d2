// The one polite live region: what matters, in the order that it happens.

const KEPT = 5;

/** Say texts, or copies of elements. */
export function announce(...said) {
  const parts = said.filter(Boolean);
  if (parts.length === 0) return;
  const region = document.getElementById("announcements");
  const line = document.createElement("span");
  line.append(...parts.map((part) => (typeof part === "string" ? part : part.cloneNode(true))));
  region.append(line);
  while (region.childElementCount > KEPT) region.firstChild.remove();
}
