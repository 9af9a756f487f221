// Takes the README's pictures of the demo: USAGED_BINARY=... node screenshots.mjs FOLDER
import { eventually, json, launch, open, start } from './support.mjs';

const folder = process.argv[2];
const demo = await start(
  ['demo', '--port', '0', '--speed', '1800'],
  /Dashboard {2}(http:\/\/[\d.:]+\/)[^]*Ctrl-C/,
  { seconds: 600 },
);
const url = demo.found[1];
const browser = await launch();
const alerts = await eventually(async () => {
  const all = (await json(`${url}api/v1/alerts`)).filter((alert) => alert.score !== null);
  return all.some((alert) => alert.state === 'firing') && all;
}, 120);
const spike = alerts.sort((a, b) => b.peak - b.before - (a.peak - a.before))[0];
const pictures = { overview: '#/overview?range=90d', alert: `#/alerts/${spike.id}` };
for (const [name, hash] of Object.entries(pictures)) {
  const tab = await open(browser, { viewport: { width: 1000, height: 900 } });
  await tab.visit(url + hash);
  await tab.page.waitForTimeout(500);
  await tab.page.screenshot({ path: `${folder}/${name}.png` });
  await tab.close();
}
await browser.close();
await demo.stop('SIGINT');
