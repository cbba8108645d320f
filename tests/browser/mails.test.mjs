// Looks at mails as a phone and a desktop show them, light and dark. `make test-browser` runs it: MAIL_PAGES names the
// program that writes the mails, SCREENSHOTS the folder to keep pictures in.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, mkdirSync, readdirSync, readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { chromium } from "playwright-core";
import { picture } from "./picture.mjs";
import { contrasts, overflowing, pictures, buttons } from "./look.mjs";

const folder = mkdtempSync(join(tmpdir(), "mails-"));
execFileSync(process.env.MAIL_PAGES, [folder]);
const names = readdirSync(folder).filter((name) => name.endsWith(".html")).map((name) => name.slice(0, -5));
const html = Object.fromEntries(names.map((name) => [name, readFileSync(join(folder, `${name}.html`), "utf8")]));

const phone = { width: 375, height: 812 };
const desktop = { width: 1280, height: 900 };

// Mails whose author chose the colours, so that there is no dark form of them.
const onlyLight = new Set(["own-colors", "own-document"]);

let browser;
before(async () => {
  browser = await chromium.launch({
    executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
    args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
      "--disable-component-update", "--disable-sync"],
  });
});
after(() => browser?.close());

/** Opens a mail and hands its page to `look`. Pictures come from here and not from a network. */
async function open(source, { viewport = phone, scheme = "light" }, look) {
  const context = await browser.newContext({ viewport, colorScheme: scheme, deviceScaleFactor: 2, javaScriptEnabled: true });
  try {
    const page = await context.newPage();
    await page.route("**/*", (route) => route.fulfill({ contentType: "image/png", body: picture(1600, 480) }));
    await page.setContent(source, { waitUntil: "load" });
    return await look(page);
  } finally {
    await context.close();
  }
}

test("there are mails to look at", () => assert.ok(names.length >= 8, names.join()));

for (const name of names) {
  describe(name, () => {
    for (const scheme of ["light", "dark"]) {
      test(`on a phone, ${scheme}, nothing is wider than the screen and all of it can be read`, async () => {
        await open(html[name], { scheme }, async (page) => {
          if (process.env.SCREENSHOTS) {
            mkdirSync(process.env.SCREENSHOTS, { recursive: true });
            await page.screenshot({ path: join(process.env.SCREENSHOTS, `${name}-${scheme}.png`), fullPage: true });
          }
          assert.deepEqual(await page.evaluate(overflowing), [], "wider than the screen");
          assert.deepEqual(await page.evaluate(pictures), [], "pictures out of bounds");
          assert.deepEqual(await page.evaluate(contrasts), [], "hard to read");
          assert.deepEqual(await page.evaluate(buttons), [], "buttons that are hard to press");
        });
      });
    }

    test("in a reader that takes no rules from the head it still fits and can be read", async () => {
      const without = html[name].replace(/<style>[^]*?<\/style>/, "").replace(/<meta name="(supported-)?color-scheme[^>]*>/g, "");
      await open(without, {}, async (page) => {
        assert.deepEqual(await page.evaluate(overflowing), []);
        assert.deepEqual(await page.evaluate(contrasts), []);
      });
    });

    test("on a desktop the lines are no longer than 600 pixels", async () => {
      await open(html[name], { viewport: desktop }, async (page) => {
        if (process.env.SCREENSHOTS) {
          await page.screenshot({ path: join(process.env.SCREENSHOTS, `${name}-desktop.png`), fullPage: true });
        }
        assert.deepEqual(await page.evaluate(overflowing), []);
        const card = await page.locator(".mc-card").all();
        for (const box of await Promise.all(card.map((c) => c.boundingBox()))) {
          assert.ok(box.width <= 600, `the card is ${box.width} wide`);
        }
      });
    });

    test("it is dark in the dark, unless its author chose the colours", async () => {
      const brightness = await open(html[name], { scheme: "dark" }, (page) =>
        page.evaluate(() => {
          const text = document.querySelector(".mc-card") ?? document.body;
          return Math.max(...getComputedStyle(text).backgroundColor.match(/\d+/g).slice(0, 3).map(Number));
        }));
      assert.equal(brightness < 80, !onlyLight.has(name), `the brightest colour of the ground is ${brightness}`);
    });
  });
}

test("a wide table scrolls in its own box", async () => {
  for (const name of ["long", "own-html"]) {
    const scrolls = await open(html[name], {}, (page) =>
      page.evaluate(() => [...document.querySelectorAll("div")].some((box) => box.scrollWidth > box.clientWidth + 1)));
    assert.ok(scrolls, name);
  }
});

test("no Chinese column is narrower than a few characters", async () => {
  await open(html.long, {}, async (page) => {
    const widths = await page.locator(".mc-text div table td").evaluateAll((cells) => cells.map((c) => c.clientWidth));
    assert.ok(widths.length > 9 && Math.min(...widths) >= 60, widths.join());
  });
});

test("a mail in Arabic is laid out from the right, and the code in it from the left", async () => {
  await open(html.arabic, { viewport: desktop }, async (page) => {
    const seen = await page.evaluate(() => {
      const cell = document.querySelector(".mc-text");
      const edge = cell.getBoundingClientRect().right - parseFloat(getComputedStyle(cell).paddingRight);
      const gap = (selector) => {
        const range = document.createRange();
        range.selectNodeContents(document.querySelector(selector));
        return Math.abs(Math.round(edge - range.getBoundingClientRect().right));
      };
      const quote = getComputedStyle(document.querySelector("blockquote"));
      return {
        gaps: [".mc-text > h1", ".mc-text > p", ".mc-label"].map(gap),
        bars: [quote.borderLeftWidth, quote.borderRightWidth],
        // Code, and the footer, which is in Chinese and English.
        others: ["pre", ".mc-foot"].map((selector) => getComputedStyle(document.querySelector(selector)).direction),
      };
    });
    assert.deepEqual(seen, { gaps: [0, 0, 0], bars: ["0px", "4px"], others: ["ltr", "ltr"] });
  });
});
