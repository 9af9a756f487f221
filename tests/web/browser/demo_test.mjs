// The dashboard over the demo's organization, in a real browser.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { readFileSync } from 'node:fs';
import { chartColors, eventually, json, kNarrow, kWide, launch, open, start } from './support.mjs';

let browser, demo, url;

before(
  async () => {
    demo = await start(
      ['demo', '--days', '75', '--accounts', '14', '--port', '0', '--speed', '3600'],
      /Dashboard {2}(http:\/\/[\d.:]+\/)[^]*Ctrl-C/,
    );
    url = demo.found[1];
    browser = await launch();
  },
  { timeout: 280000 },
);

after(async () => {
  await browser?.close();
  await demo?.stop('SIGINT');
});

const kViews = ['overview', 'movers', 'accounts', 'alerts', 'collection'];

test('the overview says what it costs, what changed, and what is coming', async () => {
  const tab = await open(browser);
  await tab.visit(url);
  const latest = await json(`${url}api/v1/usage/deltas`);
  assert.match(await tab.text('.tile >> nth=0'), /Estimated monthly cost\s+[\d,.]+\sUSD/);
  assert.ok(latest[0].after > 0);
  const tiles = await tab.text('.tiles');
  for (const title of [
    'Since yesterday',
    'In a week',
    'In 30 days',
    'This month will end at',
    'Alerts firing',
  ]) {
    assert.ok(tiles.includes(title), title);
  }
  assert.match(await tab.text('.marks'), /spike of .* in a day where .* is usual/);
  assert.equal(await tab.page.locator('.chart canvas').count(), 3);
  // Each chart has its twin and its rows.
  for (const panel of await tab.page.locator('section:has(.chart)').all()) {
    await panel.locator('summary').click();
    await eventually(async () => (await panel.locator('table tbody tr').count()) > 2);
    const csv = await tab.page.request.get((await panel.locator('a.csv').getAttribute('href')) || '', {
      baseURL: url,
    });
    assert.equal(csv.status(), 200);
    assert.match(csv.headers()['content-type'], /text\/csv/);
  }
  await tab.close();
});

test('a fall says which spike leaves the window', async () => {
  const tab = await open(browser);
  await tab.visit(`${url}#/overview?range=90d`);
  assert.match(
    await tab.text('.marks .echo >> nth=0'),
    /this fall is the spike of \d+ [A-Z][a-z]+( \d{4})? \(.*\) leaving the window/,
  );
  await tab.close();
});

test('the canvas is drawn in the colours of the layers', async () => {
  const tab = await open(browser);
  await tab.visit(url);
  const colors = await chartColors(tab.page);
  for (const color of ['#0072b2', '#e69f00', '#009e73']) assert.ok(colors.includes(color), color);
  await tab.close();
});

test('movers lead from the organization to the samples of one series', async () => {
  const tab = await open(browser);
  const { page } = tab;
  await tab.visit(`${url}#/movers?window=7d`);
  const row = () => page.locator('section[aria-label=Movers] tbody a').first();
  const account = await row().innerText();
  await row().click();
  await page.waitForURL(/account=\d{12}&by=type/);
  await tab.settled();
  await eventually(async () => (await tab.text('.crumbs')).includes(account.split(' (')[0]));
  await row().click();
  await page.waitForURL(/by=region.*type=/);
  await tab.settled();
  await row().click();
  await page.waitForURL(/show=samples/);
  await eventually(
    async () =>
      (await page.locator('section[aria-label="Total of 30 days at each poll"] canvas').count()) === 1,
  );
  const samples = page.locator('section[aria-label="Estimated monthly cost at each poll"]');
  await samples.locator('summary').click();
  await eventually(async () => (await samples.locator('tbody tr').count()) > 100);
  // And back again, by the breadcrumbs.
  await page.locator('.crumbs a').first().click();
  await eventually(async () => (await page.locator('.crumbs').count()) === 0);
  await tab.close();
});

