"""What is wrong with the page as it stands: what axe finds, and what does not fit a screen or a glove.

In: a page of Playwright. Out: lines; none is right.
"""

from __future__ import annotations

from typing import Any

SIZES = [(1024, 600), (390, 844), (1920, 1080), (320, 640)]  # the last: 1280 wide at 400 % (WCAG 1.4.10)
UNFIT = """() => {
  const cut = 'button, h2, h3, .state, .name, .lamp, .headline';
  const free = '.visually-hidden, .skip, .tray ul, .watermark';
  return [...document.querySelectorAll('body *')].filter((node) => node.checkVisibility() && !node.closest(free))
    .flatMap((node) => {
      const box = node.getBoundingClientRect();
      const text = `${Math.round(box.width)} x ${Math.round(box.height)} ${node.outerHTML.slice(0, 120)}`;
      const isSmall = node.matches('button, input, a[href]') && Math.min(box.width, box.height) < 48;
      const isCut = node.matches(cut) && node.scrollWidth > node.clientWidth + 1;
      return [isSmall && 'small', box.right > innerWidth + 1 && 'wide', isCut && 'cut']
        .filter(Boolean).map((kind) => `${kind} ${text}`);
    });
}"""
AXE = """() => axe.run(document, {resultTypes: ['violations'], preload: false}).then(({violations}) => violations
  .filter(({impact}) => ['serious', 'critical'].includes(impact))
  .map(({id, nodes}) => `${id} ${nodes[0].html.slice(0, 160)} ${nodes[0].failureSummary}`))"""


def faults(page: Any, name: str) -> list[str]:
    """Look at a state in all sizes, and leave the page in the cart's.

    Args:
        page: of Playwright.
        name: of the state, for the lines.
    """
    from axe_playwright_python.sync_playwright import Axe

    if not page.evaluate("'axe' in window"):
        page.evaluate(Axe().axe_script)
    found = [f"{name}: {one}" for one in page.evaluate(AXE)]
    for width, height in reversed(SIZES):
        page.set_viewport_size({"width": width, "height": height})
        found += [f"{name}, {width} x {height}: {one}" for one in page.evaluate(UNFIT)]
    return found
