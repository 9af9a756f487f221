// Every account: searched, sorted and paged here, since ten thousand rows are read once.

import { ask, address, learnNames } from './api.js';
import { filters, go, link, one } from './address.js';
import { fill, h, quiet, select, sparkline, table } from './dom.js';
import { amount, percent, seconds, signed, time, whole } from './format.js';
import { breadcrumbs, firstRun, paged } from './filters.js';

const kPageRows = 50;
const kAll = 100000;
const kWindows = [
  ['1d', 'a day'],
  ['7d', '7 days'],
  ['30d', '30 days'],
];

function trialText(trials, now) {
  const running = trials.filter(
    (trial) => trial.status === 'ACTIVE' && trial.end && seconds(trial.end) > now,
  );
  if (running.length === 0) return '';
  const end = running.map((trial) => trial.end).sort()[0];
  const known = running.filter((trial) => trial.monthly_cost_after !== null);
  const after = known.reduce((sum, trial) => sum + trial.monthly_cost_after, 0);
  const cost = known.length === 0 ? '' : `, then ${amount(after, known[0].currency)} a month`;
  return `until ${end.slice(0, 10)}${cost}`;
}

const kSorts = {
  account: (row) => (row.name || row.account_id).toLowerCase(),
  cost: (row) => row.after ?? -Infinity,
  change: (row) => row.change ?? -Infinity,
  percent: (row) => row.percent ?? -Infinity,
  trial: (row) => row.trial,
  seen: (row) => row.first_seen ?? '',
};

// Rows whose id, name or tags hold every word.
export function search(rows, text) {
  const words = text.toLowerCase().split(/\s+/).filter(Boolean);
  return words.length === 0 ? rows : rows.filter((row) => words.every((word) => row.text.includes(word)));
}

export function sort(rows, by, down) {
  const key = kSorts[by] || kSorts.cost;
  const compare = (a, b) => (a < b ? -1 : a > b ? 1 : 0);
  return [...rows].sort(
    (a, b) => (down ? -1 : 1) * compare(key(a), key(b)) || compare(a.account_id, b.account_id),
  );
}

export class Accounts {
  constructor(root) {
    this.where = h('div');
    this.first = h('div');
    this.search = h('input', {
      type: 'search',
      id: 'search',
      placeholder: 'Name, id or tag (/)',
      'aria-label': 'Search accounts',
      oninput: () => this.searched(),
    });
    this.window = h('span');
    this.count = h('p', { class: 'quiet', role: 'status' });
    this.list = h('div');
    this.pages = h('div', { class: 'pages' });
    this.panel = h(
      'section',
      { class: 'panel', 'aria-label': 'Accounts' },
      h(
        'div',
        { class: 'head' },
        h('h2', null, 'Accounts'),
        h('div', { class: 'controls' }, this.search, ' ', this.window),
      ),
      this.count,
      this.list,
      this.pages,
    );
    root.append(this.where, this.first, this.panel);
    fill(this.list, quiet('Loading …'));
  }

  destroy() {
    clearTimeout(this.typing);
  }

  // The address follows what is typed, without a new entry in the history for each letter.
  searched() {
    clearTimeout(this.typing);
    this.typing = setTimeout(() => {
      const text = this.search.value.trim();
      history.replaceState(null, '', link(this.state, { q: text || null, page: null }));
      window.dispatchEvent(new HashChangeEvent('hashchange'));
    }, 150);
  }

  async update(state, status) {
    const moved =
      !this.state ||
      JSON.stringify(filters(state)) !== JSON.stringify(filters(this.state)) ||
      one(state, 'window') !== one(this.state, 'window');
    this.state = state;
    const first = await firstRun(status);
    fill(this.first, first);
    this.panel.hidden = first !== null;
    if (first) return;
    fill(this.where, breadcrumbs(state));
    if (document.activeElement !== this.search) this.search.value = one(state, 'q', '');
    const window = one(state, 'window', '7d');
    fill(
      this.window,
      select('Change over', kWindows, window, (chosen) => go(state, { window: chosen })),
    );
    // What is shown changes with each key, what is read only with each poll.
    if (moved || this.revision !== status.revision || !this.rows) {
      await this.read(state, status, window);
      this.revision = status.revision;
    }
    await this.show(state);
  }

  async read(state, status, window) {
    const given = filters(state);
    const [accounts, deltas] = await Promise.all([
      ask('accounts', { account: given.account, limit: kAll }),
      ask('usage/deltas', { ...given, window, group_by: 'account', top: kAll, contributors: 0 }),
    ]);
    learnNames(accounts.data);
    const now = seconds(status.now);
    // An account has a row for each currency that it is charged in.
    const costs = new Map();
    for (const row of deltas.data) {
      const id = row.labels.account_id;
      if (!costs.has(id)) costs.set(id, []);
      costs.get(id).push(row);
    }
    const narrowed = Object.keys(given).length > 0;
    this.rows = accounts.data
      .filter((account) => !narrowed || costs.has(account.account_id))
      .flatMap((account) =>
        (costs.get(account.account_id) || [{}]).map((cost) => {
          const tags = Object.entries(account.tags).map(([name, value]) => `${name}=${value}`);
          return {
            ...account,
            after: cost.after,
            change: cost.change,
            percent: cost.percent,
            status: cost.status,
            currency: cost.currency,
            trial: trialText(account.trials, now),
            tagTexts: tags,
            text: [account.account_id, account.name || '', ...tags].join(' ').toLowerCase(),
          };
        }),
      );
    this.sparks = new Map();
  }

