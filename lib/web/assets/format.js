// How values are written. Nothing here knows of the page or the API's addresses.

export const kDay = 86400;
export const unknown = 'unknown';

const decimals = new Map();

function decimal(digits) {
  if (!decimals.has(digits)) {
    decimals.set(
      digits,
      new Intl.NumberFormat('en-US', { minimumFractionDigits: digits, maximumFractionDigits: digits }),
    );
  }
  return decimals.get(digits);
}

const isKnown = (value) => value !== null && value !== undefined;

// An amount with its currency, or a total with its unit; large ones without a fraction.
export function amount(value, unit) {
  if (!isKnown(value)) return unknown;
  // What rounds to nothing has no sign.
  const shown = Math.abs(value) < 0.005 ? 0 : value;
  const number = decimal(Math.abs(shown) >= 10000 ? 0 : 2).format(shown);
  return unit ? `${number}\u00a0${unit}` : number;
}

export function signed(value, unit) {
  if (!isKnown(value)) return unknown;
  const text = amount(value, unit);
  return value >= 0.005 ? `+${text}` : text.replace('-', '\u2212');
}

export function percent(value) {
  if (!isKnown(value)) return '';
  return `${value > 0 ? '+' : value < 0 ? '\u2212' : ''}${decimal(1).format(Math.abs(value))}\u00a0%`;
}

export const whole = (value) => (isKnown(value) ? decimal(0).format(value) : unknown);

// For axes: 1,200 or 1.2k, whichever is short.
export function short(value) {
  const size = Math.abs(value);
  if (size >= 1e9) return `${+(value / 1e9).toPrecision(3)}G`;
  if (size >= 1e6) return `${+(value / 1e6).toPrecision(3)}M`;
  if (size >= 1e4) return `${+(value / 1e3).toPrecision(3)}k`;
  return decimal(0).format(value) === String(value)
    ? String(value)
    : new Intl.NumberFormat('en-US', { maximumFractionDigits: 3 }).format(value);
}

const iso = (seconds) => new Date(seconds * 1000).toISOString();

// "2026-11-27 03:00" of an RFC 3339 text or Unix seconds; it stays on one line.
export function time(at) {
  if (!isKnown(at)) return '\u2013';
  const text = typeof at === 'number' ? iso(at) : at;
  return text.slice(0, 16).replace('T', '\u00a0').replaceAll('-', '\u2011');
}

export const seconds = (text) => Date.parse(text) / 1000;
export const isoDay = (at) => iso(at).slice(0, 10);

const kMonths = [
  'January',
  'February',
  'March',
  'April',
  'May',
  'June',
  'July',
  'August',
  'September',
  'October',
  'November',
  'December',
];

// "24 October"; with the year if it is not that of `now`.
export function dayName(at, now) {
  const date = new Date(at * 1000);
  const year = date.getUTCFullYear();
  const other = year !== new Date(now * 1000).getUTCFullYear();
  return `${date.getUTCDate()} ${kMonths[date.getUTCMonth()]}${other ? ` ${year}` : ''}`;
}

// On a time axis whose ticks are so many seconds apart.
export function tick(at, step) {
  const date = new Date(at * 1000);
  if (step < kDay && at % kDay !== 0) return date.toISOString().slice(11, 16);
  const month = kMonths[date.getUTCMonth()].slice(0, 3);
  const year =
    date.getUTCMonth() === 0 && date.getUTCDate() <= Math.max(1, step / kDay)
      ? ` ${date.getUTCFullYear()}`
      : '';
  return step >= 28 * kDay ? `${month}${year}` : `${date.getUTCDate()} ${month}${year}`;
}

// "November 2026" of "2026-11".
export const monthName = (month) => `${kMonths[Number(month.slice(5)) - 1]} ${month.slice(0, 4)}`;

// "Nov", or "Jan 2026", for an axis.
export const monthShort = (month) =>
  `${kMonths[Number(month.slice(5)) - 1].slice(0, 3)}${month.endsWith('-01') ? ` ${month.slice(0, 4)}` : ''}`;

export function duration(value) {
  if (!isKnown(value)) return unknown;
  if (value < 120) return `${value}\u00a0s`;
  if (value < 7200) return `${Math.round(value / 60)}\u00a0min`;
  if (value < 2 * kDay) return `${Math.round(value / 3600)}\u00a0h`;
  return `${Math.round(value / kDay)}\u00a0days`;
}

// What an outcome of a poll means, and what to do about it.
const kOutcomes = {
  ok: 'Answered.',
  running: 'Being asked now.',
  interrupted: 'The daemon stopped on the way; it asks again.',
  denied:
    'AWS refused the credentials or the action: see check-config --online for the policy that is missing.',
  invalid: 'AWS refused the request itself.',
  throttled: 'AWS had too many requests; it is asked again later.',
  timeout: 'AWS did not answer in time.',
  network: 'AWS could not be reached: check DNS, routes, proxy and endpoint.',
  server: 'AWS failed; it is asked again later.',
  malformed: 'The reply made no sense.',
  credentials: 'No credentials were found, or they could not be read.',
  storage: 'The snapshot could not be stored: check the disk.',
  'not polled': 'Nobody asked: the daemon was not running.',
};
export const outcomeWords = (outcome) => kOutcomes[outcome] || outcome || '';