test('a link shows a colleague the same', async () => {
  const link = `${url}#/movers?by=type&tag.team=data&top=25&window=30d`;
  const seen = [];
  for (let i = 0; i < 2; ++i) {
    const tab = await open(browser);
    await tab.visit(link);
    assert.equal(tab.page.url(), link);
    assert.match(await tab.text('.crumbs'), /data/);
    assert.equal(await tab.page.locator('select >> nth=0').inputValue(), '30d');
    assert.equal(await tab.page.locator('select >> nth=1').inputValue(), 'type');
    seen.push(
      await tab.page
        .locator('section[aria-label=Movers] tbody th, section[aria-label=Movers] tbody td:first-child')
        .allInnerTexts(),
    );
    await tab.close();
  }
  assert.ok(seen[0].length > 2);
  assert.deepEqual(seen[0].sort(), seen[1].sort());
});

test('a part of the time is chosen by dragging over the chart, and is in the address', async () => {
  const tab = await open(browser);
  await tab.visit(url);
  const box = await tab.page.locator('.chart .u-over').first().boundingBox();
  await tab.page.mouse.move(box.x + box.width * 0.3, box.y + 50);
  await tab.page.mouse.down();
  await tab.page.mouse.move(box.x + box.width * 0.6, box.y + 60, { steps: 5 });
  await tab.page.mouse.up();
  await tab.page.waitForURL(/start=\d{4}-\d\d-\d\dT/);
  await tab.close();
});

test('what is pressed stays in its place until it is released', async () => {
  const tab = await open(browser);
  const { page } = tab;
  const readAnew = async () => {
    const answered = page.waitForResponse((reply) => reply.url().includes('/api/v1/status'));
    await page.keyboard.press('r');
    await (await answered).finished();
    await new Promise((resolve) => setTimeout(resolve, 1000)); // for whatever follows it
  };
  await tab.visit(`${url}#/movers?window=7d`);
  await page.locator('section[aria-label=Movers] tbody a').first().hover();
  await page.mouse.down();
  await readAnew();
  await page.mouse.up();
  await page.waitForURL(/account=\d{12}&by=type/);

  await tab.visit(`${url}#/overview`);
  const box = await page.locator('.chart .u-over').first().boundingBox();
  await page.mouse.move(box.x + box.width * 0.3, box.y + 50);
  await page.mouse.down();
  await page.mouse.move(box.x + box.width * 0.6, box.y + 60, { steps: 5 });
  await readAnew();
  await page.mouse.up();
  await page.waitForURL(/start=\d{4}-\d\d-\d\dT/);
  await tab.close();
});

test('the arrow keys move through a chart', async () => {
  const tab = await open(browser);
  await tab.visit(url);
  const panel = tab.page.locator('section[aria-label="Estimated monthly cost"]');
  const last = await panel.locator('.readout').innerText();
  await panel.locator('.chart').focus();
  for (let i = 0; i < 5; ++i) await tab.page.keyboard.press('ArrowLeft');
  assert.notEqual(await panel.locator('.readout').innerText(), last);
  await tab.close();
});

test('accounts are searched, sorted and narrowed', async () => {
  const tab = await open(browser);
  const { page } = tab;
  await tab.visit(`${url}#/accounts`);
  await eventually(async () => (await page.locator('svg.spark path').count()) > 5);
  const rows = page.locator('section[aria-label=Accounts] tbody tr');
  const all = await rows.count();
  await page.keyboard.press('/');
  await page.keyboard.type('team=data');
  await eventually(
    async () =>
      ((await rows.count()) < all && page.url().includes('q=team%3Ddata')) ||
      page.url().includes('q=team=data'),
  );
  assert.ok((await rows.count()) > 0);
  assert.ok((await rows.allInnerTexts()).every((text) => text.includes('team=data')));
  assert.match(page.url(), /q=team/);
  await tab.visit(`${url}#/accounts?sort=account`);
  const names = await page.locator('section[aria-label=Accounts] tbody td:first-child a').allInnerTexts();
  assert.deepEqual(
    names,
    [...names].sort((a, b) => (a.toLowerCase() < b.toLowerCase() ? -1 : 1)),
  );
  await page.locator('thead a', { hasText: 'Monthly cost' }).click();
  await eventually(async () =>
    (await page.locator('th[aria-sort=descending]').innerText()).includes('Monthly cost'),
  );
  await tab.close();
});

