// Alerts: those that fire first, one with its reason and the chart around it, and what quiets them.

import { ask, address, accountName, describe, labelText, readNames, send } from './api.js';
import { filterOf, go, isFilter, link, one } from './address.js';
import { Chart } from './chart.js';
import { showDaily } from './daily.js';
import { fill, h, note, quiet, select, table } from './dom.js';
import { amount, duration, isoDay, kDay, percent, seconds, signed, time, whole } from './format.js';
import { gapSpans, moversOf } from './filters.js';

const kStates = [
  ['', 'every state'],
  ['firing', 'firing'],
  ['pending', 'pending'],
  ['resolved', 'resolved'],
];
const kPage = 50;
const kAround = 7 * kDay;
const kMonth = 30 * kDay;
const kDurations = [
  ['1h', 'an hour'],
  ['8h', '8 hours'],
  ['1d', 'a day'],
  ['7d', 'a week'],
  ['30d', '30 days'],
];
const kName = 'name'; // of whoever acknowledges, kept by the browser

const kChanges = {
  began: 'began to be over its threshold',
  fired: 'fired',
  resolved: 'resolved',
  worsened: 'got worse',
  withdrawn: 'was withdrawn',
  acknowledged: 'was acknowledged',
};

function stateCell(alert) {
  const kind = { firing: 'bad', pending: 'warn', resolved: 'quiet' }[alert.state];
  const more = [
    alert.acknowledged_by ? `acknowledged by ${alert.acknowledged_by}` : null,
    alert.silenced_until ? `silenced until ${time(alert.silenced_until)}` : null,
    alert.flapping ? 'flapping' : null,
  ].filter(Boolean);
  return h(
    'span',
    null,
    h('span', { class: `pill ${kind}` }, alert.state),
    more.length > 0 ? h('div', { class: 'quiet' }, more.join(', ')) : null,
  );
}

// By how much it was too much: a spike at its worst, anything else as it was measured last.
const excess = (alert) =>
  alert.score !== null && alert.before !== null ? (alert.peak ?? alert.after) - alert.before : alert.change;

// What was seen against what was usual, in a sentence.
export function reason(alert) {
  const { before, after, currency, score } = alert;
  if (score !== null) {
    const peak = alert.peak ?? after;
    const last = alert.state === 'resolved' ? 'when it resolved' : 'now';
    return (
      `${amount(peak, currency)} in a day, where ${amount(before, currency)} is usual: ` +
      `${amount(score)} times what days are usually off${peak === after ? '' : `; ${amount(after, currency)} ${last}`}.`
    );
  }
  if (before !== null && after !== null) {
    return (
      `From ${amount(before, currency)} to ${amount(after, currency)}: ${signed(alert.change, currency)}` +
      `${before > 0 ? `, ${percent((100 * alert.change) / before)}` : ''}.`
    );
  }
  if (after !== null) return `It is ${amount(after, currency)}.`;
  if (before !== null) return `It was ${amount(before, currency)}.`;
  return 'See its labels and events.';
}

// What the details of an alert are called.
const kDetails = {
  value: 'in the day',
  expected: 'usual',
  threshold: 'fires from',
  adds: 'adds to the sum',
  deviations: 'times what is usually off',
  leaves_from: 'leaves the sum from',
  leaves_until: 'leaves it until',
};
const detailName = (name) => kDetails[name] || name.replaceAll('_', ' ');

// A value of an alert's details for people.
function detailText(name, value) {
  if (value === null) return 'unknown';
  if (typeof value === 'number') return Number.isInteger(value) ? whole(value) : amount(value);
  if (Array.isArray(value)) return value.map((one) => detailText(name, one)).join('; ');
  if (typeof value === 'object') {
    return Object.entries(value)
      .map(([key, one]) => `${key.replaceAll('_', ' ')} ${detailText(key, one)}`)
      .join(', ');
  }
  if (/^\d{4}-\d\d-\d\dT/.test(value)) return time(value);
  return name === 'account_id' ? accountName(value) : String(value);
}

// Whoever acts says who they are; the browser remembers it.
function whoField(id) {
  const input = h('input', { id, name: 'by', required: true, maxlength: 100, autocomplete: 'name' });
  input.value = localStorage.getItem(kName) || '';
  return [h('label', { for: id }, 'Your name '), input];
}

