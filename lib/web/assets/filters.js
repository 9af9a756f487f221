// What the views share: where one is (breadcrumbs), the span of time, and the first run.

import { ask, labelText } from './api.js';
import { change, filterOf, filters, format, go, labelOf, link, one } from './address.js';
import { h, quiet, select, table } from './dom.js';
import { outcomeWords, time } from './format.js';

export const kRanges = [
  ['7d', '7 days'],
  ['30d', '30 days'],
  ['90d', '90 days'],
  ['365d', 'a year'],
];

// The span that a state asks for: {start, end} as the API's parameters. `start` in the address wins
// over `range`.
export function span(state) {
  const start = one(state, 'start');
  if (start) return { start, end: one(state, 'end') };
  return { start: `now-${one(state, 'range', '30d')}` };
}

// Sums by kind of series are kept for each poll; by anything else every series is read at each point,
// so there are fewer of them. null leaves the step to the daemon.
export function stepFor(state, by) {
  if (['type', 'region', 'provider'].includes(by) && !Object.keys(filters(state)).length) return null;
  const { start, end } = span(state);
  const days = start.startsWith('now-')
    ? Number.parseInt(start.slice(4), 10)
    : (Date.parse(end || new Date().toISOString()) - Date.parse(start)) / 86400000;
  return days > 20 ? '1d' : days > 4 ? '6h' : '1h';
}

export function rangeSelect(state) {
  const start = one(state, 'start');
  const choices = start ? [['', 'as marked'], ...kRanges] : kRanges;
  return select(
    'Time',
    choices,
    start ? '' : one(state, 'range', '30d'),
    (range) => range && go(state, { range, start: null, end: null }),
  );
}

// Chooses a part of the time by dragging over a chart.
export const zoomTo = (state, from, to) =>
  go(state, {
    start: new Date(from * 1000).toISOString().slice(0, 19) + 'Z',
    end: new Date(to * 1000).toISOString().slice(0, 19) + 'Z',
  });

// Which dimensions a question can be grouped by; `tags` are the names of the accounts' tags.
export function groupings(tags) {
  return [
    ['type', 'type'],
    ['region', 'region'],
    ['account', 'account'],
    ...tags.map((tag) => [`tag.${tag}`, `tag: ${tag}`]),
    ['provider', 'provider'],
    ['target', 'target'],
  ];
}

// "Organization › commerce › payments-prod (1234…)": each part leads back to itself.
export function breadcrumbs(state, root = 'Organization') {
  const parts = Object.entries(filters(state)).flatMap(([name, values]) =>
    values.map((value) => [name, value]),
  );
  if (parts.length === 0) return null;
  const none = Object.fromEntries(parts.map(([name]) => [name, null]));
  const items = [h('li', null, h('a', { href: link(state, none) }, root))];
  parts.forEach(([name, value], i) => {
    const later = Object.fromEntries(parts.slice(i + 1).map(([after]) => [after, null]));
    later[name] = parts
      .slice(0, i + 1)
      .filter(([other]) => other === name)
      .map(([, one]) => one);
    const last = i === parts.length - 1;
    const text = labelText(labelOf(name), value);
    items.push(
      h(
        'li',
        null,
        last ? h('span', { 'aria-current': 'true' }, text) : h('a', { href: link(state, later) }, text),
      ),
    );
  });
  return h('nav', { 'aria-label': 'Where', class: 'crumbs' }, h('ol', null, items));
}

// The address of a mover's next level: what its row narrows down to, grouped by what is left.
const kLevels = ['account', 'type', 'region'];

export function drill(state, labels) {
  const changes = {};
  for (const [label, value] of Object.entries(labels)) {
    const name = filterOf(label);
    if (value || name.startsWith('tag.')) changes[name] = value;
  }
  const given = { ...filters(state), ...changes };
  const next = kLevels.find((level) => !given[level]);
  return { ...changes, by: next || null, show: next ? null : 'samples' };
}

// Gaps in words, the longest first, and as spans of a chart.
export function gapSpans(completeness) {
  return (completeness?.gaps || []).map((gap) => ({
    from: Date.parse(gap.from) / 1000,
    to: Date.parse(gap.to) / 1000,
  }));
}

