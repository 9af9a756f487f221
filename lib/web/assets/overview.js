// What the organization costs: now, against before, over time, day by day, and by the end of the month.

import { ask, address, labelText, readNames } from './api.js';
import { filters, go, link, one } from './address.js';
import { Chart, colorIndex } from './chart.js';
import { showDaily } from './daily.js';
import { marks } from './spikes.js';
import { fill, h, quiet, select, table } from './dom.js';
import { amount, dayName, kDay, monthName, monthShort, percent, seconds, signed, time } from './format.js';
import {
  breadcrumbs,
  completenessText,
  drill,
  firstRun,
  gapSpans,
  groupings,
  missingText,
  rangeSelect,
  span,
  stepFor,
  zoomTo,
} from './filters.js';

const kLayers = 7;
const kMonthsShown = 6;
const kWindow = 30 * kDay;
const kMostSpikes = 500;

// The newest of a row's points that is known.
const newest = (row) => row.points.findLast((point) => point[1] !== null)?.[1] ?? 0;

// Amounts of several currencies are never added up: a chart shows one of them.
function currencies(rows) {
  const most = new Map();
  for (const row of rows) most.set(row.currency, (most.get(row.currency) ?? 0) + newest(row));
  return [...most.keys()].sort((a, b) => most.get(b) - most.get(a));
}

const labelOfRow = (labels) =>
  Object.entries(labels)
    .map(([name, value]) => (value === 'other' ? 'other' : labelText(name, value)))
    .join(', ') || 'all';

export class Overview {
  constructor(root) {
    this.tiles = h('div', { class: 'tiles' });
    this.where = h('div');
    this.time = h('span');
    this.by = h('span');
    this.currency = h('span');
    this.cost = new Chart('Estimated monthly cost', {
      controls: [this.time, ' ', this.by, ' ', this.currency],
      onzoom: (from, to) => zoomTo(this.state, from, to),
      height: 300,
    });
    this.daily = new Chart('Cost of each day, rebuilt from the sums of 30 days', {
      onzoom: (from, to) => zoomTo(this.state, from, to),
    });
    this.months = new Chart('Calendar months and forecast');
    this.echoes = h('section', { class: 'panel', 'aria-label': 'What leaves the window next' });
    this.first = h('div');
    this.main = h(
      'div',
      { class: 'grid' },
      this.tiles,
      h('div', { class: 'wide' }, this.cost.element),
      this.daily.element,
      this.months.element,
      h('div', { class: 'wide' }, this.echoes),
    );
    root.append(this.where, this.first, this.main);
  }

  destroy() {
    for (const chart of [this.cost, this.daily, this.months]) chart.destroy();
  }

  async update(state, status) {
    this.state = state;
    fill(this.where, breadcrumbs(state));
    fill(this.time, rangeSelect(state));
    fill(
      this.by,
      select('By', groupings(status.tags), one(state, 'by', 'type'), (by) => go(state, { by })),
    );
    const first = await firstRun(status);
    this.main.hidden = first !== null;
    fill(this.first, first);
    if (first) return;
    // The first chart and the numbers come before the rest.
    const [, today] = await Promise.all([this.showCost(state, status), this.showTiles(state, status)]);
    this.showEchoes(state, status, today);
    const wait = await Promise.allSettled([
      showDaily(this.daily, { ...filters(state), ...span(state) }, { currency: this.shown }),
      this.showMonths(state),
    ]);
    for (const { reason } of wait) if (reason) throw reason;
  }