function form(title, fields, button, submit) {
  const problem = h('p', { class: 'bad', role: 'alert', hidden: true });
  const made = h(
    'form',
    {
      class: 'act',
      'aria-label': title,
      onsubmit: async (event) => {
        event.preventDefault();
        const values = Object.fromEntries(new FormData(made));
        if (values.by) localStorage.setItem(kName, values.by);
        try {
          problem.hidden = true;
          await submit(values);
        } catch (error) {
          problem.textContent = `Not done: ${error.message}`;
          problem.hidden = false;
        }
      },
    },
    h('h3', null, title),
    fields.map((field) => h('p', null, field)),
    h('button', null, button),
    problem,
  );
  return made;
}

export class Alerts {
  constructor(root, refresh) {
    this.refresh = refresh;
    this.root = h('div');
    root.append(this.root);
    this.id = null;
  }

  destroy() {
    for (const chart of this.charts || []) chart.destroy();
  }

  async update(state, status) {
    if (state.id !== this.id) {
      this.destroy();
      this.charts = [];
      this.id = state.id;
      if (state.id) this.buildOne(state.id);
      else this.buildList();
    }
    await (state.id ? this.showOne(state, status) : this.showList(state));
  }

  buildList() {
    this.state = h('span');
    this.list = h('div');
    this.more = h('p');
    this.silences = h('section', { class: 'panel', 'aria-label': 'Silences' });
    this.messages = h('section', { class: 'panel', 'aria-label': 'Messages', hidden: true });
    this.rules = h('section', { class: 'panel', 'aria-label': 'Rules' });
    fill(
      this.root,
      h(
        'section',
        { class: 'panel', 'aria-label': 'Alerts' },
        h('div', { class: 'head' }, h('h2', null, 'Alerts'), h('div', { class: 'controls' }, this.state)),
        this.list,
        this.more,
      ),
      this.silences,
      this.messages,
      this.rules,
    );
  }

  async showList(state) {
    const wanted = one(state, 'state', '');
    const before = one(state, 'cursor');
    fill(
      this.state,
      select('Show', kStates, wanted, (chosen) => go(state, { state: chosen || null, cursor: null })),
    );
    // Whatever is open is there, however old; resolved ones come in pages.
    const open = async (name) =>
      !before && (!wanted || wanted === name) ? (await ask('alerts', { state: name, limit: 1000 })).data : [];
    const [firing, pending, resolved, silences, rules, dead, late] = await Promise.all([
      open('firing'),
      open('pending'),
      wanted === '' || wanted === 'resolved'
        ? ask('alerts', { state: 'resolved', limit: kPage, cursor: before })
        : { data: [], next_cursor: null },
      ask('silences', { limit: 200 }),
      ask('rules'),
      ask('notifications', { state: 'dead', limit: kPage }),
      ask('notifications', { state: 'pending', limit: kPage }),
    ]);
    const rows = [...firing, ...pending, ...resolved.data];
    await readNames(rows.map((row) => row.labels.account_id || ''));
    const columns = [
      { title: 'State', cell: stateCell },
      {
        title: 'Alert',
        class: 'long',
        cell: (row) => [
          h('a', { href: `#/alerts/${row.id}` }, `${row.rule}: ${describe(row.labels)}`),
          h('div', { class: 'quiet' }, reason(row)),
        ],
      },
      { title: 'Severity', cell: (row) => row.severity },
      {
        title: 'Change',
        number: true,
        cell: (row) =>
          h(
            'b',
            { class: excess(row) > 0 ? 'up' : 'down' },
            excess(row) === null ? '\u2013' : signed(excess(row), row.currency),
          ),
      },
      { title: 'Since', cell: (row) => time(row.starts_at || row.pending_since) },
      { title: 'Until', cell: (row) => time(row.ends_at) },
    ];
    fill(
      this.list,
      rows.length > 0
        ? table('Alerts', columns, rows, { rowClass: (row) => row.state })
        : quiet(
            wanted
              ? `No alert is ${wanted}.`
              : 'No alert so far. A rule fires when what was used in a day is far above what is usual; see the rules below.',
          ),
    );
    fill(
      this.more,
      resolved.next_cursor
        ? h('a', { href: link(state, { cursor: resolved.next_cursor }) }, 'Older ones')
        : null,
      before ? [' ', h('a', { href: link(state, { cursor: null }) }, 'The newest')] : null,
      ' ',
      h(
        'a',
        { class: 'csv', href: address('alerts', { limit: 100000, state: wanted || null, format: 'csv' }) },
        'CSV',
      ),
    );
    this.showSilences(silences.data.filter((row) => row.state !== 'expired'));
    this.showMessages([...dead.data, ...late.data.filter((row) => row.attempts > 0)]);
    const kinds = [
      { title: 'Rule', cell: (row) => row.name },
      { title: 'Looks for', cell: (row) => row.kind },
      { title: 'By', cell: (row) => row.group_by.join(', ') || 'the whole' },
      { title: 'Limit', number: true, cell: (row) => (row.limit === null ? '\u2013' : amount(row.limit)) },
      { title: 'Severity', cell: (row) => row.severity },
      { title: 'Tells', cell: (row) => row.receivers.join(', ') || 'every receiver' },
    ];
    fill(
      this.rules,
      h('h2', null, 'Rules'),
      rules.data.length > 0
        ? table('Rules', kinds, rules.data)
        : note(
            'warn',
            'No rule is configured, so no alert is ever raised. See rules in the sample configuration.',
          ),
    );
  }

