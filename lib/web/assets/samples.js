// The bottom of a drill-down: a part of the organization as it was polled.

import { ask, address } from './api.js';
import { filters, one } from './address.js';
import { Chart, colorIndex } from './chart.js';
import { fill } from './dom.js';
import { completenessText, gapSpans } from './filters.js';

export class Samples {
  constructor(root) {
    this.cost = new Chart('Estimated monthly cost at each poll');
    this.total = new Chart('Total of 30 days at each poll');
    root.append(this.cost.element, this.total.element);
  }

  destroy() {
    for (const chart of [this.cost, this.total]) chart.destroy();
  }

  async update(state) {
    const start =
      one(state, 'start') ?? `now-${one(state, 'window', '1d') === '1d' ? '7d' : one(state, 'window')}`;
    const question = { ...filters(state), start, end: one(state, 'end') };
    const read = async (chart, metric, group) => {
      const reply = await ask('usage/history', { ...question, metric, group_by: group, top: 7 });
      const rows = reply.data;
      const xs = rows[0]?.points.map((point) => point[0]) || [];
      const label = (row) =>
        Object.values(row.labels)
          .map((value) => value || '(none)')
          .join(', ') || 'all';
      const unitOf = (row) => (metric === 'cost' ? row?.currency : row?.unit);
      const unit = unitOf(rows[0]);
      const same = rows.filter((row) => unitOf(row) === unit);
      chart.show({
        kind: 'stack',
        xs,
        unit,
        range: [xs[0] ?? 0, xs.at(-1) ?? 1],
        shades: gapSpans(reply.completeness),
        layers: same.map((row, i) => ({
          label: label(row),
          color: colorIndex(i, label(row)),
          values: row.points.map((point) => point[1]),
        })),
        csv:
          metric === 'cost'
            ? address('export', { ...question, format: 'csv' })
            : address('usage/history', { ...question, metric, group_by: group, step: 'raw', format: 'csv' }),
        summary: `${xs.length} samples.`,
      });
      fill(chart.below, completenessText(reply.completeness));
    };
    const given = filters(state);
    const group = !given.type ? 'type' : !given.region ? 'region' : 'provider';
    await read(this.cost, 'cost', group);
    // Totals of several types have no sum: a chart of one type only.
    if (given.type?.length === 1) await read(this.total, 'total', group);
    this.total.element.hidden = given.type?.length !== 1;
  }
}
