// Where a chart of sums says which spike made a rise, and which one, 30 days later, a fall.

import { describe } from './api.js';
import { labelOf } from './address.js';
import { amount, dayName, kDay, seconds } from './format.js';

const kWindow = 30 * kDay;
const kMostMarks = 9;

// True if an alert is about what the filters leave: by its labels, else by who made it.
function concerns(alert, given) {
  return Object.entries(given).every(([name, values]) => {
    const label = labelOf(name);
    const own = alert.labels[label];
    const seen =
      own !== undefined
        ? [own]
        : (alert.details?.contributors || []).map((contributor) => contributor[label]);
    return seen.some((value) => values.includes(value));
  });
}

// Spikes of what `given` filters to, and their echoes 30 days later, in [from, to]: the largest, in order of
// time, as {at, kind: 'spike' or 'echo', text, alert}.
export function marks(alerts, given, from, to, now) {
  const found = [];
  for (const alert of alerts) {
    if (!alert.starts_at || alert.score === null) continue; // only spikes have a score
    if (!concerns(alert, given)) continue;
    const at = seconds(alert.details?.from || alert.starts_at);
    const who = describe(alert.labels);
    const size = (alert.peak ?? alert.after ?? 0) - (alert.before ?? 0);
    if (at >= from && at <= to) {
      found.push({
        at,
        kind: 'spike',
        size,
        alert,
        text: `${dayName(at, now)}: spike of ${who}, ${amount(alert.peak ?? alert.after, alert.currency)} in a day where ${amount(alert.before, alert.currency)} is usual`,
      });
    }
    const leaves = alert.details?.leaves_from ? seconds(alert.details.leaves_from) : at + kWindow;
    if (leaves >= from && leaves <= to) {
      found.push({
        at: leaves,
        kind: 'echo',
        size,
        alert,
        text: `${dayName(leaves, now)}: this fall is the spike of ${dayName(at, now)} (${who}) leaving the window`,
      });
    }
  }
  return found
    .sort((a, b) => b.size - a.size)
    .slice(0, kMostMarks)
    .sort((a, b) => a.at - b.at);
}
