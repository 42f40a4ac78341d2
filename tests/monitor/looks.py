"""What can be measured of a page's looks, and of what it tells to assistive technology."""

from typing import Any

from playwright.async_api import Page

_MEASURE = """() => {
    const light = (color) => {
        const [r, g, b] = color.match(/[\\d.]+/g).map(part => part / 255)
            .map(part => part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4);
        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const ground = (node) => {
        for (; node; node = node.parentElement) {
            const color = getComputedStyle(node).backgroundColor;
            if (!color.endsWith(", 0)")) return color;
        }
    };
    const contrast = (one, other) => {
        const two = [light(one), light(other)];
        return (Math.max(...two) + 0.05) / (Math.min(...two) + 0.05);
    };
    const seen = (selector) => [...document.querySelectorAll(selector)]
        .filter(node => node.checkVisibility() && !node.closest(".unseen, .skip"));
    const told = (node) => node.outerHTML.slice(0, 120);
    const texts = seen("body *").filter(node => [...node.childNodes]
            .some(part => part.nodeType === 3 && part.data.trim()))
        .map(node => [contrast(getComputedStyle(node).color, ground(node)), told(node)]);
    const edges = seen("input, select, main button").map(node => {
        const behind = ground(node.parentElement);
        const edge = contrast(getComputedStyle(node).borderTopColor, behind);
        return [Math.max(edge, contrast(ground(node), behind)), told(node)];
    });
    const least = (measured) => measured.sort((a, b) => a[0] - b[0])[0] ?? [99, ""];
    return {
        text: least(texts), edge: least(edges),
        ground: light(getComputedStyle(document.body).backgroundColor),
        overflow: document.documentElement.scrollWidth - innerWidth,
        outside: seen("body *").filter(node =>
            node.getBoundingClientRect().right > innerWidth + 0.5).map(told),
    };
}"""

_AUDIT = """() => {
    const all = (selector) => [...document.querySelectorAll(selector)];
    const seen = (selector) => all(selector)
        .filter(node => node.checkVisibility() && !node.closest(".skip"));
    const told = (node) => node.outerHTML.slice(0, 120);
    const name = (node) => (node.getAttribute("aria-label")
        ?? ([...(node.labels ?? [])].map(label => label.textContent).join(" ")
            || node.textContent)).trim();
    const wrong = [];
    const judge = (rule, nodes) => nodes.forEach(node => wrong.push(`${rule}: ${told(node)}`));
    const ids = all("[id]").map(node => node.id);
    judge("a name", seen("a, button, summary, [role=group], nav").filter(node => !name(node)));
    judge("a label", seen("input, select, textarea").filter(
        node => !(node.labels?.length && name(node)) && !node.getAttribute("aria-label")));
    judge("an own id", all("[id]").filter(
        node => ids.indexOf(node.id) !== ids.lastIndexOf(node.id)));
    for (const name of ["aria-describedby", "aria-labelledby", "for"]) {
        judge(`${name} of something`, all(`[${name}]`).filter(node =>
            node.getAttribute(name).split(" ").some(id => !document.getElementById(id))));
    }
    judge("an alternative", all("img:not([alt])"));
    judge("items only", seen("ul, ol").filter(
        list => [...list.children].some(child => child.tagName !== "LI")));
    judge("24 px", seen("a, button, summary, select, input").filter(node => {
        const box = (node.closest("label") ?? node).getBoundingClientRect();
        return box.width < 24 || box.height < 24;
    }));
    const levels = seen("h1, h2, h3, h4").map(node => Number(node.tagName[1]));
    levels.forEach((level, index) => {
        if (level > (levels[index - 1] ?? 0) + 1) wrong.push(`heading ${level} skips a level`);
    });
    if (levels.filter(level => level === 1).length !== 1) wrong.push("one h1");
    if (all("[aria-live=polite]").length !== 1) wrong.push("one polite live region");
    if (all("main").length !== 1) wrong.push("one main");
    if (!document.documentElement.lang || !document.title) wrong.push("language and title");
    return wrong;
}"""


async def fits(page: Page) -> None:
    """Nothing is wider than the window."""
    measured = await page.evaluate(_MEASURE)
    assert measured["outside"] == [], measured["outside"]
    assert measured["overflow"] <= 0


async def can_be_read(page: Page, *, dark: bool) -> None:
    """Text and edges stand out from what is behind them, in the wanted scheme."""
    measured: dict[str, Any] = await page.evaluate(_MEASURE)
    assert measured["text"][0] >= 4.5, measured["text"]  # WCAG 2.2, 1.4.3
    assert measured["edge"][0] >= 3, measured["edge"]  # WCAG 2.2, 1.4.11
    assert (measured["ground"] < 0.1) is dark


async def is_accessible(page: Page) -> None:
    """Names, labels, roles, headings and sizes are as WCAG 2.2 has them."""
    wrong = await page.evaluate(_AUDIT)
    assert wrong == [], wrong
