// How well the daemon knows what it says: each target and region, and a calendar of what is known.

import { ask, address, send } from './api.js';
import { go, link, one } from './address.js';
import { fill, h, note, quiet, select, table } from './dom.js';
import { paged } from './filters.js';
import { duration, outcomeWords, seconds, time, whole } from './format.js';

const kDays = [
  ['30', '30 days'],
  ['90', '90 days'],
  ['365', 'a year'],
];
const kStates = [
  ['', 'every state'],
  ['failing', 'failing'],
  ['retrying', 'retrying'],
  ['waiting', 'waiting'],
  ['ok', 'ok'],
  ['removed', 'removed'],
];
const kRank = { failing: 0, retrying: 1, waiting: 2, ok: 3, removed: 4 };
const kPage = 50;

// How much of a day is known, in four steps; a day that nobody asks for is blank.
const step = (day) =>
  day === undefined
    ? 'none'
    : day.known_percent >= 99.95
      ? 'all'
      : day.known_percent >= 50
        ? 'most'
        : day.known_percent > 0.05
          ? 'some'
          : 'nothing';
const kSteps = {
  all: 'known',
  most: 'half of it or more',
  some: 'less than half',
  nothing: 'not known',
  none: 'not asked',
};

// What one of several daemons does.
function duties({ name, targets, rules, receivers }) {
  const words = [`polls ${targets} ${targets === 1 ? 'target' : 'targets'}`];
  if (rules) words.push('evaluates the rules');
  if (receivers.length > 0) words.push(`sends to ${receivers.join(', ')}`);
  return `${name} ${words.join(', ')}`;
}

export class Collection {
  constructor(root, refresh) {
    this.refresh = refresh;
    this.controls = h('span', { class: 'controls' });
    this.done = h('span', { class: 'quiet', role: 'status' });
    this.button = h('button', { type: 'button', onclick: () => this.poll() }, 'Poll now');
    this.daemons = h('div', { class: 'quiet' });
    this.list = h('div');
    this.pages = h('div', { class: 'pages' });
    this.calendar = h('section', { class: 'panel', 'aria-label': 'Completeness' });
    this.polls = h('section', { class: 'panel', 'aria-label': 'Latest polls' });
    this.daily = h('section', { class: 'panel', 'aria-label': 'Asked once a day' });
    root.append(
      h(
        'section',
        { class: 'panel', 'aria-label': 'Targets and regions' },
        h(
          'div',
          { class: 'head' },
          h('h2', null, 'Targets and regions'),
          h('div', { class: 'controls' }, this.controls, this.button, this.done),
        ),
        this.daemons,
        this.list,
        this.pages,
      ),
      this.calendar,
      this.polls,
      this.daily,
    );
  }

  destroy() {}

  async update(state, { daemons }) {
    const wanted = one(state, 'state', '');
    const target = one(state, 'target');
    const region = one(state, 'region');
    const days = one(state, 'days', '30');
    fill(
      this.controls,
      select('Show', kStates, wanted, (chosen) => go(state, { state: chosen || null, page: null })),
      ' ',
      target || region
        ? h('a', { href: link(state, { target: null, region: null, page: null }) }, 'All targets')
        : null,
    );
    fill(this.daemons, ...daemons.map((daemon) => h('div', null, duties(daemon))));
    this.daemons.hidden = daemons.length === 0;
    this.target = target;
    this.button.textContent = target ? `Poll ${target} now` : 'Poll now';
    const targets = (await ask('targets')).data
      .filter(
        (row) =>
          (!wanted || row.state === wanted) &&
          (!target || row.target === target) &&
          (!region || row.region === region),
      )
      .sort(
        (a, b) =>
          kRank[a.state] - kRank[b.state] || (`${a.target} ${a.region}` < `${b.target} ${b.region}` ? -1 : 1),
      );
    const { rows, links } = paged(state, targets, kPage);
    const kinds = { ok: 'good', retrying: 'warn', failing: 'bad' };
    const columns = [
      {
        title: 'Target',
        cell: (row) =>
          h('a', { href: link(state, { target: row.target, region: null, page: null }) }, row.target),
      },
      {
        title: 'Region',
        cell: (row) =>
          h('a', { href: link(state, { target: row.target, region: row.region, page: null }) }, row.region),
      },
      {
        title: 'State',
        cell: (row) => h('span', { class: `pill ${kinds[row.state] || 'quiet'}` }, row.state),
      },
      {
        title: 'Last good poll',
        cell: (row) =>
          row.last_success
            ? [time(row.last_success), h('div', { class: 'quiet' }, `${duration(row.age_seconds)} ago`)]
            : 'never',
      },
      {
        title: 'Next',
        cell: (row) =>
          row.next_try
            ? [
                time(row.next_try),
                h(
                  'div',
                  { class: 'quiet' },
                  `${row.next_reason}${row.breaker === 'open' ? ', one request only' : ''}`,
                ),
              ]
            : row.state === 'removed'
              ? '\u2013'
              : 'now',
      },
      {
        title: 'Took',
        number: true,
        cell: (row) => (row.duration_seconds === null ? '\u2013' : duration(row.duration_seconds)),
      },
      {
        title: 'Accounts',
        number: true,
        cell: (row) => (row.accounts === null ? '\u2013' : whole(row.accounts)),
      },
      { title: 'Series', number: true, cell: (row) => (row.series === null ? '\u2013' : whole(row.series)) },
      ...(daemons.length > 0 ? [{ title: 'Polled by', cell: (row) => row.polled_by || 'nobody' }] : []),
      { title: 'What was wrong', class: 'long', cell: (row) => this.problem(row) },
    ];
    fill(
      this.list,
      rows.length > 0
        ? table('Targets and regions', columns, rows)
        : quiet(wanted ? `None is ${wanted}.` : 'No target is configured.'),
    );
    fill(this.pages, links, h('a', { class: 'csv', href: address('targets', { format: 'csv' }) }, 'CSV'));
    await Promise.all([
      this.showCalendar(state, rows, days),
      this.showPolls(target, region),
      this.showDaily(),
    ]);
  }