  showSilences(rows) {
    const columns = [
      { title: 'Silence', class: 'long', cell: (row) => row.matchers.join(', ') },
      { title: 'Why', class: 'long', cell: (row) => `${row.comment} (${row.created_by})` },
      { title: 'State', cell: (row) => row.state },
      { title: 'From', cell: (row) => time(row.starts_at) },
      { title: 'Until', cell: (row) => time(row.ends_at) },
      {
        title: '',
        name: 'End',
        cell: (row) => this.button(`end-${row.id}`, 'End', () => send('DELETE', `silences/${row.id}`)),
      },
    ];
    fill(
      this.silences,
      h('h2', null, 'Silences'),
      rows.length > 0 ? table('Silences', columns, rows) : quiet('Nothing is silenced.'),
    );
  }

  // What receivers have not got yet, or will not get.
  showMessages(rows) {
    const columns = [
      {
        title: 'State',
        cell: (row) => h('span', { class: row.state === 'dead' ? 'bad' : 'warn' }, row.state),
      },
      { title: 'Receiver', cell: (row) => row.receiver },
      {
        title: 'About',
        cell: (row) => row.alerts.flatMap((id) => [h('a', { href: `#/alerts/${id}` }, `alert ${id}`), ' ']),
      },
      { title: 'Made', cell: (row) => time(row.created) },
      { title: 'Tries', number: true, cell: (row) => whole(row.attempts) },
      { title: 'Next', cell: (row) => time(row.next_attempt) },
      { title: 'What was wrong', class: 'long', cell: (row) => row.error || '' },
      {
        title: '',
        name: 'Again',
        cell: (row) =>
          row.state === 'dead'
            ? this.button(`again-${row.id}`, 'Send again', () =>
                send('POST', 'notifications/redrive', { id: row.id }),
              )
            : '',
      },
    ];
    this.messages.hidden = rows.length === 0;
    fill(this.messages, h('h2', null, 'Messages that have not arrived'), table('Messages', columns, rows));
  }

  // A button that does something and shows what became of it.
  button(key, text, action) {
    const made = h('button', { type: 'button', 'data-key': key }, text);
    made.addEventListener('click', async () => {
      made.disabled = true;
      try {
        await action();
        await this.refresh();
      } catch (error) {
        made.disabled = false;
        made.after(h('span', { class: 'bad', role: 'alert' }, ` ${error.message}`));
      }
    });
    return made;
  }

  buildOne(id) {
    this.head = h('div');
    this.facts = h('section', { class: 'panel', 'aria-label': 'Reason' });
    this.charts = [
      new Chart('Estimated monthly cost around the alert'),
      new Chart('Cost of each day around it'),
    ];
    this.forms = h('div', { class: 'grid' });
    this.events = h('section', { class: 'panel', 'aria-label': 'Events' });
    this.open = null;
    fill(
      this.root,
      h(
        'nav',
        { 'aria-label': 'Where', class: 'crumbs' },
        h(
          'ol',
          null,
          h('li', null, h('a', { href: '#/alerts' }, 'Alerts')),
          h('li', null, h('span', null, `Alert ${id}`)),
        ),
      ),
      this.head,
      h(
        'div',
        { class: 'grid' },
        this.facts,
        h(
          'div',
          null,
          this.charts.map((chart) => chart.element),
        ),
      ),
      this.forms,
      this.events,
    );
  }