  // Returns the echo of the last day.
  async showTiles(state, status) {
    const given = filters(state);
    const ago = [
      ['Since yesterday', '1d'],
      ['In a week', '7d'],
      ['In 30 days', '30d'],
    ];
    const [forecast, ...changes] = await Promise.all([
      ask('usage/forecast', { ...given, months: 1 }),
      ...ago.map(([, window]) => ask('usage/echo', { ...given, window })),
    ]);
    const tile = (title, value, below, href, kind = '') =>
      h(
        href ? 'a' : 'div',
        { class: 'tile', href },
        h('h2', null, title),
        h('p', { class: `value ${kind}` }, value.replaceAll('\u00a0', ' ')),
        h('p', { class: 'quiet' }, below),
      );
    const rows = (reply, show) => reply.data.map(show).join(', ') || '\u2013';
    const tiles = [
      tile(
        'Estimated monthly cost',
        rows(changes[0], (row) => amount(row.after, row.currency)),
        missingText(changes[0].completeness) || `of the 30 days to ${time(status.now)}`,
      ),
    ];
    ago.forEach(([title, window], i) => {
      const parts = changes[i].data.map((row) => {
        if (row.change === null) return 'not known: there was no good poll then';
        const why =
          row.echo === null || Math.abs(row.echo) < 0.005
            ? ''
            : ` · ${signed(row.fresh)} new, ${signed(row.echo)} from days that left the window`;
        return `${row.before ? percent((100 * row.change) / row.before) : ''}${why}`;
      });
      tiles.push(
        tile(
          title,
          rows(changes[i], (row) => signed(row.change, row.currency)),
          parts.join(', '),
          link(state, { window, by: 'account' }, { view: 'movers' }),
          changes[i].data.some((row) => row.change > 0.005)
            ? 'up'
            : changes[i].data.some((row) => row.change < -0.005)
              ? 'down'
              : '',
        ),
      );
    });
    tiles.push(
      tile(
        'This month will end at',
        rows(forecast, (row) => amount(row.projected, row.currency)),
        rows(forecast, (row) =>
          row.projected_low === null
            ? 'no forecast yet'
            : `${amount(row.projected_low)} to ${amount(row.projected_high)}, eight times of ten`,
        ),
      ),
    );
    const firing = status.alerts_firing;
    tiles.push(
      tile(
        'Alerts firing',
        String(firing),
        firing ? 'see who and why' : 'nothing to do',
        '#/alerts',
        firing ? 'bad' : 'good',
      ),
    );
    fill(this.tiles, tiles);
    return changes[0];
  }

  async showCost(state, status) {
    const by = one(state, 'by', 'type');
    const question = {
      ...filters(state),
      ...span(state),
      group_by: by,
      top: kLayers,
      step: stepFor(state, by),
    };
    const [history, alerts] = await Promise.all([
      ask('usage/history', question),
      ask('alerts', { limit: kMostSpikes }),
    ]);
    await readNames([
      ...history.data.map((row) => row.labels.account_id || ''),
      ...alerts.data.map((alert) => alert.labels.account_id || ''),
    ]);
    const several = currencies(history.data);
    const chosen = one(state, 'currency', several[0] ?? '') || null;
    this.shown = chosen; // in the other charts, too
    fill(
      this.currency,
      several.length > 1
        ? select(
            'Currency',
            several.map((name) => [name ?? '', name ?? 'unknown']),
            chosen ?? '',
            (currency) => go(state, { currency }),
          )
        : null,
    );
    const rows = history.data.filter((row) => row.currency === chosen).sort((a, b) => newest(b) - newest(a));
    const other = rows.findIndex((row) => labelOfRow(row.labels) === 'other');
    if (other >= 0) rows.push(...rows.splice(other, 1));
    const xs = rows[0]?.points.map((point) => point[0]) || [];
    const now = seconds(status.now);
    const range = [xs[0] ?? now - kWindow, xs.at(-1) ?? now];
    const layers = rows.map((row, i) => ({
      label: labelOfRow(row.labels),
      values: row.points.map((point) => point[1]),
      color: colorIndex(i, labelOfRow(row.labels)),
    }));
    const found = marks(alerts.data, filters(state), range[0], range[1], now);
    const total = layers.reduce((sum, layer) => sum + (layer.values.at(-1) ?? 0), 0);
    this.cost.show({
      kind: 'stack',
      xs,
      layers,
      unit: chosen,
      range,
      marks: found,
      shades: gapSpans(history.completeness),
      csv: address('usage/history', { ...question, format: 'csv' }),
      summary: `${layers.length} layers by ${by}, ${amount(total, chosen)} at the end.`,
    });
    const drillable = !one(state, by);
    fill(
      this.cost.below,
      found.length > 0
        ? h(
            'ol',
            { class: 'marks' },
            found.map((mark) =>
              h('li', { class: mark.kind }, h('a', { href: `#/alerts/${mark.alert.id}` }, mark.text)),
            ),
          )
        : null,
      completenessText(history.completeness),
      drillable && rows.length > 1
        ? h(
            'p',
            { class: 'quiet' },
            'Only: ',
            rows
              .filter((row) => labelOfRow(row.labels) !== 'other')
              .flatMap((row, i) => [
                i > 0 ? ' · ' : '',
                h('a', { href: link(state, drill(state, row.labels)) }, labelOfRow(row.labels)),
              ]),
          )
        : null,
    );
  }

