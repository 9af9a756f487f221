// What the tests of the dashboard share: the real program, and a real browser that minds what it is
// asked to load.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { chromium } from 'playwright-core';

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

export const kWide = { width: 1600, height: 900 };
export const kNarrow = { width: 360, height: 780 };
export const kDay = 86400;

const kEnvironment = {
  AWS_ACCESS_KEY_ID: 'AKIASIMULATOR',
  AWS_SECRET_ACCESS_KEY: 'simulator-secret',
  AWS_CONFIG_FILE: '/dev/null',
  AWS_MAX_ATTEMPTS: '1',
};

export function temporaryFolder() {
  const path = mkdtempSync(join(tmpdir(), 'usaged-browser-'));
  return { path: (name) => join(path, name), remove: () => rmSync(path, { recursive: true, force: true }) };
}

// Starts the program (or another) and waits for what it prints; {found, stop}, where `found` is the
// match of `pattern`.
export async function start(words, pattern, { program = process.env.USAGED_BINARY, seconds = 240 } = {}) {
  const child = spawn(program, words, {
    env: { ...process.env, ...kEnvironment },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  const ended = new Promise((resolve) => child.once('close', resolve));
  const found = await new Promise((resolve, reject) => {
    const late = setTimeout(() => {
      child.kill('SIGKILL');
      reject(new Error(`nothing like ${pattern} in: ${output}`));
    }, seconds * 1000);
    const read = (data) => {
      output += data;
      const match = output.match(pattern);
      if (!match) return;
      clearTimeout(late);
      resolve(match);
    };
    child.stdout.on('data', read);
    child.stderr.on('data', read);
    child.once('close', (code) => {
      clearTimeout(late);
      reject(new Error(`ended with ${code}: ${output}`));
    });
  });
  return {
    found,
    output: () => output,
    stop: async (signal = 'SIGTERM') => {
      child.kill(signal);
      await ended;
    },
  };
}

// A daemon with a configuration (YAML, without database and port); {url, stop}.
export async function serve(folder, configuration, port = 0, database = folder.path('u.db'), http = '') {
  const file = folder.path('c.yaml');
  writeFileSync(
    file,
    `database: ${database}\nhttp: {port: ${port}${http ? `, ${http}` : ''}}\n${configuration}`,
  );
  const daemon = await start(['run', '--config', file], /serves url=(http:\/\/[\d.:]+) /);
  return { url: `${daemon.found[1]}/`, stop: daemon.stop };
}

export async function simulate(...flags) {
  const simulator = await start(
    ['simulate', '--listen', '127.0.0.1:0', ...flags],
    /listens on (http:\/\/[\d.:]+)/,
  );
  return { url: simulator.found[1], stop: simulator.stop };
}

export const launch = () =>
  chromium.launch({
    executablePath: process.env.CHROMIUM || '/usr/bin/chromium',
    args: [
      '--no-sandbox',
      '--disable-gpu',
      '--disable-quic',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
    ],
  });

// A tab that notes what a dashboard must not do. `allow` are patterns of console messages that the
// test itself provokes.
export async function open(browser, { viewport = kWide, colorScheme = 'light', allow = [] } = {}) {
  const context = await browser.newContext({ viewport, colorScheme, acceptDownloads: true });
  const page = await context.newPage();
  const wrong = [];
  const note = (text) => {
    if (!allow.some((pattern) => pattern.test(text))) wrong.push(text);
  };
  let origin = null;
  page.on('console', (message) => {
    if (['error', 'warning'].includes(message.type())) note(message.text());
  });
  page.on('pageerror', (error) => note(String(error.stack)));
  page.on('request', (request) => {
    const at = new URL(request.url());
    origin ||= at.origin;
    if (at.origin !== origin && at.protocol !== 'data:' && at.protocol !== 'blob:')
      note(`request to ${at.origin}`);
  });
  await page.addInitScript(() =>
    document.addEventListener('securitypolicyviolation', (event) =>
      console.error(`CSP: ${event.violatedDirective} ${event.blockedURI}`),
    ),
  );
  return {
    page,
    // Goes there and waits until all of the view is there.
    async visit(url) {
      // Where only the fragment differs, the page stays as it is, and there is no response.
      if (!(await page.goto(url))) await page.reload();
      await this.settled();
    },
    async settled() {
      await page.waitForFunction(() => {
        const main = document.getElementById('main');
        return main && !main.hasAttribute('aria-busy') && main.querySelector('section, .note');
      });
    },
    text: (selector) => page.locator(selector).innerText(),
    // What axe-core finds wrong, as texts.
    async violations() {
      await page.evaluate(axe);
      const { violations } = await page.evaluate(() => globalThis.axe.run());
      return violations.map(
        ({ id, nodes }) =>
          `${id}: ${nodes.map(({ html, failureSummary }) => `${html} ${failureSummary}`).join('\n')}`,
      );
    },
    // Ends the tab; nothing must have been wrong.
    async close() {
      await context.close();
      assert.deepEqual(wrong, []);
    },
  };
}

export async function json(url) {
  const reply = await fetch(url);
  assert.equal(reply.status, 200, url);
  return (await reply.json()).data;
}

// Waits until `check` returns something.
export async function eventually(check, seconds = 60) {
  for (const until = Date.now() + seconds * 1000; Date.now() < until;) {
    const result = await check();
    if (result) return result;
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
  throw new Error(`not within ${seconds} s: ${check}`);
}

// The colours that the first chart is drawn in, like '#0072b2'.
export function chartColors(page) {
  return page.evaluate(() => {
    const canvas = document.querySelector('.chart canvas');
    const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
    const seen = new Set();
    for (let i = 0; i < data.length; i += 4) {
      seen.add(`#${[...data.slice(i, i + 3)].map((part) => part.toString(16).padStart(2, '0')).join('')}`);
    }
    return [...seen];
  });
}