test('an alert is told with its reason, acknowledged, and silenced', async () => {
  const firing = await eventually(
    async () => (await json(`${url}api/v1/alerts?state=firing`)).find((alert) => alert.score !== null),
    120,
  );
  const tab = await open(browser);
  const { page } = tab;
  await tab.visit(`${url}#/alerts`);
  // Firing first.
  assert.match(await page.locator('section[aria-label=Alerts] tbody tr').first().innerText(), /firing/);
  await page.locator(`a[href="#/alerts/${firing.id}"]`).click();
  await eventually(async () => (await page.locator('section[aria-label=Reason]').count()) === 1);
  await eventually(async () =>
    /in a day, where .* is usual/.test(await tab.text('section[aria-label=Reason]')),
  );
  assert.match(await tab.text('section[aria-label=Reason]'), /Who made it/);
  await eventually(async () => (await page.locator('.chart canvas').count()) === 2);
  await page.fill('#ack-by', 'Ann');
  await page.fill('#ack-comment', 'the new cluster');
  // What is being written outlasts what comes in meanwhile.
  await new Promise((resolve) => setTimeout(resolve, 6000));
  assert.equal(await page.inputValue('#ack-comment'), 'the new cluster');
  await page.click('form[aria-label=Acknowledge] button');
  await eventually(async () => (await tab.text('.title')).includes('acknowledged by Ann'));
  const acknowledged = await json(`${url}api/v1/alerts/${firing.id}`);
  assert.equal(acknowledged.acknowledged_by, 'Ann');
  assert.equal(acknowledged.acknowledged_comment, 'the new cluster');
  await page.selectOption('#silence-duration', '7d');
  await page.fill('#silence-comment', 'load test');
  await page.click('form[aria-label=Silence] button');
  await eventually(async () => (await tab.text('.title')).includes('silenced until'));
  const [silence] = await json(`${url}api/v1/silences?state=active`);
  assert.equal(silence.created_by, 'Ann');
  assert.ok(silence.matchers.includes(`account_id=${firing.labels.account_id}`));
  assert.match(await tab.text('section[aria-label=Events]'), /was acknowledged/);
  await page.goto(`${url}#/alerts`);
  await page.click('section[aria-label=Silences] button');
  await eventually(async () =>
    (await tab.text('section[aria-label=Silences]')).includes('Nothing is silenced'),
  );
  await tab.close();
});

test('what makes no sense is refused in words, and what was written stays', async () => {
  const [alert] = await json(`${url}api/v1/alerts?state=firing`);
  const tab = await open(browser, { allow: [/status of 400/] });
  await tab.visit(`${url}#/alerts/${alert.id}`);
  await tab.page.fill('#silence-matchers', 'nonsense');
  await tab.page.fill('#silence-by', 'Ann');
  await tab.page.fill('#silence-comment', 'x');
  await tab.page.click('form[aria-label=Silence] button');
  await eventually(async () => (await tab.text('form[aria-label=Silence]')).includes('Not done: matchers:'));
  assert.equal(await tab.page.inputValue('#silence-matchers'), 'nonsense');
  await tab.close();
});

test('an alert or a view that there is not, and a parameter that makes no sense', async () => {
  const tab = await open(browser, { allow: [/status of 40[04]/] });
  await tab.visit(`${url}#/alerts/99999`);
  assert.match(await tab.text('main'), /There is no alert 99999/);
  await tab.visit(`${url}#/overview?region=nowhere&start=yesterday`);
  assert.match(await tab.text('main .note'), /could not be read: start: /);
  await tab.page.locator('main .note a').click();
  await eventually(async () => (await tab.page.locator('main .note').count()) === 0);
  await tab.visit(`${url}#/nothing`);
  assert.match(await tab.page.title(), /Overview/);
  await tab.close();
});

test('collection shows each target and region, and polls now', async () => {
  const tab = await open(browser);
  await tab.visit(`${url}#/collection?days=90`);
  const rows = await tab.text('section[aria-label="Targets and regions"] tbody');
  assert.match(rows, /demo\s+eu-central-1\s+ok/);
  assert.match(rows, /demo\s+us-east-1\s+ok/);
  assert.ok((await tab.page.locator('.calendar .days i').count()) >= 2 * 70);
  await tab.page.getByRole('button', { name: 'Poll now' }).click();
  await tab.close();
});

test('what changes is shown without a word, and keeps the focus', async () => {
  const tab = await open(browser);
  await tab.visit(`${url}#/movers`);
  await tab.page.locator('section[aria-label=Movers] thead').waitFor();
  await tab.page.locator('[data-key=show]').focus();
  const before = await tab.text('#now');
  await eventually(async () => (await tab.text('#now')) !== before, 20);
  await eventually(async () => !(await tab.page.locator('main[aria-busy]').count()));
  assert.equal(await tab.page.evaluate(() => document.activeElement.dataset.key), 'show');
  await tab.close();
});

