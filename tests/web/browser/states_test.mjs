// The dashboard where things are not as they should be: nothing there yet, nothing that answers,
// the daemon gone, and a proxy in between.
import assert from 'node:assert/strict';
import { createServer, request } from 'node:http';
import { connect, createServer as createListener } from 'node:net';
import { createHash } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { after, afterEach, before, beforeEach, test } from 'node:test';
import {
  chartColors,
  eventually,
  json,
  launch,
  kNarrow,
  kWide,
  open,
  serve,
  simulate,
  start,
  temporaryFolder,
} from './support.mjs';

let browser, folder, running;

before(async () => {
  browser = await launch();
});
after(() => browser?.close());
beforeEach(() => {
  folder = temporaryFolder();
  running = [];
});
afterEach(async () => {
  for (const one of running.reverse()) await one.stop();
  folder.remove();
});

const keep = (one) => {
  running.push(one);
  return one;
};
const kViews = ['overview', 'movers', 'accounts', 'alerts', 'collection'];

// A way to a simulator that holds what is sent until it is opened.
async function gate(url) {
  const { hostname, port } = new URL(url);
  const sockets = new Set();
  let open = false;
  const pass = (socket) => {
    const onward = connect(Number(port), hostname);
    sockets.add(onward);
    onward.on('error', () => socket.destroy());
    socket.pipe(onward).pipe(socket);
  };
  const server = createListener((socket) => {
    socket.on('error', () => {});
    sockets.add(socket);
    if (open) pass(socket);
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  return keep({
    url: `http://127.0.0.1:${server.address().port}`,
    open: () => {
      open = true;
      for (const socket of [...sockets]) pass(socket);
    },
    stop: () => {
      for (const socket of sockets) socket.destroy();
      server.close();
    },
  });
}

async function nothingIsWrong(url, views = kViews) {
  for (const viewport of [kWide, kNarrow]) {
    for (const colorScheme of ['light', 'dark']) {
      const tab = await open(browser, { viewport, colorScheme });
      for (const view of views) {
        await tab.visit(`${url}#/${view}`);
        assert.deepEqual(await tab.violations(), [], view);
      }
      await tab.close();
    }
  }
}

test('before the first poll has ended, every view says what to do, and goes on by itself', async () => {
  const simulator = keep(await simulate('--accounts', '5', '--regions', 'us-east-1,eu-west-1'));
  const way = await gate(simulator.url);
  const { url } = keep(
    await serve(
      folder,
      `targets: [{name: organization, regions: [us-east-1, eu-west-1], endpoint: "${way.url}", free_trials: false}]
collection: {request_timeout: 5m}
`,
    ),
  );
  const tab = await open(browser);
  for (const view of ['overview', 'movers', 'accounts']) {
    await tab.visit(`${url}#/${view}`);
    const text = await tab.text('main');
    assert.match(text, /Waiting for the first poll/, view);
    assert.match(text, /organization\s+eu-west-1\s+waiting/);
    assert.match(text, /check-config --online/);
  }
  await tab.visit(`${url}#/alerts`);
  assert.match(await tab.text('main'), /No alert so far/);
  await tab.visit(`${url}#/collection`);
  assert.match(await tab.text('main'), /It has not been asked yet/);
  assert.equal(await tab.text('#state'), 'no poll yet');
  await nothingIsWrong(url);
  await tab.visit(url);
  way.open();
  await eventually(async () => tab.page.locator('.tiles').isVisible(), 30);
  await eventually(async () => /Estimated monthly cost\s+[\d,.]+\sUSD/.test(await tab.text('.tiles')));
  // One poll is a dot in each colour.
  await tab.page.locator('.chart canvas').first().waitFor();
  await eventually(async () => (await chartColors(tab.page)).includes('#0072b2'));
  await tab.close();
});

test('what is broken is told in words, and what is known is shown', async () => {
  const faults = folder.path('faults.yaml');
  writeFileSync(
    faults,
    'faults:\n  - {kind: throttle, region: eu-west-1}\n  - {kind: denied, region: eu-west-2}\n',
  );
  const simulator = keep(
    await simulate('--accounts', '5', '--regions', 'us-east-1,eu-west-1,eu-west-2', '--faults', faults),
  );
  const gone = await gate('http://127.0.0.1:9');
  gone.stop();
  const { url } = keep(
    await serve(
      folder,
      `targets:
  - {name: organization, regions: [us-east-1, eu-west-1, eu-west-2], endpoint: "${simulator.url}", free_trials: false}
  - {name: unreachable, regions: [us-east-1], endpoint: "${gone.url}", free_trials: false}
rules: []
`,
    ),
  );
  await eventually(async () =>
    (await json(`${url}api/v1/targets`)).every((row) => row.last_success || row.error),
  );
  const tab = await open(browser);
  await tab.visit(`${url}#/collection`);
  assert.match(await tab.text('#state'), /^3 of 4 not collected$/);
  const rows = await tab.page.locator('section[aria-label="Targets and regions"] tbody tr').allInnerTexts();
  const row = (region, target = 'organization') =>
    rows.find((text) => text.includes(target) && text.includes(region));
  assert.match(row('us-east-1'), /\bok\b/);
  assert.match(row('eu-west-1'), /too many requests/);
  assert.match(row('eu-west-2'), /refused the credentials or the action/);
  assert.match(row('us-east-1', 'unreachable'), /could not be reached/);
  // Failing ones come first.
  assert.ok(rows.at(-1).includes('us-east-1') && /\bok\b/.test(rows.at(-1)));
  // A sum with an unknown part is unknown, and says which; the region that is known is shown.
  await tab.visit(`${url}#/overview`);
  assert.match(await tab.text('section[aria-label="Estimated monthly cost"]'), /Not known: .*eu-west-1/);
  await tab.visit(`${url}#/overview?by=region`);
  assert.match(await tab.text('section[aria-label="Estimated monthly cost"]'), /us-east-1\s+[\d.,]+/);
  assert.match(await tab.text('.tile >> nth=0'), /incomplete: without organization, eu-west-1 and 2 more/);
  await tab.visit(`${url}#/alerts`);
  assert.match(await tab.text('section[aria-label=Rules]'), /No rule is configured/);
  await tab.close();
  await nothingIsWrong(url);
});

test('when the daemon goes, the page says so, keeps what it has, and comes back', async () => {
  const simulator = keep(await simulate('--accounts', '5', '--regions', 'us-east-1'));
  const target = `targets: [{name: organization, regions: [us-east-1], endpoint: "${simulator.url}", free_trials: false}]\n`;
  const daemon = await serve(folder, target);
  await eventually(async () => (await json(`${daemon.url}api/v1/status`)).state === 'ok');
  const tab = await open(browser, { allow: [/ERR_CONNECTION|Failed to load/] });
  await tab.visit(daemon.url);
  const before = await tab.text('.tile >> nth=0 >> p >> nth=0');
  await daemon.stop();
  await eventually(async () => tab.page.locator('#offline').isVisible(), 20);
  assert.match(await tab.text('#offline'), /can't be reached since \d\d:\d\d:\d\d UTC/);
  assert.equal(await tab.text('.tile >> nth=0 >> p >> nth=0'), before);
  assert.deepEqual(await tab.violations(), []);
  keep(await serve(folder, target, Number(new URL(daemon.url).port)));
  await eventually(async () => !(await tab.page.locator('#offline').isVisible()), 20);
  await tab.close();
});

test('it works behind a prefix of a proxy, which wants a token for what writes', async () => {
  const simulator = keep(await simulate('--accounts', '5', '--regions', 'us-east-1'));
  const daemon = keep(
    await serve(
      folder,
      `targets: [{name: organization, regions: [us-east-1], endpoint: "${simulator.url}", free_trials: false}]
rules: [{name: any, kind: threshold, limit: 0.000001}]
`,
    ),
  );
  await eventually(async () => (await json(`${daemon.url}api/v1/alerts?state=firing`)).length > 0);
  const kPrefix = '/cost/inspector/';
  const outside = [];
  const proxy = createServer((from, to) => {
    if (!from.url.startsWith(kPrefix)) outside.push(from.url);
    if (from.method !== 'GET' && from.headers.authorization !== 'Bearer right') {
      to.writeHead(401, { 'content-type': 'application/problem+json', 'www-authenticate': 'Bearer' });
      return to.end('{"title": "Unauthorized", "status": 401}');
    }
    const options = { method: from.method, headers: { ...from.headers, host: new URL(daemon.url).host } };
    const onward = request(new URL(from.url.slice(kPrefix.length), daemon.url), options, (reply) => {
      to.writeHead(reply.statusCode, reply.headers);
      reply.pipe(to);
    });
    from.pipe(onward);
  });
  await new Promise((resolve) => proxy.listen(0, '127.0.0.1', resolve));
  keep({
    stop: () => {
      proxy.closeAllConnections?.();
      proxy.close();
    },
  });
  const url = `http://127.0.0.1:${proxy.address().port}${kPrefix}`;
  const tab = await open(browser, { allow: [/status of 401/] });
  for (const view of kViews) await tab.visit(`${url}#/${view}`);
  await tab.visit(`${url}#/alerts/1`);
  const { page } = tab;
  await page.fill('#ack-by', 'Ann');
  const acknowledge = () => page.click('form[aria-label=Acknowledge] button');
  await acknowledge();
  await page.fill('#token', 'wrong');
  await page.getByRole('button', { name: 'Go on' }).click();
  await page.getByText('does not take this token').waitFor();
  assert.deepEqual(await tab.violations(), []);
  await page.getByRole('button', { name: 'Cancel' }).click();
  await eventually(async () => (await tab.text('form[aria-label=Acknowledge]')).includes('Not done'));
  await acknowledge();
  await page.fill('#token', 'right');
  await page.keyboard.press('Enter');
  await eventually(async () => (await tab.text('.title')).includes('acknowledged by Ann'));
  assert.deepEqual(outside, []);
  await tab.close();
});

test('a daemon that wants a token for everything asks for it', async () => {
  const simulator = keep(await simulate('--accounts', '5', '--regions', 'us-east-1'));
  const sha256 = createHash('sha256').update('right').digest('hex');
  const { url } = keep(
    await serve(
      folder,
      `targets: [{name: organization, regions: [us-east-1], endpoint: "${simulator.url}", free_trials: false}]
`,
      0,
      undefined,
      `tokens: [{name: ann, scope: read, sha256: "${sha256}"}]`,
    ),
  );
  const tab = await open(browser, { allow: [/status of 401/] });
  await tab.page.goto(url);
  await tab.page.fill('#token', 'right');
  await tab.page.keyboard.press('Enter');
  await eventually(async () => tab.page.locator('.tiles').isVisible(), 30);
  await tab.page.reload();
  await eventually(async () => tab.page.locator('.tiles').isVisible(), 30);
  assert.equal((await fetch(`${url}api/v1/status`)).status, 401);
  await tab.close();
});

test('a message that was given up can be sent again', async () => {
  const simulator = keep(await simulate('--accounts', '5', '--regions', 'us-east-1'));
  const { url } = keep(
    await serve(
      folder,
      `targets: [{name: organization, regions: [us-east-1], endpoint: "${simulator.url}", free_trials: false}]
rules: [{name: any, kind: threshold, limit: 0.000001}]
receivers: [{name: hook, kind: slack, url: "${simulator.url}/nothing", group_wait: 0s}]
`,
    ),
  );
  await eventually(async () => (await json(`${url}api/v1/notifications?state=dead`)).length === 1);
  const tab = await open(browser);
  await tab.visit(`${url}#/alerts`);
  const panel = tab.page.locator('section[aria-label=Messages]');
  assert.match(await panel.innerText(), /dead\s+hook\s+alert \d/);
  await panel.getByRole('button', { name: 'Send again' }).click();
  await eventually(async () => (await json(`${url}api/v1/notifications`))[0].attempts > 1);
  assert.deepEqual(await tab.violations(), []);
  await tab.close();
});

test('imported history is shown before the first poll, currencies apart, and gaps as gaps', async () => {
  const lines = [
    'taken_at,account_id,region,usage_type,total,estimated_monthly_cost,currency,interval_seconds',
  ];
  const hour = 3600000;
  const now = Math.floor(Date.now() / hour) * hour;
  for (let i = 40 * 4; i > 0; --i) {
    if (i > 40 && i < 52) continue; // three days
    const at = new Date(now - i * 6 * hour).toISOString();
    lines.push(`${at},111111111111,us-east-1,EC2_INSTANCE_HOURS,10,${1000 + i},USD,21600`);
    lines.push(`${at},222222222222,us-east-1,EC2_INSTANCE_HOURS,10,${300 + i},CNY,21600`);
  }
  writeFileSync(folder.path('history.csv'), `${lines.join('\n')}\n`);
  await (
    await start(
      ['import', folder.path('history.csv'), '--database', folder.path('u.db')],
      /imported, 0 were there/,
    )
  ).stop();
  const { url } = keep(
    await serve(
      folder,
      'targets: [{name: organization, regions: [us-east-1], endpoint: "http://127.0.0.1:9", free_trials: false}]\n',
    ),
  );
  const tab = await open(browser);
  await tab.visit(`${url}#/overview?range=90d`);
  const panel = tab.page.locator('section[aria-label="Estimated monthly cost"]');
  assert.match(await panel.innerText(), /Not known: import, us-east-1/);
  assert.match(await panel.locator('.readout').innerText(), /1,001\.00\sUSD/);
  // Hatched where nobody asked.
  const gap = await tab.page.evaluate(() => {
    const canvas = document.querySelector('.chart canvas');
    const { data, width } = canvas
      .getContext('2d')
      .getImageData(0, 0, canvas.width, Math.floor(canvas.height / 2));
    const columns = new Set();
    for (let i = 0; i < data.length; i += 4) {
      if (data[i] === 0x9a && data[i + 1] === 0xa4 && data[i + 2] === 0xb1) columns.add((i / 4) % width);
    }
    return columns.size;
  });
  assert.ok(gap > 10, String(gap));
  assert.match(await tab.text('section[aria-label="Calendar months and forecast"] .readout'), /USD/);
  await panel.locator('select').last().selectOption('CNY');
  await eventually(async () => /301\.00\sCNY/.test(await panel.locator('.readout').innerText()));
  assert.match(tab.page.url(), /currency=CNY/);
  const months = tab.page.locator('section[aria-label="Calendar months and forecast"] .readout');
  await eventually(async () => /CNY/.test(await months.innerText()));
  await tab.close();
});