export function completenessText(completeness) {
  if (!completeness) return null;
  const { gaps } = completeness;
  const parts = [];
  if (completeness.polls_expected > completeness.polls_good || gaps.length > 0) {
    parts.push(`${completeness.polls_good} of ${completeness.polls_expected} polls were good.`);
  }
  const longest = [...gaps]
    .sort((a, b) => Date.parse(b.to) - Date.parse(b.from) - (Date.parse(a.to) - Date.parse(a.from)))
    .slice(0, 3);
  for (const gap of longest) {
    parts.push(
      `Not known: ${gap.target}, ${gap.region}, from ${time(gap.from)} to ${time(gap.to)} ` +
        `(${outcomeWords(gap.reason).replace(/\.$/, '')}).`,
    );
  }
  if (gaps.length > longest.length)
    parts.push(`And ${gaps.length - longest.length} more gaps, hatched in the chart.`);
  if (completeness.unknown_values > 0) {
    parts.push(`AWS left out ${completeness.unknown_values} numbers.`);
  }
  return parts.length > 0 ? h('p', { class: 'quiet incomplete' }, parts.join(' ')) : null;
}

// The targets and regions that an answer's end knows nothing of, in a few words; '' if there are none.
export function missingText(completeness) {
  const last = Math.max(...completeness.gaps.map((gap) => Date.parse(gap.to)));
  const places = [
    ...new Set(
      completeness.gaps
        .filter((gap) => Date.parse(gap.to) === last)
        .map((gap) => `${gap.target}, ${gap.region}`),
    ),
  ];
  if (places.length === 0 || (completeness.newest && last < Date.parse(completeness.newest))) return '';
  return `incomplete: without ${places[0]}${places.length > 1 ? ` and ${places.length - 1} more` : ''}`;
}

// What there is to see before the first good poll; null once there is one.
export async function firstRun(status) {
  const { scopes } = status;
  if (status.state !== 'empty' && scopes.ok + scopes.retrying > 0) return null;
  const all = (await ask('targets')).data;
  if (all.some((row) => row.last_success)) return null; // what was imported is a beginning, too
  const targets = all.filter((row) => row.state !== 'removed');
  const columns = [
    { title: 'Target', cell: (row) => row.target },
    { title: 'Region', cell: (row) => row.region },
    { title: 'State', cell: (row) => row.state },
    { title: 'Next try', cell: (row) => time(row.next_try) },
    {
      title: 'Why',
      class: 'long',
      cell: (row) =>
        row.error ||
        (row.state === 'waiting' ? 'It has not been asked yet.' : outcomeWords(row.last_outcome)),
    },
  ];
  const failing = targets.some((row) => row.last_outcome && row.last_outcome !== 'running');
  return h(
    'section',
    { class: 'panel first-run', 'aria-label': 'First run' },
    h('h2', null, failing ? 'Nothing has been collected yet' : 'Waiting for the first poll'),
    h(
      'p',
      null,
      failing
        ? 'AWS has been asked, and no answer was good so far. What was wrong:'
        : 'The daemon is about to ask AWS. This page goes on by itself as soon as there is an answer.',
    ),
    table('Targets and regions', columns, targets.slice(0, 200)),
    h('p', null, 'To see who each target is and what it may not do, on the machine of the daemon:'),
    h('pre', null, 'inspector-usaged check-config --online'),
    quiet(
      'The first charts are there after the first good poll, the first changes after the second; daily costs need two days.',
    ),
  );
}

// Where an alert's or mover's labels lead.
export const moversOf = (labels, more = {}) =>
  format(change({ params: {} }, { ...drill({ params: {} }, labels), ...more }, { view: 'movers' }));

// The page of some rows that a state asks for: {rows, links}, where `links` lead to the pages beside it.
export function paged(state, all, size) {
  const pages = Math.max(1, Math.ceil(all.length / size));
  const page = Math.min(Math.max(1, Number(one(state, 'page', '1')) || 1), pages);
  const step = (to, key, rel, text) =>
    to < 1 || to > pages ? null : h('a', { href: link(state, { page: to }), 'data-key': key, rel }, text);
  const links =
    pages > 1
      ? h(
          'nav',
          { 'aria-label': 'Pages' },
          step(page - 1, 'before', 'prev', '← Before'),
          ` Page ${page} of ${pages} `,
          step(page + 1, 'next', 'next', 'Next →'),
        )
      : null;
  return { rows: all.slice((page - 1) * size, page * size), links };
}