  async show(state) {
    const by = one(state, 'sort', 'cost');
    const down = one(state, 'order', by === 'account' ? 'up' : 'down') === 'down';
    const found = sort(search(this.rows, one(state, 'q', '')), by, down);
    const { rows, links } = paged(state, found, kPageRows);
    this.count.textContent =
      found.length === this.rows.length
        ? `${whole(found.length)} accounts`
        : `${whole(found.length)} of ${whole(this.rows.length)} accounts`;
    const draw = () => this.draw(state, rows, { by, down });
    draw();
    fill(
      this.pages,
      links,
      h(
        'a',
        {
          class: 'csv',
          href: address('usage/deltas', {
            ...filters(state),
            window: one(state, 'window', '7d'),
            group_by: 'account',
            top: kAll,
            format: 'csv',
          }),
        },
        'CSV of all',
      ),
    );
    const missing = rows.map((row) => row.account_id).filter((id) => !this.sparks.has(id));
    if (missing.length === 0) return;
    const history = await ask('usage/history', {
      ...filters(state),
      account: missing,
      group_by: 'account',
      start: 'now-30d',
      step: '1d',
      limit: kAll,
    });
    for (const id of missing) this.sparks.set(id, null);
    for (const line of history.data) {
      this.sparks.set(
        line.labels.account_id,
        line.points.map((point) => point[1]),
      );
    }
    if (this.state === state) draw();
  }

  draw(state, rows, { by, down }) {
    const order = {
      by,
      down,
      href: (column) =>
        link(state, { sort: column, page: null, order: column === by ? (down ? 'up' : 'down') : null }),
    };
    const columns = [
      {
        title: 'Account',
        sort: 'account',
        cell: (row) =>
          [
            h(
              'a',
              {
                href: link(
                  { ...state, params: filters(state) },
                  { account: row.account_id, by: 'type' },
                  { view: 'movers' },
                ),
              },
              row.name || row.account_id,
            ),
            row.name ? h('div', { class: 'quiet' }, row.account_id) : null,
          ].filter(Boolean),
      },
      {
        title: 'Tags',
        class: 'tags',
        cell: (row) =>
          row.tagTexts.flatMap((tag) => {
            const mark = tag.indexOf('=');
            return [
              h(
                'a',
                {
                  class: 'tag',
                  href: link(state, { [`tag.${tag.slice(0, mark)}`]: tag.slice(mark + 1), page: null }),
                },
                tag,
              ),
              ' ',
            ];
          }),
      },
      {
        title: 'Monthly cost',
        number: true,
        sort: 'cost',
        cell: (row) => (row.after === undefined ? 'none' : amount(row.after, row.currency)),
      },
      {
        title: 'Change',
        number: true,
        sort: 'change',
        cell: (row) =>
          row.after === undefined
            ? '\u2013'
            : h('span', { class: row.change > 0.005 ? 'up' : 'down' }, signed(row.change)),
      },
      {
        title: '%',
        number: true,
        sort: 'percent',
        cell: (row) =>
          row.status === 'new' || row.status === 'gone'
            ? row.status
            : row.percent === null || row.percent === undefined
              ? '\u2013'
              : percent(row.percent),
      },
      {
        title: '30 days',
        cell: (row) => {
          const values = this.sparks.get(row.account_id);
          return values
            ? sparkline(
                values,
                `Cost of ${row.name || row.account_id} over 30 days, now ${amount(row.after, row.currency)}`,
              )
            : '';
        },
      },
      { title: 'Free trial', sort: 'trial', cell: (row) => row.trial },
      {
        title: 'State',
        cell: (row) =>
          row.missing.length > 0
            ? h(
                'span',
                {
                  class: 'warn',
                  title: row.missing
                    .map(
                      (place) =>
                        `${place.target}, ${place.region}: ${place.error || 'not returned'} since ${place.since}`,
                    )
                    .join('\n'),
                },
                `missing in ${row.missing.length}`,
              )
            : row.active
              ? 'active'
              : 'not seen lately',
      },
      { title: 'First seen', sort: 'seen', cell: (row) => time(row.first_seen).slice(0, 10) },
    ];
    fill(
      this.list,
      rows.length === 0
        ? quiet('No account has all of these words.')
        : table('Accounts', columns, rows, { order }),
    );
  }
}
