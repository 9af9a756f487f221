// The dashboard's modules that need no page.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { change, filters, format, parse } from '../../../lib/web/assets/address.js';
import { search, sort } from '../../../lib/web/assets/accounts.js';
import { drill, missingText, stepFor } from '../../../lib/web/assets/filters.js';
import {
  amount,
  dayName,
  duration,
  percent,
  short,
  signed,
  tick,
  time,
} from '../../../lib/web/assets/format.js';
import { marks } from '../../../lib/web/assets/spikes.js';

const kDay = 86400;
const at = (text) => Date.parse(text) / 1000;

test('what is not known is never 0', () => {
  assert.equal(amount(null, 'USD'), 'unknown');
  assert.equal(amount(undefined), 'unknown');
  assert.equal(signed(null, 'USD'), 'unknown');
  assert.equal(duration(null), 'unknown');
  assert.equal(percent(null), '');
  assert.equal(time(null), '\u2013');
});

test('amounts are rounded, and what rounds to nothing has no sign', () => {
  assert.equal(amount(0.005), '0.01');
  assert.equal(amount(-0.004), '0.00');
  assert.equal(signed(0.004), '0.00');
  assert.equal(signed(0.005), '+0.01');
  assert.equal(signed(-1234.5, 'USD'), '\u22121,234.50\u00a0USD');
  assert.equal(amount(9999.99), '9,999.99');
  assert.equal(amount(10000), '10,000');
  assert.equal(percent(-3.14), '\u22123.1\u00a0%');
  assert.equal(short(9999), '9,999');
  assert.equal(short(10000), '10k');
  assert.equal(short(0.25), '0.25');
  assert.equal(short(2500000), '2.5M');
});

test('times are UTC, and the year is there where it is another', () => {
  const now = at('2026-11-26T12:00:00Z');
  assert.equal(dayName(at('2026-10-24T23:59:59Z'), now), '24 October');
  assert.equal(dayName(at('2025-12-31T23:59:59Z'), now), '31 December 2025');
  assert.equal(tick(at('2026-11-26T06:00:00Z'), 3600), '06:00');
  assert.equal(tick(at('2026-11-26T00:00:00Z'), 3600), '26 Nov');
  assert.equal(tick(at('2026-01-01T00:00:00Z'), kDay), '1 Jan 2026');
  assert.equal(duration(119), '119\u00a0s');
  assert.equal(duration(120), '2\u00a0min');
  assert.equal(duration(7200), '2\u00a0h');
});

test('an address and its state are the same thing', () => {
  for (const hash of [
    '#/overview',
    '#/alerts/17',
    '#/movers?account=111111111111&account=222222222222&by=type&tag.team=a+%26+b',
    '#/accounts?q=%C3%BC&tag.team=',
  ]) {
    assert.equal(format(parse(hash)), hash);
  }
  assert.deepEqual(parse(''), { view: 'overview', id: '', params: {} });
  assert.equal(parse('#/nowhere').view, 'overview');
  const state = parse('#/movers?by=type&region=eu-west-1&tag.team=');
  assert.deepEqual(filters(state), { region: ['eu-west-1'], 'tag.team': [''] });
  assert.equal(
    format(change(state, { by: null, region: ['a', 'b'] })),
    '#/movers?region=a&region=b&tag.team=',
  );
});

test('a mover leads one level down', () => {
  const state = (hash) => parse(hash);
  assert.deepEqual(drill(state('#/movers'), { account_id: '1' }), { account: '1', by: 'type', show: null });
  assert.deepEqual(drill(state('#/movers?account=1'), { usage_type: 'T' }), {
    type: 'T',
    by: 'region',
    show: null,
  });
  assert.deepEqual(drill(state('#/movers?account=1&type=T'), { region: 'r' }), {
    region: 'r',
    by: null,
    show: 'samples',
  });
  // Those without the tag are a group too.
  assert.deepEqual(drill(state('#/movers'), { 'tag.team': '' }), {
    'tag.team': '',
    by: 'account',
    show: null,
  });
});

