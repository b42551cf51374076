// Takes the pictures. Standard input is JSON: {"chromium": path, "profile": folder, "width": px, "shots": [{"url", "path", "top"}]},
// where top cuts a picture off after so many pixels.
// Fails on an error in a page, and on a request that would leave this machine.
import { text } from "node:stream/consumers";
import { chromium } from "playwright-core";

const { chromium: executablePath, profile, width, shots } = JSON.parse(await text(process.stdin));
const PATIENCE_MS = 60_000;
const REDRAW_MS = 500;

const context = await chromium.launchPersistentContext(profile, {
  executablePath,
  headless: true,
  viewport: { width, height: 900 },
  deviceScaleFactor: 1,
  timezoneId: "UTC",
  locale: "en-US",
  args: [
    "--no-sandbox", "--disable-gpu", "--disable-lcd-text", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync",
  ],
});
const problems = [];

async function shoot({ url, path, top }) {
  const page = await context.newPage();
  const own = new URL(url).host;
  await page.route("**", (route) => {
    const address = new URL(route.request().url());
    if (address.host === own || !address.protocol.startsWith("http")) {
      return route.continue();
    }
    problems.push(`${path}: the page asked for ${address.host}`);
    return route.abort();
  });
  page.on("console", (message) => message.type() === "error" && problems.push(`${path}: ${message.text()}`));
  page.on("pageerror", (error) => problems.push(`${path}: ${error.stack ?? error}`));
  await page.goto(url);
  await page.waitForFunction(() => document.title === "drawn", null, { timeout: PATIENCE_MS });
  // Tables draw nothing that is out of sight, so the window takes the page's height.
  const height = await page.evaluate(() => document.documentElement.scrollHeight);
  await page.setViewportSize({ width, height });
  await page.waitForTimeout(REDRAW_MS);
  await page.screenshot({ path, clip: { x: 0, y: 0, width, height: Math.min(height, top ?? height) } });
  await page.close();
}

try {
  for (const shot of shots) {
    await shoot(shot).catch((error) => problems.push(`${shot.path}: ${error}`));
  }
} finally {
  await context.close();
}
for (const problem of problems) {
  console.error(problem);
}
process.exitCode = problems.length === 0 ? 0 : 1;
