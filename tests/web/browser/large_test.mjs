// The dashboard over 10,000 accounts. By default of some days; DAYS=365 makes it a year, which takes
// many minutes to write, and HISTORY names a database that is there already.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { eventually, json, launch, open, serve, start, temporaryFolder } from './support.mjs';

const kAccounts = 10000;
const kUsableSeconds = 1;

let browser, folder, daemon, url;

before(
  async () => {
    folder = temporaryFolder();
    const database = process.env.HISTORY || folder.path('u.db');
    if (!process.env.HISTORY) {
      await start([database, String(kAccounts), 'us-east-1', process.env.DAYS || '10', '0'], /stored .*\n/, {
        program: process.env.MAKE_HISTORY,
        seconds: 3600,
      });
    }
    daemon = await serve(
      folder,
      `targets: [{name: organization, regions: [us-east-1], endpoint: "http://127.0.0.1:9", free_trials: false}]
accounts_file: ${database}.csv
rules: []
`,
      0,
      database,
    );
    url = daemon.url;
    browser = await launch();
  },
  { timeout: 3600000 },
);

after(async () => {
  await browser?.close();
  await daemon?.stop();
  folder.remove();
});

test('the first view is usable', async () => {
  const times = [];
  for (let i = 0; i < 5; ++i) {
    const tab = await open(browser);
    await tab.page.goto(url, { waitUntil: 'commit' });
    const usable = await tab.page.waitForFunction(
      () =>
        document.querySelector('.tiles .value') &&
        document.querySelector('.chart canvas') &&
        performance.now(),
      null,
      { polling: 10 },
    );
    times.push((await usable.jsonValue()) / 1000);
    await tab.settled();
    await tab.close();
  }
  times.sort((a, b) => a - b);
  // Told, not asserted: a busy machine is slow.
  console.log(`usable after ${times[2].toFixed(2)} s (median of 5; the aim is ${kUsableSeconds} s)`);
});

test('the table of accounts finds one of 10,000, and pages through them', async () => {
  const tab = await open(browser);
  const { page } = tab;
  await tab.visit(`${url}#/accounts`);
  assert.match(await tab.text('section[aria-label=Accounts] [role=status]'), /^10,000 accounts$/);
  const rows = page.locator('section[aria-label=Accounts] tbody tr');
  assert.equal(await rows.count(), 50);
  const first = await rows.first().innerText();
  await page.getByText('Next →').click();
  await eventually(async () => (await rows.first().innerText()) !== first);
  assert.match(page.url(), /page=2/);
  await page.fill('#search', 'account-7777');
  await eventually(async () => (await rows.count()) === 1);
  assert.match(await rows.first().innerText(), /account-7777/);
  await eventually(async () => (await page.locator('svg.spark path').count()) === 1);
  await page.fill('#search', '');
  await eventually(async () => (await rows.count()) === 50);
  const costs = (
    await page.locator('section[aria-label=Accounts] tbody td:nth-child(3)').allInnerTexts()
  ).map((text) => Number(text.replace(/[^\d.]/g, '')));
  assert.deepEqual(
    costs,
    [...costs].sort((a, b) => b - a),
  );
  assert.deepEqual(await tab.violations(), []);
  await tab.close();
});

test('movers are ranked among all', async () => {
  const tab = await open(browser);
  await tab.visit(`${url}#/movers?window=7d&top=100`);
  assert.equal(await tab.page.locator('section[aria-label=Movers] tbody tr').count(), 100);
  assert.match(await tab.text('main'), /100 of [\d,]+ are shown/);
  const changes = (await json(`${url}api/v1/usage/deltas?group_by=account&window=7d&top=100`)).map((row) =>
    Math.abs(row.change),
  );
  assert.deepEqual(
    changes,
    [...changes].sort((a, b) => b - a),
  );
  await tab.close();
});