  async showMonths(state) {
    const given = filters(state);
    const rules = await ask('rules');
    const rule = rules.data.find(
      (budget) =>
        budget.kind === 'budget' &&
        budget.metric === 'cost' &&
        budget.group_by.length === 0 &&
        budget.accounts.length === 0 &&
        budget.regions.length === 0 &&
        budget.types.length === 0,
    );
    const budget = one(state, 'budget') ?? (Object.keys(given).length === 0 ? rule?.limit : undefined);
    const reply = await ask('usage/forecast', { ...given, months: kMonthsShown, budget });
    const currency = this.shown ?? reply.data[0]?.currency ?? null;
    const rows = reply.data.filter(
      (row) => row.currency === currency && (row.days_known > 0 || row.projected !== null),
    );
    const running = rows.findLast((row) => row.projected !== null);
    const passed = running?.budget_passed;
    this.months.show({
      kind: 'bars',
      xs: rows.map((_, i) => i),
      names: rows.map((row) => monthShort(row.month)),
      unit: currency,
      range: [-0.6, Math.max(rows.length, 3) - 0.4],
      layers: [
        {
          label: 'projected',
          text: 'by its end, as projected',
          color: 'light',
          values: rows.map((row) => row.projected),
        },
        { label: 'so far', text: 'so far', color: 0, values: rows.map((row) => row.estimate) },
      ],
      bands: rows
        .map((row, i) => ({
          x: i,
          low: row.projected === null ? row.low : row.projected_low,
          high: row.projected === null ? row.high : row.projected_high,
        }))
        .filter(({ low, high }) => high === null || high - low > 0.005),
      line: budget ? { value: Number(budget), label: `budget of ${amount(Number(budget), currency)}` } : null,
      csv: address('usage/forecast', { ...given, months: kMonthsShown, budget, format: 'csv' }),
      summary: running
        ? `${monthName(running.month)} is projected to end at ${amount(running.projected, currency)}.`
        : '',
      empty: 'Months are added up from days: come back in two days.',
      twin: {
        columns: [
          { title: 'Month', cell: (row) => monthName(row.month) },
          { title: 'Days known', number: true, cell: (row) => `${row.days_known} of ${row.days_in_month}` },
          { title: 'So far', number: true, cell: (row) => amount(row.estimate) },
          { title: 'At least', number: true, cell: (row) => amount(row.low) },
          { title: 'At most', number: true, cell: (row) => amount(row.high) },
          {
            title: 'Projected',
            number: true,
            cell: (row) => (row.projected === null ? '\u2013' : amount(row.projected)),
          },
          {
            title: 'From',
            number: true,
            cell: (row) => (row.projected === null ? '\u2013' : amount(row.projected_low)),
          },
          {
            title: 'To',
            number: true,
            cell: (row) => (row.projected === null ? '\u2013' : amount(row.projected_high)),
          },
        ],
        rows: [...rows].reverse(),
      },
    });
    fill(
      this.months.below,
      h(
        'p',
        { class: 'quiet' },
        !budget
          ? 'A rule of kind budget, or a budget in the address, draws a line here.'
          : passed
            ? `The budget is passed at the end of ${passed}.`
            : running
              ? 'The budget is not passed in this month.'
              : '',
      ),
    );
  }

  showEchoes(state, status, reply) {
    const now = seconds(status.now);
    const rows = reply.data.flatMap((row) =>
      row.leaving
        .filter((day) => day.above_usual !== null && day.above_usual > Math.max(1, 0.5 * (row.usual ?? 0)))
        .map((day) => ({ ...day, currency: row.currency })),
    );
    rows.sort((a, b) => b.above_usual - a.above_usual);
    const columns = [
      { title: 'On', cell: (row) => row.day },
      { title: 'The sum falls by', number: true, cell: (row) => amount(row.above_usual, row.currency) },
      {
        title: 'Because of',
        cell: (row) => `what was used on ${dayName(seconds(`${row.day}T00:00:00Z`) - kWindow, now)}`,
      },
    ];
    fill(
      this.echoes,
      h('h2', null, 'What leaves the window next'),
      rows.length === 0
        ? quiet(
            'In the next 30 days nothing unusual leaves the sum: if the days to come are as usual, it stays as it is.',
          )
        : [
            quiet(
              'Days that were dearer than usual leave the sum of 30 days, if the days to come are as usual.',
            ),
            table(
              'What leaves the window next',
              columns,
              rows.slice(0, 8).sort((a, b) => (a.day < b.day ? -1 : 1)),
            ),
          ],
      h('a', { class: 'csv', href: address('usage/echo', { ...filters(state), format: 'csv' }) }, 'CSV'),
    );
  }
}
