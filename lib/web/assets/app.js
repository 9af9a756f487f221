'use strict';
// One page over the API. It asks anew every few seconds and goes by the server's clock.

const kRefreshMs = 5000;
const kSvg = 'http://www.w3.org/2000/svg';
const kDay = 86400;

const byId = (id) => document.getElementById(id);
let names = new Map();

async function ask(path, params = {}) {
  const query = new URLSearchParams(params).toString();
  const reply = await fetch(`/api/v1/${path}${query ? '?' + query : ''}`);
  const body = await reply.json();
  if (!reply.ok) throw new Error(body.detail || reply.statusText);
  return body;
}

function element(tag, text, className) {
  const made = document.createElement(tag);
  if (text !== undefined && text !== null) made.textContent = text;
  if (className) made.className = className;
  return made;
}

function svg(tag, attributes, text) {
  const made = document.createElementNS(kSvg, tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  if (text !== undefined) made.textContent = text;
  return made;
}

const unknown = 'unknown';

function money(value, currency) {
  if (value === null || value === undefined) return unknown;
  const digits = Math.abs(value) >= 10000 ? 0 : 2;
  const number = value.toLocaleString('en-US',
    { minimumFractionDigits: digits, maximumFractionDigits: digits });
  return currency ? `${number} ${currency}` : number;
}

function signed(value, format) {
  if (value === null || value === undefined) return unknown;
  return (value > 0 ? '+' : '') + format(value);
}

const percent = (value) => `${value.toFixed(1)} %`;
// Stays on one line.
const time = (text) => (text ? text.replace('T', '\u00a0').replace('Z', '').replaceAll('-', '\u2011') : '–');

function duration(seconds) {
  if (seconds === null || seconds === undefined) return unknown;
  if (seconds < 120) return `${seconds} s`;
  if (seconds < 7200) return `${Math.round(seconds / 60)} min`;
  if (seconds < 2 * kDay) return `${Math.round(seconds / 3600)} h`;
  return `${Math.round(seconds / kDay)} d`;
}

function accountName(id) {
  if (!id) return '(none)';
  const name = names.get(id);
  return name ? `${name} (${id})` : id;
}

// Columns: {title, number, cell(row)}; a cell is a text or an element.
function table(place, columns, rows, empty) {
  if (rows.length === 0) {
    place.replaceChildren(element('p', empty, 'quiet'));
    return;
  }
  const head = element('tr');
  for (const column of columns) {
    head.append(element('th', column.title, column.number ? 'number' : ''));
  }
  const body = element('tbody');
  for (const row of rows) {
    const line = element('tr');
    for (const column of columns) {
      const cell = element('td', null, column.number ? 'number' : '');
      const content = column.cell(row);
      cell.append(content instanceof Node ? content : String(content));
      line.append(cell);
    }
    body.append(line);
  }
  const made = element('table');
  const header = element('thead');
  header.append(head);
  made.append(header, body);
  place.replaceChildren(made);
}

// Round numbers that divide [0, most] into about five.
function ticks(most) {
  const rough = most / 5;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((n) => n * power).find((n) => n >= rough);
  const result = [];
  for (let value = 0; value <= most; value += step) result.push(value);
  return result;
}

function drawChart(place, lines, from, to, alerts) {
  const known = lines.flatMap((line) => line.points.map((point) => point[1]))
    .filter((value) => value !== null);
  if (known.length === 0) {
    place.replaceChildren(element('p', 'Nothing is known of this time yet.', 'quiet'));
    return;
  }
  const width = Math.max(place.clientWidth, 320);
  const height = place.clientHeight || 260;
  const left = 70, right = 12, top = 10, bottom = 24;
  const most = Math.max(...known, 1e-9) * 1.08;
  const x = (t) => left + ((t - from) / (to - from)) * (width - left - right);
  const y = (value) => height - bottom - (value / most) * (height - top - bottom);
  const root = svg('svg', { viewBox: `0 0 ${width} ${height}`, role: 'img',
    'aria-label': 'Estimated monthly cost over time' });

  for (const value of ticks(most)) {
    root.append(svg('line', { class: 'grid', x1: left, x2: width - right, y1: y(value), y2: y(value) }));
    root.append(svg('text', { x: left - 8, y: y(value) + 4, 'text-anchor': 'end' },
      value.toLocaleString('en-US')));
  }
  const days = (to - from) / kDay;
  const every = [1, 2, 7, 14, 30].find((n) => days / n <= 10) || 30;
  for (let day = Math.ceil(from / kDay) * kDay; day < to; day += every * kDay) {
    const label = new Date(day * 1000).toISOString().slice(5, 10);
    root.append(svg('text', { x: x(day), y: height - 6, 'text-anchor': 'middle' }, label));
  }
  for (const line of lines) {
    // A stretch without numbers breaks the line.
    const pieces = [[]];
    for (const [t, value] of line.points) {
      if (value === null) pieces.push([]);
      else pieces[pieces.length - 1].push(`${x(t).toFixed(1)},${y(value).toFixed(1)}`);
    }
    for (const piece of pieces.filter((p) => p.length > 0)) {
      const first = piece[0].split(',')[0];
      const last = piece[piece.length - 1].split(',')[0];
      root.append(svg('path', { class: 'area',
        d: `M${first},${y(0)} L${piece.join(' L')} L${last},${y(0)} Z` }));
      root.append(svg('path', { class: 'line',
        d: piece.length === 1 ? `M${piece[0]} h1` : `M${piece.join(' L')}` }));
    }
  }
  for (const alert of alerts) {
    const t = Date.parse(alert.starts_at) / 1000;
    if (!(t >= from && t <= to)) continue;
    const mark = svg('line', { class: 'mark', x1: x(t), x2: x(t), y1: top, y2: height - bottom });
    mark.append(svg('title', {}, `${alert.rule}: ${describe(alert.labels)}`));
    root.append(mark);
  }
  place.replaceChildren(root);
}

function describe(labels) {
  const parts = Object.entries(labels)
    .map(([name, value]) => (name === 'account_id' ? accountName(value) : value || '(none)'));
  return parts.join(', ') || 'the whole organization';
}

function showState(status) {
  const pill = byId('state');
  const words = { ok: ['all polls good', 'good'], degraded: ['degraded', 'bad'],
    empty: ['no poll yet', 'warn'] };
  const [text, className] = words[status.state] || [status.state, 'warn'];
  pill.textContent = text;
  pill.className = `pill ${className}`;
  byId('now').textContent = `as of ${time(status.now)}`;
  byId('version').textContent = status.version;
  const firing = byId('firing');
  firing.textContent = status.alerts_firing;
  firing.className = status.alerts_firing > 0 ? 'bad' : 'good';
  table(byId('poll-table'), [
    { title: 'Target', cell: (row) => row.target },
    { title: 'Region', cell: (row) => row.region },
    { title: 'State', cell: (row) => {
      const className = { ok: 'good', retrying: 'warn', failing: 'bad' }[row.state] || 'quiet';
      const cell = element('span', row.state, className);
      if (row.error) cell.title = row.error;
      return cell;
    } },
    { title: 'Last success', cell: (row) => time(row.last_success) },
    { title: 'Age', number: true, cell: (row) => duration(row.age_seconds) },
    { title: 'Accounts', number: true, cell: (row) => row.accounts ?? unknown },
    { title: 'Series', number: true, cell: (row) => row.series ?? unknown },
  ], status.targets, 'No poll yet.');
}

function showAlerts(alerts) {
  const order = { firing: 0, pending: 1, resolved: 2 };
  const rows = [...alerts].sort((a, b) => order[a.state] - order[b.state] || b.id - a.id);
  table(byId('alert-table'), [
    { title: 'State', cell: (row) => element('span', row.state,
      { firing: 'bad', pending: 'warn' }[row.state] || 'quiet') },
    { title: 'Rule', cell: (row) => row.rule },
    { title: 'Group', cell: (row) => describe(row.labels) },
    { title: 'Before', number: true, cell: (row) => money(row.before, row.currency) },
    { title: 'Now', number: true, cell: (row) => money(row.after, row.currency) },
    { title: 'Since', cell: (row) => time(row.starts_at || row.pending_since) },
    { title: 'Until', cell: (row) => time(row.ends_at) },
  ], rows, 'No alert so far.');
}

function showMovers(rows) {
  table(byId('mover-table'), [
    { title: 'Account', cell: (row) => accountName(row.labels.account_id) },
    { title: 'Change', number: true, cell: (row) => element('span',
      signed(row.change, (value) => money(value, row.currency)),
      row.change > 0 ? 'bad' : row.change < 0 ? 'good' : 'quiet') },
    { title: '%', number: true,
      cell: (row) => (row.status === 'new' ? 'new'
        : row.percent === null && row.change !== null ? '–' : signed(row.percent, percent)) },
    { title: 'Now', number: true,
      cell: (row) => (row.status === 'gone' ? 'gone' : money(row.after, row.currency)) },
  ], rows, 'Nothing to compare yet.');
}

function showAccounts(rows) {
  const most = Math.max(...rows.map((row) => row.estimated_monthly_cost ?? 0), 1e-9);
  table(byId('account-table'), [
    { title: 'Account', cell: (row) => {
      const cell = element('div', accountName(row.account_id));
      const bar = element('div', null, 'bar');
      bar.style.width = `${(100 * (row.estimated_monthly_cost ?? 0)) / most}%`;
      cell.append(bar);
      return cell;
    } },
    { title: 'Monthly cost', number: true,
      cell: (row) => money(row.estimated_monthly_cost, row.currency) },
    { title: 'Series', number: true, cell: (row) => row.series },
    { title: 'Seen', cell: (row) => element('span', time(row.taken_at), row.stale ? 'warn' : '') },
  ], rows, 'No usage yet.');
}

function showSummary(lines, change, accountTotal) {
  byId('cost').textContent =
    lines.map((line) => money(line.points.at(-1)?.[1], line.currency)).join(', ') || '–';
  byId('change').textContent =
    change.map((row) => signed(row.change, (value) => money(value, row.currency))).join(', ') || '–';
  byId('change-percent').textContent =
    change.filter((row) => row.percent !== null).map((row) => signed(row.percent, percent)).join(', ');
  byId('accounts').textContent = accountTotal;
}

function showCompleteness(completeness) {
  const gaps = completeness.gaps.length;
  const parts = [`${completeness.polls_good} of ${completeness.polls_expected} polls good`];
  if (gaps > 0) {
    const gap = completeness.gaps[gaps - 1];
    parts.push(`${gaps} gap${gaps > 1 ? 's' : ''}, the last in ${gap.target}/${gap.region} ` +
      `from ${time(gap.from)} (${gap.reason})`);
  }
  if (completeness.unknown_values > 0) {
    parts.push(`${completeness.unknown_values} numbers that AWS left out`);
  }
  byId('completeness').textContent = parts.join(' · ');
}

let running = false;

async function refresh() {
  if (running) return;
  running = true;
  const problem = byId('problem');
  try {
    const range = byId('range').value;
    const [status, history, latest, movers, change, alerts, accounts] = await Promise.all([
      ask('status'),
      ask('usage/history', { start: `now-${range}` }),
      ask('usage/latest', { group_by: 'account', top: 25 }),
      ask('usage/deltas', { group_by: 'account', window: '1d', top: 10 }),
      ask('usage/deltas', { window: '1d', top: 5 }),
      ask('alerts', { limit: 50 }),
      ask('accounts', { limit: 100000 }),
    ]);
    names = new Map(accounts.data.filter((row) => row.name).map((row) => [row.account_id, row.name]));
    const to = Date.parse(status.data.now) / 1000;
    const from = to - parseInt(range, 10) * kDay;
    showState(status.data);
    drawChart(byId('chart'), history.data, from, to, alerts.data.filter((row) => row.starts_at));
    showCompleteness(history.completeness);
    showAccounts(latest.data);
    showMovers(movers.data);
    showAlerts(alerts.data);
    showSummary(history.data, change.data, accounts.data.filter((row) => row.active).length);
    problem.hidden = true;
  } catch (error) {
    problem.textContent = `The data could not be read: ${error.message}`;
    problem.hidden = false;
  } finally {
    running = false;
  }
}

byId('range').addEventListener('change', refresh);
window.addEventListener('resize', refresh);
refresh();
setInterval(refresh, kRefreshMs);
