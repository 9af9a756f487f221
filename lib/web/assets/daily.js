// The chart of single days, as rebuilt from the sums of 30.

import { ask, address } from './api.js';
import { fill, quiet } from './dom.js';
import { amount, kDay, seconds } from './format.js';

// `question` as the API takes it; of several currencies the one that is named, or the first.
export async function showDaily(chart, question, { marks = [], currency = null } = {}) {
  const reply = await ask('usage/daily', question);
  const row = reply.data.find((line) => line.currency === currency) ||
    reply.data[0] || { days: [], currency: null };
  const days = row.days.filter((day) => day.tag !== 'gap');
  const at = (day) => seconds(`${day.day}T12:00:00Z`);
  const xs = days.map(at);
  const bounded = days.filter((day) => day.tag === 'bounded');
  const gaps = row.days.filter((day) => day.tag === 'gap');
  const unbounded = bounded.filter((day) => day.high === null || day.high > 3 * (day.estimate ?? 0)).length;
  chart.show({
    kind: 'bars',
    xs,
    unit: row.currency,
    marks,
    range: xs.length ? [xs[0] - kDay / 2, Math.max(xs.at(-1) + kDay / 2, xs[0] + 5 * kDay)] : [0, 1],
    layers: [
      { label: 'exact', text: 'exact', color: 0, values: days.map((day) => day.value) },
      {
        label: 'estimate',
        text: 'estimate, within its bounds',
        color: 'light',
        values: days.map((day) => (day.tag === 'bounded' ? day.estimate : null)),
      },
    ],
    bands: bounded.map((day) => ({ x: at(day), low: day.low, high: day.high })),
    shades: gaps.map((day) => ({ from: at(day) - kDay / 2, to: at(day) + kDay / 2 })),
    csv: address('usage/daily', { ...question, format: 'csv' }),
    summary: `${days.length - bounded.length} days exact, ${bounded.length} bounded, ${gaps.length} not known.`,
    empty: 'A day is known once there are polls before and after it: come back in two days.',
    text: (i, what) =>
      days[i].tag === 'exact'
        ? what
        : `about ${what}, between ${amount(days[i].low)} and ${days[i].high === null ? 'anything' : amount(days[i].high)}`,
    twin: {
      columns: [
        { title: 'Day', cell: (day) => day.day },
        { title: 'Known', cell: (day) => day.tag },
        {
          title: 'Cost',
          number: true,
          cell: (day) => (day.tag === 'gap' ? 'unknown' : amount(day.estimate)),
        },
        { title: 'At least', number: true, cell: (day) => amount(day.low) },
        { title: 'At most', number: true, cell: (day) => amount(day.high) },
      ],
      rows: [...row.days].reverse(),
    },
  });
  fill(
    chart.below,
    unbounded > 0
      ? quiet(
          'Bands are the days that the sums leave open: above all the 30 days after the first poll. Import older history to close them. Some go on beyond the chart.',
        )
      : bounded.length > 0
        ? quiet('Bands are the days that the sums leave open.')
        : null,
  );
}