  problem(row) {
    if (row.state === 'waiting') return 'It has not been asked yet.';
    if (row.failures === 0)
      return row.clock_skew_seconds && Math.abs(row.clock_skew_seconds) > 60
        ? `This machine's clock is ${duration(Math.abs(row.clock_skew_seconds))} ${row.clock_skew_seconds > 0 ? 'behind' : 'ahead of'} AWS's.`
        : '';
    return [
      h('div', null, outcomeWords(row.last_outcome)),
      h(
        'div',
        { class: 'quiet' },
        `${row.error || row.last_outcome}; ${row.failures} in a row, last ${time(row.last_attempt)}`,
      ),
    ];
  }

  async poll() {
    this.button.disabled = true;
    try {
      const reply = await send('POST', 'polls', this.target ? { targets: [this.target] } : { targets: [] });
      this.done.textContent = `${reply.data.length} asked now`;
      await this.refresh();
    } catch (error) {
      this.done.textContent = `Not done: ${error.message}`;
    }
    this.button.disabled = false;
  }

  async showCalendar(state, rows, days) {
    const shown = rows.filter((row) => row.last_attempt);
    const question = {
      start: `now-${days}d`,
      target: [...new Set(shown.map((row) => row.target))],
      region: [...new Set(shown.map((row) => row.region))],
    };
    const reply = shown.length > 0 ? await ask('polls/daily', question) : { data: [] };
    const byScope = new Map();
    const all = new Set();
    for (const day of reply.data) {
      const key = `${day.target}\n${day.region}`;
      if (!byScope.has(key)) byScope.set(key, new Map());
      byScope.get(key).set(day.day, day);
      all.add(day.day);
    }
    const list = [...all].sort();
    const lines = shown
      .filter((row) => byScope.has(`${row.target}\n${row.region}`))
      .map((row) => {
        const of = byScope.get(`${row.target}\n${row.region}`);
        const mean = [...of.values()].reduce((sum, day) => sum + day.known_percent, 0) / of.size;
        return h(
          'tr',
          null,
          h('th', { scope: 'row' }, `${row.target}, ${row.region}`),
          h('td', { class: 'number' }, `${mean.toFixed(1)}\u00a0%`),
          h(
            'td',
            null,
            h(
              'div',
              { class: 'days', 'aria-hidden': 'true' },
              list.map((day) => {
                const one = of.get(day);
                return h('i', {
                  class: step(one),
                  title: one
                    ? `${day}: ${one.known_percent.toFixed(1)} % known, ${one.polls_good} of ${one.polls} polls good${one.reason ? ` (${one.reason})` : ''}`
                    : `${day}: not asked`,
                });
              }),
            ),
          ),
        );
      });
    const incomplete = reply.data.filter((day) => day.known_percent < 99.95);
    const columns = [
      { title: 'Day', cell: (row) => row.day },
      { title: 'Target', cell: (row) => row.target },
      { title: 'Region', cell: (row) => row.region },
      { title: 'Known', number: true, cell: (row) => `${row.known_percent.toFixed(1)}\u00a0%` },
      { title: 'Good polls', number: true, cell: (row) => `${row.polls_good} of ${row.polls}` },
      { title: 'Why', class: 'long', cell: (row) => outcomeWords(row.reason) },
    ];
    const open = this.calendar.querySelector('details')?.open || false;
    fill(
      this.calendar,
      h(
        'div',
        { class: 'head' },
        h('h2', null, 'What is known of each day'),
        h(
          'div',
          { class: 'controls' },
          select('Time', kDays, days, (chosen) => go(state, { days: chosen })),
        ),
      ),
      lines.length === 0
        ? quiet('There is nothing to show before the first poll.')
        : [
            h(
              'div',
              { class: 'scroll', tabindex: 0, role: 'group', 'aria-label': 'Completeness calendar' },
              h(
                'table',
                { class: 'calendar' },
                h('caption', { class: 'quiet' }, `${list[0]} to ${list.at(-1)}, oldest first`),
                h(
                  'thead',
                  null,
                  h(
                    'tr',
                    null,
                    h('th', { scope: 'col' }, 'Target, region'),
                    h('th', { scope: 'col', class: 'number' }, 'Known'),
                    h('th', { scope: 'col' }, 'Days'),
                  ),
                ),
                h('tbody', null, lines),
              ),
            ),
            h(
              'ul',
              { class: 'legend days' },
              Object.entries(kSteps).map(([name, text]) =>
                h('li', null, h('i', { class: `key ${name}` }), text),
              ),
            ),
            h(
              'div',
              { class: 'twins' },
              h(
                'details',
                { class: 'twin', open },
                h('summary', null, `Table of the ${incomplete.length} days that are not complete`),
                incomplete.length > 0
                  ? table('Days that are not complete', columns, incomplete.reverse().slice(0, 500))
                  : quiet('Every day is complete.'),
              ),
              h('a', { class: 'csv', href: address('polls/daily', { ...question, format: 'csv' }) }, 'CSV'),
            ),
          ],
    );
  }