test('a view is marked as busy from the moment that it is asked for', async () => {
  const tab = await open(browser);
  await tab.visit(`${url}#/movers`);
  let go;
  const slow = new Promise((resolve) => (go = resolve));
  await tab.page.route('**/api/v1/status*', async (route) => {
    await slow;
    await route.continue();
  });
  await tab.page.evaluate(() => (location.hash = '#/movers?by=type'));
  await tab.page.locator('main[aria-busy=true]').waitFor();
  go();
  await tab.settled();
  assert.equal(await tab.page.locator('select >> nth=1').inputValue(), 'type');
  await tab.close();
});

test('keys change the view and the theme, which stays', async () => {
  const tab = await open(browser);
  const { page } = tab;
  await tab.visit(url);
  for (const [i, view] of kViews.entries()) {
    await page.keyboard.press(String(i + 1));
    await eventually(
      async () => (await page.locator('nav a[aria-current=page]').getAttribute('data-view')) === view,
    );
  }
  await page.keyboard.press('?');
  assert.ok(await page.locator('#keys').isVisible());
  await page.keyboard.press('Escape');
  await page.locator('#keys').waitFor({ state: 'hidden' });
  const theme = () => page.evaluate(() => document.documentElement.dataset.theme);
  assert.equal(await theme(), 'light');
  await page.keyboard.press('t');
  await page.keyboard.press('t');
  await eventually(async () => (await theme()) === 'dark');
  await page.reload();
  assert.equal(await theme(), 'dark');
  await tab.close();
});

// Colours do not depend on the width, nor does what is cut off on the colours.
for (const [colorScheme, viewport] of [
  ['light', kWide],
  ['dark', kNarrow],
]) {
  test(`axe-core finds nothing in ${colorScheme} at ${viewport.width} px, and nothing is cut off`, async () => {
    const [alert] = await json(`${url}api/v1/alerts?limit=1`);
    const tab = await open(browser, { viewport, colorScheme });
    for (const view of [...kViews, `alerts/${alert.id}`, 'movers?by=type&show=samples&type=ECR_RESCAN']) {
      await tab.visit(`${url}#/${view}`);
      for (const summary of await tab.page.locator('details.twin > summary').all()) await summary.click();
      await eventually(async () => !(await tab.page.locator('details.twin[open] > div:empty').count()));
      assert.deepEqual(await tab.violations(), [], view);
      const [wide, window] = await tab.page.evaluate(() => [
        document.documentElement.scrollWidth,
        innerWidth,
      ]);
      assert.ok(wide <= window, `${view} is ${wide} px wide`);
    }
    await tab.close();
  });
}

test('the page and all that it loads weigh less than 150 KB', async () => {
  const tab = await open(browser);
  const sizes = new Map();
  tab.page.on('response', async (response) => {
    const { pathname } = new URL(response.url());
    if (!pathname.startsWith('/api/'))
      sizes.set(pathname, (await response.request().sizes()).responseBodySize);
  });
  await tab.visit(url);
  const total = [...sizes.values()].reduce((a, b) => a + b, 0);
  console.log(`${sizes.size} files, ${(total / 1000).toFixed(1)} KB compressed`);
  assert.ok(sizes.has('/assets/uPlot.esm.js'));
  assert.ok(total < 150000, String(total));
  await tab.close();
});

test('every part of the page is loaded ahead', async () => {
  const page = await (await fetch(url)).text();
  const parts = new Set();
  for (let todo = ['app.js']; todo.length > 0;) {
    const name = todo.pop();
    if (parts.has(name)) continue;
    parts.add(name);
    const text = await (await fetch(`${url}assets/${name}`)).text();
    todo.push(
      ...[...text.matchAll(/^(?:import|export) .*from '\.\/(.*)';$|^ +from '\.\/(.*)';$/gm)].map(
        (found) => found[1] || found[2],
      ),
    );
  }
  for (const name of parts) assert.ok(page.includes(`"assets/${name}"`), name);
  assert.ok(parts.size > 10);
  const styles = readFileSync(new URL('../../../lib/web/assets/style.css', import.meta.url), 'utf8');
  assert.ok(!/url\(/.test(styles), 'the style sheet loads nothing');
});
