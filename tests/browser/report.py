"""Opens reports in Chromium, from disk and with the network off, and uses them as a reader does.

    report.py SMALL LARGE

SMALL is a page of hostile texts, LARGE one of 4,000 pairs under 8 conditions; `main.rs` beside this file makes both.
Exits with 1 and says why when anything is not as it should be.
"""

import shutil
import sys
from pathlib import Path

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import sync_playwright

BROWSERS = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"]
SERIOUS = {"serious", "critical"}
WIDTHS = {"desktop": (1280, 900), "phone": (390, 844)}


class Reader:
    """One page, with everything the browser complained about."""

    def __init__(self, browser, path, width="desktop", scheme="light"):
        self.context = browser.new_context(
            viewport=dict(zip(("width", "height"), WIDTHS[width])), color_scheme=scheme, offline=True
        )
        self.page = self.context.new_page()
        self.complaints = []
        self.requests = []
        self.url = Path(path).resolve().as_uri()
        self.page.on("console", lambda message: self.complaints.append(f"console: {message.text}"))
        self.page.on("pageerror", lambda error: self.complaints.append(f"error: {error}"))
        self.page.on("dialog", lambda dialog: self.complaints.append(f"dialog: {dialog.message}"))
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.goto(self.url)
        self.page.wait_for_selector("#body .row")

    def check_silence(self):
        expect(self.complaints, [], "complaints of the browser")
        expect(self.requests, [self.url], "requests")
        expect(self.page.title(), "filled: semantic leakage", "the title, which hostile texts try to change")

    def check_accessibility(self, what):
        violations = Axe().run(self.page).response["violations"]
        found = [
            f"{violation['id']} ({violation['impact']}): {node['html'][:120]}"
            for violation in violations
            if violation["impact"] in SERIOUS
            for node in violation["nodes"]
        ]
        expect(found, [], f"serious findings of axe, {what}")
        minor = sorted(violation["id"] for violation in violations)
        print(f"axe, {what}: no serious finding; minor ones: {minor or 'none'}")

    def status(self):
        return self.page.inner_text("#status")

    def first_row(self, cell):
        return self.page.inner_text(f"#body .row:first-child > :nth-child({cell})")


def expect(found, wanted, what):
    if found != wanted:
        sys.exit(f"{what}: expected {wanted!r}, found {found!r}")


def use(reader):
    """Filters, sorts, opens a row, with the mouse and with the keyboard."""
    page = reader.page
    expect(reader.status(), "60 of 60 prompt pairs, 3 conditions", "all pairs")
    page.fill("#search", "number 57,")
    expect(reader.status(), "1 of 60 prompt pairs, 3 conditions", "search in prompts")
    page.fill("#search", "onerror=")
    found = int(reader.status().split()[0])
    expect(0 < found < 60, True, "search in generations")
    page.click("button[type=reset]")
    page.locator("#status", has_text="60 of 60 prompt pairs, 3 conditions").wait_for()
    page.select_option("#concept", "sky blue")
    expect(reader.status(), "15 of 60 prompt pairs, 3 conditions", "a concept")
    page.select_option("#category", "color-to-color")
    expect(reader.status(), "0 of 60 prompt pairs, 3 conditions", "a concept that the category has not")
    page.click("button[type=reset]")
    page.locator("#status", has_text="60 of 60 prompt pairs, 3 conditions").wait_for()
    page.select_option("#model", "tiny <b>")
    expect(reader.status(), "60 of 60 prompt pairs, 2 conditions", "a model")
    page.select_option("#quantization", "Q4_0")
    expect(reader.status(), "60 of 60 prompt pairs, 1 condition", "a quantization")
    for box in ["leaked", "tie", "flipped"]:
        page.check(f"#{box}")
    found = int(reader.status().split()[0])
    expect(0 < found <= 60, True, "pairs with a leak, a tie and a flip")
    page.click("button[type=reset]")
    page.locator("#status", has_text="60 of 60 prompt pairs, 3 conditions").wait_for()
    page.check("#echo")
    found = int(reader.status().split()[0])
    expect(0 < found < 60, True, "pairs with an echo")
    page.click("button[type=reset]")
    page.locator("#status", has_text="60 of 60 prompt pairs, 3 conditions").wait_for()


def sort_and_open(reader):
    page = reader.page
    page.click("#head button:has-text('Concept')")
    expect(reader.first_row(2), "blue", "the first concept")
    expect(page.get_attribute("#head .row > :nth-child(2)", "aria-sort"), "ascending", "aria-sort")
    page.click("#head button:has-text('Concept')")
    expect(reader.first_row(2), "été", "the last concept")
    page.click("#head button:has-text('other:Q4_0')")
    expect(page.get_attribute("#head .row > :last-child", "aria-sort"), "descending", "aria-sort of a condition")
    page.click("#head button:has-text('#')")
    expect(reader.first_row(1), "1", "the order of the experiment")
    page.focus("#body .row:first-child .open")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    expect(page.inner_text("#detail-title"), "Pair 3: sky blue (color-to-other)", "the opened pair")
    expect(page.locator("#detail-body table").count(), 3, "a table for each condition")
    expect(page.inner_text("#detail-body .sides mark"), "sky blue", "the concept, marked in the test prompt")
    page.click("#next")
    expect(page.inner_text("#detail-title"), "Pair 4: été (color-to-color)", "the next pair")
    reader.check_accessibility("an opened pair")
    page.keyboard.press("Escape")
    page.locator("#body .open:focus", has_text="4").wait_for()


