// The one polite live region: what matters, in the order that it happens.

const KEPT = 5;

export function announce(text) {
  if (!text) return;
  const region = document.getElementById("announcements");
  const line = document.createElement("span");
  line.textContent = text;
  region.append(line);
  while (region.childElementCount > KEPT) region.firstChild.remove();
}