  async showOne(state, status) {
    let alert;
    try {
      alert = (await ask(`alerts/${encodeURIComponent(state.id)}`)).data;
    } catch (error) {
      if (error.status !== 404) throw error;
      fill(
        this.root,
        note(
          'warn',
          h('p', null, `There is no alert ${state.id}: it may have been removed since.`),
          h('p', null, h('a', { href: '#/alerts' }, 'All alerts')),
        ),
      );
      this.id = null;
      return;
    }
    const accounts = [
      alert.labels.account_id,
      ...(alert.details?.contributors || []).map((row) => row.account_id),
    ];
    await readNames(accounts.filter(Boolean));
    fill(
      this.head,
      h('h2', { class: 'title' }, `${alert.rule}: ${describe(alert.labels)} `, stateCell(alert)),
    );
    this.showFacts(alert);
    this.showForms(alert);
    const columns = [
      { title: 'At', cell: (row) => time(row.at) },
      { title: 'It', cell: (row) => kChanges[row.change] || row.change },
      {
        title: 'Before',
        number: true,
        cell: (row) => (row.before === null ? '\u2013' : amount(row.before, alert.currency)),
      },
      {
        title: 'After',
        number: true,
        cell: (row) => (row.after === null ? '\u2013' : amount(row.after, alert.currency)),
      },
    ];
    fill(this.events, h('h2', null, 'Events'), table('Events', columns, alert.events));
    await this.showCharts(alert, status);
  }

  showFacts(alert) {
    const details = { ...alert.details };
    const contributors = details.contributors;
    delete details.contributors;
    const pairs = [
      ['Severity', alert.severity],
      ...Object.entries(alert.labels).map(([name, value]) => [
        name.replaceAll('_', ' '),
        labelText(name, value),
      ]),
      ['Since', time(alert.starts_at || alert.pending_since)],
      ...(alert.ends_at
        ? [['Until', `${time(alert.ends_at)}, after ${duration(alert.duration_seconds)}`]]
        : []),
      ...Object.entries(details).map(([name, value]) => [detailName(name), detailText(name, value)]),
      ...(alert.acknowledged_at
        ? [
            [
              'Acknowledged',
              `${time(alert.acknowledged_at)} by ${alert.acknowledged_by}${alert.acknowledged_comment ? `: ${alert.acknowledged_comment}` : ''}`,
            ],
          ]
        : []),
      ...(alert.silenced_until ? [['Silenced until', time(alert.silenced_until)]] : []),
    ];
    const columns = [
      {
        title: 'Account',
        cell: (row) =>
          row.account_id
            ? h('a', { href: moversOf({ account_id: row.account_id }) }, accountName(row.account_id))
            : '',
      },
      { title: 'Type', cell: (row) => row.usage_type || row.type || '' },
      { title: 'Region', cell: (row) => row.region || '' },
      { title: 'Change', number: true, cell: (row) => signed(row.change, alert.currency) },
    ];
    fill(
      this.facts,
      h('h2', null, 'Why'),
      h('p', null, reason(alert)),
      h(
        'dl',
        { class: 'pairs' },
        pairs.flatMap(([name, value]) => [h('dt', null, name), h('dd', null, value)]),
      ),
      Array.isArray(contributors) && contributors.length > 0
        ? [h('h3', null, 'Who made it'), table('Who made it', columns, contributors)]
        : null,
      h(
        'p',
        null,
        h('a', { href: moversOf(alert.labels, { start: null, window: '7d' }) }, 'Movers there in 7 days'),
      ),
    );
  }