def tell_cells(reader):
    """A cell of a map of concepts says its number under the pointer and to the arrow keys."""
    page = reader.page
    told = page.locator("#concepts-1 .told")
    page.locator("#concepts-1 .drawing").focus()
    page.keyboard.press("ArrowDown")
    expect(told.inner_text(), "red in the prompt, red measured: +50", "the first cell")
    page.keyboard.press("ArrowRight")
    expect(told.inner_text(), "red in the prompt, blue measured: −50", "the cell to the right")
    plane = page.locator("#concepts-1 .plane")
    plane.hover(position={"x": 5, "y": plane.bounding_box()["height"] - 5})
    expect(told.inner_text(), "été in the prompt, red measured: no template has both", "the cell under the pointer")


def check_hostile(reader):
    """Every hostile text can be read, and none has become an element."""
    page = reader.page
    page.fill("#search", "onerror=")
    page.click("#body .row:first-child .open")
    text = page.inner_text("#detail-body")
    expect("<img src=x onerror=" in text, True, "a tag as text")
    expect(page.locator("img").count(), 0, "images")
    expect(page.locator("script").count(), 2, "scripts")
    page.keyboard.press("Escape")
    page.fill("#search", "\\u{202e}")
    expect(int(reader.status().split()[0]) > 0, True, "a control of direction, by its number")
    page.fill("#search", "endless")
    page.click("#body .row:first-child .open")
    lengths = page.eval_on_selector_all("#detail-body bdi", "all => all.map((one) => one.textContent.length)")
    expect(max(lengths) > 9000, True, "a text of 10,000 characters")
    wide = page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth")
    expect(wide, False, "a page wider than its window")
    page.keyboard.press("Escape")
    page.click("button[type=reset]")


def check_small(browser, path):
    for width, scheme in [("desktop", "light"), ("desktop", "dark"), ("phone", "light"), ("phone", "dark")]:
        reader = Reader(browser, path, width, scheme)
        reader.check_accessibility(f"{width}, {scheme}")
        if width == "desktop" and scheme == "light":
            use(reader)
            sort_and_open(reader)
            tell_cells(reader)
            check_hostile(reader)
        wide = reader.page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth")
        expect(wide, False, f"a page wider than its window, {width}")
        reader.check_silence()
        reader.context.close()


def check_large(browser, path):
    """A page of 4,000 pairs: when it is painted, when its table is there, how long a frame takes while scrolling."""
    reader = Reader(browser, path)
    page = reader.page
    expect(reader.status(), "4000 of 4000 prompt pairs, 8 conditions", "all pairs")
    timing = page.evaluate(
        """() => ({
            paint: performance.getEntriesByName('first-contentful-paint')[0].startTime,
            loaded: performance.getEntriesByType('navigation')[0].loadEventEnd,
        })"""
    )
    n_rows = page.locator("#body .row").count()
    expect(n_rows < 60, True, f"only rows in view exist, {n_rows}")
    frames = page.evaluate(
        """() => new Promise((resolve) => {
            const view = document.querySelector('#viewport');
            const times = [];
            let last = performance.now();
            const step = (now) => {
                times.push(now - last);
                last = now;
                view.scrollTop += 2000;
                if (times.length < 120) requestAnimationFrame(step);
                else resolve(times.slice(1).sort((a, b) => a - b));
            };
            requestAnimationFrame(step);
        })"""
    )
    search = page.evaluate(
        """() => ['river', 'window and'].map((words) => {
            const field = document.querySelector('#search');
            const started = performance.now();
            field.value = words;
            field.dispatchEvent(new Event('input', { bubbles: true }));
            return performance.now() - started;
        })"""
    )
    size = Path(path).stat().st_size / 1e6
    middle, slow = frames[len(frames) // 2], frames[int(len(frames) * 0.95)]
    print(
        f"4,000 pairs x 8 conditions x 5 repeats: {size:.1f} MB, first paint after {timing['paint']:.0f} ms, "
        f"load event after {timing['loaded']:.0f} ms; a frame while scrolling takes {middle:.0f} ms, 95 % less than {slow:.0f} ms; "
        f"a first search {search[0]:.0f} ms, a second {search[1]:.0f} ms"
    )
    reader.check_silence()
    reader.context.close()


def main():
    small, large = sys.argv[1:]
    found = [path for path in map(shutil.which, BROWSERS) if path]
    if not found:
        sys.exit("no Chromium is installed\nhint: apt install chromium")
    with sync_playwright() as playwright:
        # Without a sandbox of its own, which the superuser of a container cannot have.
        browser = playwright.chromium.launch(executable_path=found[0], args=["--no-sandbox"])
        check_small(browser, small)
        check_large(browser, large)
        browser.close()
    print("the report works in", found[0])


main()
