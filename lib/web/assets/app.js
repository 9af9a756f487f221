// The page: which view is shown, and when it is read anew.

import { ask, isOffline } from './api.js';
import { format, kViews, parse } from './address.js';
import { redrawCharts } from './chart.js';
import { fill, h, hold, note } from './dom.js';
import { time } from './format.js';
import { Accounts } from './accounts.js';
import { Alerts } from './alerts.js';
import { Collection } from './collection.js';
import { Movers } from './movers.js';
import { Overview } from './overview.js';

const kPauseMs = 5000;
const kTitle = 'Amazon Inspector usage';
const kMakers = {
  overview: Overview,
  movers: Movers,
  accounts: Accounts,
  alerts: Alerts,
  collection: Collection,
};
const byId = (id) => document.getElementById(id);

let view = null; // what is shown
let viewName = null;
let problem = null; // the place for what went wrong with it
let status = null; // of the daemon, as last read
let shown = null; // the address and the revision that are on the page
let offlineSince = null;

function showStatus() {
  const { scopes } = status;
  const pill = byId('state');
  const bad = scopes.failing,
    warn = scopes.retrying;
  const [text, kind] =
    status.state === 'empty'
      ? ['no poll yet', 'warn']
      : bad > 0
        ? [`${bad} of ${bad + warn + scopes.ok + scopes.waiting} not collected`, 'bad']
        : warn > 0
          ? [`${warn} retrying`, 'warn']
          : ['all collected', 'good'];
  pill.textContent = text;
  pill.className = `pill ${kind}`;
  byId('now').textContent = `as of ${time(status.now)}`;
  byId('version').textContent = status.version;
  const firing = byId('firing');
  firing.hidden = status.alerts_firing === 0;
  firing.textContent = status.alerts_firing;
  firing.setAttribute('aria-label', `${status.alerts_firing} firing`);
}

function setOffline(error) {
  const place = byId('offline');
  offlineSince = error ? offlineSince || new Date() : null;
  place.hidden = !error;
  if (!error) return;
  const since = offlineSince.toISOString().slice(11, 19);
  place.textContent =
    `The daemon can't be reached since ${since} UTC (${error.message}). ` +
    `${shown ? 'What is on the page is from before. ' : ''}It is tried again every few seconds; ` +
    'on its machine, `systemctl status inspector-usaged` says more.';
}

function mount(state) {
  if (viewName === state.view) return;
  view?.destroy();
  viewName = state.view;
  const main = byId('main');
  problem = h('div');
  fill(main, problem);
  view = new kMakers[viewName](main, () => refresh(true));
  for (const link of document.querySelectorAll('header nav a')) {
    if (link.dataset.view === viewName) link.setAttribute('aria-current', 'page');
    else link.removeAttribute('aria-current');
  }
  const name = document.querySelector(`header nav a[data-view="${viewName}"]`).firstChild.textContent.trim();
  document.title = `${name} · ${kTitle}`;
}

let running = null;
let again = false;

// Reads what has changed; `always` reads everything.
async function refresh(always = false) {
  if (always) byId('main').setAttribute('aria-busy', 'true');
  if (running) {
    again ||= always;
    return running;
  }
  running = work(always).finally(() => {
    running = null;
  });
  await running;
  if (again) {
    again = false;
    await refresh(true);
  }
}

async function work(always) {
  const main = byId('main');
  try {
    status = (await ask('status', { detail: 'summary' })).data;
    showStatus();
    const state = parse(location.hash);
    const wanted = `${format(state)} ${status.revision}`;
    if (!always && wanted === shown && problem?.childElementCount === 0) return setOffline(null);
    mount(state);
    main.setAttribute('aria-busy', 'true');
    await view.update(state, status);
    shown = wanted;
    fill(problem);
    setOffline(null);
  } catch (error) {
    if (isOffline(error)) return setOffline(error);
    setOffline(null);
    mount(parse(location.hash));
    fill(
      problem,
      note(
        'bad',
        h('p', null, `This could not be read: ${error.message}`),
        h(
          'p',
          null,
          'If the address was typed or is old, ',
          h('a', { href: `#/${viewName}` }, 'begin this view anew'),
          '.',
        ),
      ),
    );
    if (!error.status) throw error;
  } finally {
    if (!again) main.removeAttribute('aria-busy');
  }
}

// `theme` is theme.js's.
function showTheme() {
  byId('theme').textContent = `Theme: ${theme.chosen()}`;
  redrawCharts();
}

function nextTheme() {
  theme.next();
  showTheme();
}

function press(event) {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.target.closest('input, textarea, select, dialog[open]')) return;
  const number = Number(event.key);
  if (number >= 1 && number <= kViews.length) location.hash = `#/${kViews[number - 1]}`;
  else if (event.key === 'r') refresh(true);
  else if (event.key === 't') nextTheme();
  else if (event.key === '?') byId('keys').showModal();
  else if (event.key === '/') {
    event.preventDefault();
    if (viewName !== 'accounts') location.hash = '#/accounts';
    const focus = () => byId('search')?.focus();
    if (byId('search')) focus();
    else setTimeout(focus, 300);
  }
}

addEventListener('hashchange', () => refresh(true));
addEventListener('keydown', press);
addEventListener('pointerdown', hold);
document.addEventListener('visibilitychange', () => {
  if (!document.hidden) refresh();
});
theme.dark.addEventListener('change', () => {
  theme.apply();
  showTheme();
});
byId('theme').addEventListener('click', nextTheme);
byId('help').addEventListener('click', () => byId('keys').showModal());
byId('skip').addEventListener('click', (event) => {
  event.preventDefault();
  byId('main').focus();
});
showTheme();
refresh(true);
// A page that nobody looks at asks nothing.
setInterval(() => {
  if (!document.hidden) refresh();
}, kPauseMs);