  async showPolls(target, region) {
    const reply = await ask('polls', { target, region, limit: 20 });
    const columns = [
      { title: 'Began', cell: (row) => time(row.started) },
      { title: 'Target', cell: (row) => row.target },
      { title: 'Region', cell: (row) => row.region },
      {
        title: 'Outcome',
        cell: (row) =>
          h(
            'span',
            { class: row.outcome === 'ok' ? 'good' : row.outcome === 'running' ? 'quiet' : 'bad' },
            row.outcome,
          ),
      },
      {
        title: 'Took',
        number: true,
        cell: (row) => (row.finished ? duration(seconds(row.finished) - seconds(row.started)) : '\u2013'),
      },
      { title: 'Requests', number: true, cell: (row) => whole(row.requests) },
      { title: 'Series', number: true, cell: (row) => whole(row.series) },
      { title: 'Error', class: 'long', cell: (row) => row.error || '' },
      { title: 'Request id of AWS', class: 'quiet', cell: (row) => row.request_id || '' },
    ];
    fill(
      this.polls,
      h('h2', null, 'Latest polls'),
      reply.data.length > 0 ? table('Latest polls', columns, reply.data) : quiet('None yet.'),
      h(
        'a',
        { class: 'csv', href: address('polls', { target, region, limit: 100000, format: 'csv' }) },
        'CSV',
      ),
    );
  }

  async showDaily() {
    const { overlaps, daily } = (await ask('status')).data;
    const columns = [
      {
        title: 'What',
        cell: (row) => (row.kind === 'trials' ? 'free trials' : 'accounts of the organization'),
      },
      { title: 'Target', cell: (row) => row.target },
      { title: 'Region', cell: (row) => row.region || '\u2013' },
      { title: 'Last good', cell: (row) => time(row.last_success) },
      {
        title: 'What was wrong',
        class: 'long',
        cell: (row) => (row.error ? h('span', { class: 'bad' }, row.error) : ''),
      },
    ];
    this.daily.hidden = daily.length === 0 && overlaps.length === 0;
    fill(
      this.daily,
      h('h2', null, 'Asked once a day'),
      daily.length > 0 ? table('Asked once a day', columns, daily.slice(0, 200)) : null,
      overlaps.length > 0
        ? note(
            'warn',
            'Seen by two targets, and counted once: ',
            overlaps
              .map(
                (row) => `${whole(row.accounts)} accounts in ${row.region} by ${row.target} and ${row.other}`,
              )
              .join('; '),
          )
        : null,
    );
  }
}
