// Who made the difference over a window: ranked, with volume and price apart, down to the samples.

import { ask, address, labelText, readNames } from './api.js';
import { filterOf, filters, go, link, one } from './address.js';
import { fill, h, quiet, select, table } from './dom.js';
import { amount, percent, signed, time } from './format.js';
import { breadcrumbs, completenessText, drill, firstRun, groupings } from './filters.js';
import { Samples } from './samples.js';

const kWindows = [
  ['1d', 'a day'],
  ['7d', '7 days'],
  ['30d', '30 days'],
  ['90d', '90 days'],
];
const kTops = [
  ['10', '10'],
  ['25', '25'],
  ['100', '100'],
];

// Two bars from the middle: what volume made, and what price made.
function bar(row, most) {
  const part = (value, kind) => {
    const piece = h('i', { class: `part ${kind} ${value < 0 ? 'fall' : 'rise'}` });
    piece.style.width = `${Math.min(50, (50 * Math.abs(value)) / most)}%`;
    return piece;
  };
  const parts =
    row.volume === null || row.volume === undefined
      ? [part(row.change ?? 0, 'both')]
      : [part(row.volume, 'volume'), part(row.price, 'price')];
  return h('div', { class: 'bars', 'aria-hidden': 'true' }, parts);
}

function percentText(row) {
  if (row.status === 'new' || row.status === 'gone') return row.status;
  return row.percent === null ? '\u2013' : percent(row.percent);
}

export class Movers {
  constructor(root) {
    this.where = h('div');
    this.first = h('div');
    this.controls = h('div', { class: 'controls' });
    this.sum = h('p', { class: 'sum' });
    this.list = h('div');
    this.note = h('div');
    this.panel = h(
      'section',
      { class: 'panel', 'aria-label': 'Movers' },
      h('div', { class: 'head' }, h('h2', null, 'Who made the difference'), this.controls),
      this.sum,
      this.list,
      this.note,
    );
    this.samples = h('div');
    root.append(this.where, this.first, this.panel, this.samples);
  }

  destroy() {
    this.shown?.destroy();
  }

  async update(state, status) {
    const first = await firstRun(status);
    fill(this.first, first);
    this.panel.hidden = first !== null;
    if (first) return;
    const given = filters(state);
    const deep = one(state, 'show') === 'samples';
    const group = one(state, 'by', 'account');
    const start = one(state, 'start');
    const window = start ? { start, end: one(state, 'end') } : { window: one(state, 'window', '1d') };
    fill(
      this.controls,
      select(
        'Over',
        start ? [['', 'as marked'], ...kWindows] : kWindows,
        start ? '' : one(state, 'window', '1d'),
        (chosen) => chosen && go(state, { window: chosen, start: null, end: null }),
      ),
      deep
        ? null
        : [
            ' ',
            select('By', groupings(status.tags), group, (by) => go(state, { by })),
            ' ',
            select('Show', kTops, one(state, 'top', '10'), (top) => go(state, { top })),
          ],
      ' ',
      h(
        'a',
        { href: link(state, { show: deep ? null : 'samples' }), 'data-key': 'show' },
        deep ? 'Movers' : 'Samples',
      ),
    );
    const [all, reply] = await Promise.all([
      ask('usage/deltas', { ...given, ...window }),
      deep
        ? null
        : ask('usage/deltas', { ...given, ...window, group_by: group, top: one(state, 'top', '10') }),
    ]);
    await readNames([
      ...(given.account || []),
      ...(reply?.data || []).map((row) => row.labels.account_id || ''),
    ]);
    fill(this.where, breadcrumbs(state));
    fill(
      this.sum,
      `From ${time(all.start)} to ${time(all.end)}: `,
      all.data.length === 0
        ? 'nothing is known.'
        : all.data.flatMap((row, i) => [
            i > 0 ? '; ' : '',
            h('b', { class: row.change > 0.005 ? 'up' : 'down' }, signed(row.change, row.currency)),
            ` (${amount(row.before)} → ${amount(row.after)}${row.percent === null ? '' : `, ${percent(row.percent)}`})`,
            row.volume === null ? '' : `; volume ${signed(row.volume)}, price ${signed(row.price)}`,
          ]),
    );
    if (deep) {
      fill(this.list);
      fill(this.note, completenessText(all.completeness));
      this.shown ||= new Samples(this.samples);
      await this.shown.update(state);
      return;
    }
    this.shown?.destroy();
    this.shown = null;
    fill(this.samples);
    this.showList(state, reply, group, { ...given, ...window });
  }

  showList(state, reply, group, question) {
    const rows = reply.data;
    const most = Math.max(
      1e-9,
      ...rows.flatMap((row) => [row.change, row.volume, row.price].map((value) => Math.abs(value ?? 0))),
    );
    const currencies = new Set(rows.map((row) => row.currency));
    const contributors = (row) =>
      row.contributors
        .filter((one) => Math.abs(one.change) >= 0.005)
        .map(
          (one) =>
            `${one.usage_type} in ${one.region}${group === 'account' ? '' : ` of ${one.account_id}`} ${signed(one.change)}`,
        )
        .join(', ');
    const columns = [
      {
        title: group.startsWith('tag.') ? group.slice(4) : group[0].toUpperCase() + group.slice(1),
        cell: (row) =>
          Object.entries(row.labels).map(([name, value]) =>
            value || filterOf(name).startsWith('tag.')
              ? h('a', { href: link(state, drill(state, row.labels)) }, labelText(name, value))
              : labelText(name, value),
          ),
      },
      {
        title: 'Change',
        number: true,
        cell: (row) =>
          h(
            'b',
            { class: row.change > 0.005 ? 'up' : 'down' },
            signed(row.change, currencies.size > 1 ? row.currency : null),
          ),
      },
      { title: '', name: 'Bar', class: 'wide-cell', cell: (row) => bar(row, most) },
      { title: '%', number: true, cell: percentText },
      { title: 'Volume', number: true, cell: (row) => signed(row.volume) },
      { title: 'Price', number: true, cell: (row) => signed(row.price) },
      { title: 'Now', number: true, cell: (row) => amount(row.after) },
      { title: 'Above all', class: 'quiet long', cell: contributors },
    ];
    fill(
      this.list,
      rows.length === 0
        ? quiet('Nothing to compare: there was no usage, or no good poll then.')
        : [
            table('Movers', columns, rows),
            h(
              'ul',
              { class: 'legend' },
              h(
                'li',
                null,
                h('i', { class: 'key volume' }),
                'volume: more or less use, at the prices before',
              ),
              h('li', null, h('i', { class: 'key price' }), 'price: dearer or cheaper, at the use after'),
            ),
          ],
    );
    const more = reply.groups > rows.length ? `${rows.length} of ${reply.groups} are shown. ` : '';
    fill(
      this.note,
      completenessText(reply.completeness),
      h(
        'p',
        { class: 'quiet' },
        more,
        h(
          'a',
          { class: 'csv', href: address('usage/deltas', { ...question, group_by: group, format: 'csv' }) },
          'CSV',
        ),
      ),
    );
  }
}