test('what no sums are kept for is asked for in larger steps', () => {
  assert.equal(stepFor(parse('#/overview?range=30d'), 'type'), null);
  assert.equal(stepFor(parse('#/overview?range=30d'), 'account'), '1d');
  assert.equal(stepFor(parse('#/overview?range=7d'), 'account'), '6h');
  assert.equal(stepFor(parse('#/overview?range=30d&account=1'), 'type'), '1d');
  const part = '#/overview?account=1&start=2026-11-01T00:00:00Z&end=2026-11-03T00:00:00Z';
  assert.equal(stepFor(parse(part), 'type'), '1h');
});

test('what is missing at the end is named, and what was missing before is not', () => {
  const gap = (region, to) => ({ target: 't', region, from: '2026-11-01T00:00:00Z', to });
  const newest = '2026-11-26T00:00:00Z';
  assert.equal(missingText({ gaps: [], newest }), '');
  assert.equal(missingText({ gaps: [gap('a', '2026-11-02T00:00:00Z')], newest }), '');
  assert.equal(missingText({ gaps: [gap('a', '2026-11-26T01:00:00Z')], newest }), 'incomplete: without t, a');
  const both = [gap('a', '2026-11-26T01:00:00Z'), gap('b', '2026-11-26T01:00:00Z')];
  assert.equal(missingText({ gaps: both, newest }), 'incomplete: without t, a and 1 more');
});

const spike = (day, more = {}) => ({
  starts_at: `${day}T05:00:00Z`,
  score: 9,
  before: 10,
  after: 12,
  peak: 90,
  currency: 'USD',
  labels: { account_id: '111111111111' },
  details: { from: `${day}T00:00:00Z`, contributors: [{ account_id: '111111111111', region: 'eu-west-1' }] },
  ...more,
});

test('a spike is marked, and the fall 30 days later is said to be its own', () => {
  const now = at('2026-11-26T00:00:00Z');
  const found = marks([spike('2026-10-24')], {}, at('2026-10-01T00:00:00Z'), now, now);
  assert.deepEqual(
    found.map(({ kind, at: when }) => [kind, when]),
    [
      ['spike', at('2026-10-24T00:00:00Z')],
      ['echo', at('2026-11-23T00:00:00Z')],
    ],
  );
  assert.match(
    found[0].text,
    /^24 October: spike of 111111111111, 90\.00\sUSD in a day where 10\.00\sUSD is usual$/,
  );
  assert.match(
    found[1].text,
    /^23 November: this fall is the spike of 24 October \(111111111111\) leaving the window$/,
  );
  // Just outside.
  assert.equal(
    marks([spike('2026-10-24')], {}, at('2026-10-24T00:00:01Z'), at('2026-11-22T23:59:59Z'), now).length,
    0,
  );
});

test('only spikes of what is shown are marked', () => {
  const now = at('2026-11-26T00:00:00Z');
  const found = (given, more) => marks([spike('2026-11-20', more)], given, now - 10 * kDay, now, now).length;
  assert.equal(found({}, { score: null }), 0);
  assert.equal(found({}, { starts_at: null }), 0);
  assert.equal(found({ account: ['111111111111'] }), 1);
  assert.equal(found({ account: ['222222222222'] }), 0);
  assert.equal(found({ region: ['eu-west-1'] }), 1);
  assert.equal(found({ region: ['us-east-1'] }), 0);
  assert.equal(found({ 'tag.team': ['red'] }), 0);
});

test('accounts are found by every word, and what is not known comes last', () => {
  const rows = [
    { account_id: '1', text: '1 payments-prod team=commerce', after: 5 },
    { account_id: '2', text: '2 payments-dev team=data', after: null },
    { account_id: '3', text: '3 search team=data', after: 9 },
  ];
  assert.deepEqual(
    search(rows, 'PAYMENTS team=data').map((row) => row.account_id),
    ['2'],
  );
  assert.equal(search(rows, '  ').length, 3);
  assert.deepEqual(
    sort(rows, 'cost', true).map((row) => row.account_id),
    ['3', '1', '2'],
  );
  assert.deepEqual(
    sort(rows, 'nonsense', true).map((row) => row.account_id),
    ['3', '1', '2'],
  );
});