  async showCharts(alert, status) {
    const from = seconds(alert.starts_at || alert.pending_since);
    const now = seconds(status.now);
    const end = Math.min(now, (alert.ends_at ? seconds(alert.ends_at) : now) + kAround);
    const given = {};
    for (const [label, value] of Object.entries(alert.labels)) {
      const name = filterOf(label);
      if (isFilter(name) && (value || name.startsWith('tag.'))) given[name] = value;
    }
    const question = { ...given, start: Math.floor(from - kAround), end: Math.ceil(end) };
    const reply = await ask('usage/history', question);
    const row = reply.data.find((line) => line.currency === alert.currency) || reply.data[0];
    const xs = row?.points.map((point) => point[0]) || [];
    const [sum, daily] = this.charts;
    sum.show({
      kind: 'line',
      xs,
      unit: row?.currency,
      range: [xs[0] ?? 0, xs.at(-1) ?? 1],
      layers: row
        ? [{ label: 'Estimated monthly cost', color: 0, values: row.points.map((point) => point[1]) }]
        : [],
      marks: [
        { at: from, kind: 'spike' },
        ...(alert.ends_at ? [{ at: seconds(alert.ends_at), kind: 'echo' }] : []),
      ],
      shades: gapSpans(reply.completeness),
      csv: address('usage/history', { ...question, format: 'csv' }),
      summary: `From ${isoDay(question.start)} to ${isoDay(question.end)}.`,
      twin: {
        columns: [
          { title: 'Time', cell: (i) => time(xs[i]) },
          {
            title: 'Estimated monthly cost',
            number: true,
            cell: (i) => amount(row.points[i][1], row.currency),
          },
        ],
        rows: xs.map((_, i) => i).reverse(),
      },
    });
    fill(sum.below, quiet(alert.ends_at ? '1: it fired. 2: it resolved.' : '1: it fired.'));
    await showDaily(
      daily,
      { ...given, start: Math.floor(from - kMonth), end: Math.ceil(end) },
      {
        currency: alert.currency,
        marks: alert.details?.from ? [{ at: seconds(alert.details.from) + kDay / 2, kind: 'spike' }] : [],
      },
    );
  }

  // What is being written must outlast a refresh, so forms are made anew only if something changed.
  showForms(alert) {
    const shape = `${alert.id} ${alert.state} ${alert.acknowledged_at} ${alert.silenced_until}`;
    if (this.open === shape) return;
    this.open = shape;
    if (alert.state === 'resolved') return fill(this.forms);
    const matchers = [
      `alertname=${alert.rule}`,
      ...Object.entries(alert.labels).map(([name, value]) => `${name}=${value}`),
    ];
    fill(
      this.forms,
      h(
        'section',
        { class: 'panel', 'aria-label': 'Acknowledge' },
        alert.acknowledged_at
          ? [h('h3', null, 'Acknowledged'), quiet('It is not told again, and this ends with the alert.')]
          : form(
              'Acknowledge',
              [
                whoField('ack-by'),
                [
                  h('label', { for: 'ack-comment' }, 'Comment '),
                  h('input', { id: 'ack-comment', name: 'comment', maxlength: 500 }),
                ],
              ],
              'Acknowledge',
              async (values) => {
                await send('POST', `alerts/${alert.id}/ack`, { by: values.by, comment: values.comment });
                await this.refresh();
              },
            ),
      ),
      h(
        'section',
        { class: 'panel', 'aria-label': 'Silence' },
        form(
          'Silence',
          [
            [
              h('label', { for: 'silence-matchers' }, 'Alerts with '),
              (() => {
                const area = h('textarea', {
                  id: 'silence-matchers',
                  name: 'matchers',
                  required: true,
                  rows: matchers.length,
                });
                area.value = matchers.join('\n');
                return area;
              })(),
            ],
            [
              h('label', { for: 'silence-duration' }, 'For '),
              h(
                'select',
                { id: 'silence-duration', name: 'duration' },
                kDurations.map(([value, text]) => h('option', { value }, text)),
              ),
            ],
            whoField('silence-by'),
            [
              h('label', { for: 'silence-comment' }, 'Why '),
              h('input', { id: 'silence-comment', name: 'comment', required: true, maxlength: 500 }),
            ],
          ],
          'Silence',
          async (values) => {
            await send('POST', 'silences', {
              matchers: values.matchers
                .split('\n')
                .map((line) => line.trim())
                .filter(Boolean),
              duration: values.duration,
              created_by: values.by,
              comment: values.comment,
            });
            await this.refresh();
          },
        ),
      ),
    );
  }
}
