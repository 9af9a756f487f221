// Charts over uPlot: areas stacked over time, and bars with what is only bounded as bands. Each has a
// readout for the mouse and the arrow keys, a table twin, and a link to its rows as CSV.

import uPlot from './uPlot.esm.js';
import { h, fill, table } from './dom.js';
import { amount, short, tick, time, unknown } from './format.js';

const kColors = 8; // --c0 ... --c7 of the style sheet; the last is for "other"
const kMostTwinRows = 500;
const kLeast = 1800; // seconds
const live = new Set();

// After the theme has changed.
export function redrawCharts() {
  for (const chart of live) chart.redraw();
}

const style = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
const markColor = (kind) => style(kind === 'spike' ? 'bad' : 'text');
export const colorIndex = (i, label) => (label === 'other' ? kColors - 1 : i % (kColors - 1));

// The sums of each layer and those below it. Where a layer has no value it adds nothing; where none
// has one there is none.
function stack(layers, count) {
  const sums = new Array(count).fill(0);
  const none = new Array(count).fill(true);
  const rows = layers.map(({ values }) =>
    values.map((value, i) => {
      if (value === null) return null;
      none[i] = false;
      sums[i] += value;
      return sums[i];
    }),
  );
  return rows.map((row, layer) =>
    row.map((value, i) => {
      if (none[i]) return null;
      if (value !== null) return value;
      for (let below = layer - 1; below >= 0; --below) {
        if (rows[below][i] !== null) return rows[below][i];
      }
      return 0;
    }),
  );
}

// A value that has none before and after it is no line: a dot. The first poll is one.
const alone = (plot, series) => {
  const row = plot.data[series];
  const places = [...row.keys()].filter(
    (i) => row[i] !== null && (row[i - 1] ?? row[i + 1] ?? null) === null,
  );
  return places.length > 0 ? places : null;
};
const dots = (color) => ({ show: false, filter: alone, size: 7, fill: color });

// An axis of time has some length, even if all that is known is one moment.
const widened = ([from, to]) => (to > from ? [from, to] : [from - kLeast, to + kLeast]);

function hatch(context, color) {
  const tile = document.createElement('canvas');
  tile.width = tile.height = 8;
  const pen = tile.getContext('2d');
  pen.strokeStyle = color;
  pen.lineWidth = 1.5;
  pen.beginPath();
  for (const offset of [-8, 0, 8]) {
    pen.moveTo(offset, 8);
    pen.lineTo(offset + 8, 0);
  }
  pen.stroke();
  return context.createPattern(tile, 'repeat');
}

// The newest first.
function timeTwin({ xs, layers }) {
  return {
    columns: [
      { title: 'Time', cell: (i) => time(xs[i]) },
      ...layers.map(({ label, values }) => ({ title: label, number: true, cell: (i) => amount(values[i]) })),
    ],
    rows: xs.map((_, i) => i).reverse(),
  };
}

// What show() takes:
//   kind       'stack' (areas over time), 'line' (over time, not from 0 on) or 'bars'
//   xs         Unix seconds, or with `names` 0, 1, 2 ...
//   names      of the bars, if they are not times
//   layers     [{label, values, color}]: of a stack from the bottom up; bars stand before each other
//   unit       of the values
//   range      [from, to] of the axis
//   shades     [{from, to}]: hatched, where something is not known
//   bands      [{x, low, high}]: where a bar may end; high null: nothing bounds it
//   line       {value, label}: across the chart
//   marks      [{at, kind}]: 'spike' or 'echo', numbered from 1
//   twin       {columns, rows}: the table; without it, a row a time with a column a layer
//   csv        address of the rows
//   summary    the chart in a sentence
//   empty      what to say if there is nothing to draw
export class Chart {
  constructor(title, { controls = [], height = 250, onzoom = null } = {}) {
    this.height = height;
    this.onzoom = onzoom;
    this.canvas = h('div', {
      class: 'chart',
      tabindex: 0,
      role: 'img',
      'aria-label': `${title}: loading`,
      onkeydown: (event) => this.step(event),
    });
    this.canvas.style.height = `${height}px`;
    this.readout = h('p', { class: 'readout quiet' });
    this.legend = h('ul', { class: 'legend' });
    this.below = h('div');
    this.twin = h(
      'details',
      { class: 'twin', ontoggle: () => this.showTwin() },
      h('summary', null, 'Table'),
      h('div'),
    );
    this.csv = h('a', { class: 'csv', hidden: true }, 'CSV');
    this.title = title;
    this.element = h(
      'section',
      { class: 'panel', 'aria-label': title },
      h('div', { class: 'head' }, h('h2', null, title), h('div', { class: 'controls' }, controls)),
      this.canvas,
      this.readout,
      this.legend,
      this.below,
      h('div', { class: 'twins' }, this.twin, this.csv),
    );
    this.sizes = new ResizeObserver(() => this.resize());
    this.sizes.observe(this.canvas);
    live.add(this);
  }

  destroy() {
    live.delete(this);
    this.sizes.disconnect();
    this.plot?.destroy();
  }

  redraw() {
    this.plot?.redraw();
  }

  resize() {
    const width = this.canvas.clientWidth;
    if (this.plot && width > 0 && width !== this.plot.width) {
      this.plot.setSize({ width, height: this.height });
    }
  }

  clear(text) {
    this.plot?.destroy();
    this.plot = null;
    this.shape = null;
    fill(this.canvas, h('p', { class: 'quiet' }, text));
    this.canvas.setAttribute('aria-label', `${this.title}: ${text}`);
    fill(this.legend);
    this.readout.textContent = '';
  }

  show(spec) {
    this.spec = spec;
    this.csv.hidden = !spec.csv;
    if (spec.csv) this.csv.href = spec.csv;
    this.showTwin();
    const known = spec.layers.some(({ values }) => values.some((value) => value !== null));
    if (!known) return this.clear(spec.empty || 'Nothing is known of this time yet.');
    this.canvas.setAttribute(
      'aria-label',
      `${this.title}. ${spec.summary || ''} The table below has the numbers.`,
    );
    const rows =
      spec.kind === 'stack'
        ? stack(spec.layers, spec.xs.length).reverse()
        : spec.layers.map((layer) => layer.values);
    const data = [spec.xs, ...rows];
    const shape = JSON.stringify([spec.kind, spec.names, spec.layers.map(({ label }) => label), spec.unit]);
    if (this.plot && shape === this.shape) {
      this.plot.setData(data);
    } else {
      this.plot?.destroy();
      fill(this.canvas);
      this.shape = shape;
      this.plot = new uPlot(this.options(), data, this.canvas);
    }
    fill(
      this.legend,
      spec.layers.map((layer) =>
        h(
          'li',
          null,
          h('i', { class: `key c${layer.color}` }),
          h('span', null, layer.text || layer.label),
          ' ',
          h('b', { class: 'value' }),
        ),
      ),
      spec.line ? h('li', null, h('i', { class: 'key line' }), h('span', null, spec.line.label)) : null,
    );
    this.read(null);
  }

  options() {
    const { spec } = this;
    const layers = spec.kind === 'stack' ? [...spec.layers].reverse() : spec.layers;
    const shapes = {
      stack: (color) => ({ fill: color, width: 1, points: dots(color) }),
      line: (color) => ({ width: 2, points: dots(color) }),
      bars: (color) => ({
        fill: color,
        width: 0,
        points: { show: false },
        paths: uPlot.paths.bars({ size: [0.75, 56] }),
      }),
    };
    const series = layers.map(({ label, color }) => {
      const paint = () => style(`c${color}`);
      return { label, stroke: paint, ...shapes[spec.kind](paint) };
    });
    const axis = {
      stroke: () => style('quiet'),
      grid: { stroke: () => style('grid'), width: 1 },
      ticks: { stroke: () => style('line'), width: 1 },
    };
    return {
      width: Math.max(this.canvas.clientWidth, 200),
      height: this.height,
      tzDate: (at) => uPlot.tzDate(new Date(at * 1000), 'Etc/UTC'),
      legend: { show: false },
      drawOrder: ['series', 'axes'],
      scales: {
        x: { time: !spec.names, range: () => widened(this.spec.range) },
        y: { range: () => this.extent() },
      },
      axes: [
        {
          ...axis,
          ...(spec.names
            ? { splits: () => this.spec.xs, values: () => this.spec.names, grid: { show: false } }
            : { values: (_, ticks, index, space, step) => ticks.map((at) => tick(at, step)) }),
        },
        { ...axis, size: 64, values: (_, ticks) => ticks.map(short) },
      ],
      cursor: {
        y: false,
        points: { show: false },
        drag: { x: Boolean(this.onzoom), y: false, setScale: false },
      },
      series: [{}, ...series],
      hooks: {
        drawClear: [(plot) => this.drawUnder(plot)],
        draw: [(plot) => this.drawOver(plot)],
        setCursor: [(plot) => this.read(plot.cursor.left >= 0 ? plot.cursor.idx : null)],
        setSelect: [(plot) => this.zoom(plot)],
      },
    };
  }

  // The value axis. Bounds far beyond what is known don't flatten the rest.
  extent() {
    const { layers, bands = [], line, kind, xs } = this.spec;
    const rows = kind === 'stack' ? stack(layers, xs.length) : layers.map(({ values }) => values);
    const values = rows.flat().filter((value) => value !== null);
    let most = Math.max(0, ...values);
    if (kind === 'line') {
      const least = Math.min(...values);
      const room = (most - least) * 0.1 || most * 0.05 || 1;
      return [Math.max(0, least - room), most + room];
    }
    const bound = Math.max(0, ...bands.map(({ high }) => high ?? 0));
    most = Math.max(most, Math.min(bound, most * 1.7));
    if (line && line.value < most * 3) most = Math.max(most, line.value);
    return [0, most > 0 ? most * 1.08 : 1];
  }

  // Draws within the axes.
  clipped(plot, draw) {
    const { ctx: pen, bbox } = plot;
    pen.save();
    pen.beginPath();
    pen.rect(bbox.left, bbox.top, bbox.width, bbox.height);
    pen.clip();
    draw(pen, bbox);
    pen.restore();
  }

  // Each band as {left, width, top, bottom} on the canvas.
  bandBoxes(plot) {
    const { xs, bands = [] } = this.spec;
    const at = (x) => plot.valToPos(x, 'x', true);
    const gap = Math.min(...xs.slice(1).map((x, i) => at(x) - at(xs[i])), plot.bbox.width / 3);
    const width = Math.min(gap * 0.75, 56 * devicePixelRatio);
    return bands.map(({ x, low, high }) => ({
      left: at(x) - width / 2,
      width,
      bottom: plot.valToPos(low, 'y', true),
      top: high === null ? plot.bbox.top - 10 : plot.valToPos(high, 'y', true),
    }));
  }

  drawUnder(plot) {
    this.clipped(plot, (pen, bbox) => {
      pen.fillStyle = hatch(pen, style('hatch'));
      for (const { from, to } of this.spec.shades || []) {
        const left = plot.valToPos(from, 'x', true);
        pen.fillRect(left, bbox.top, Math.max(plot.valToPos(to, 'x', true) - left, 2), bbox.height);
      }
      pen.fillStyle = style('band');
      for (const { left, width, top, bottom } of this.bandBoxes(plot)) {
        pen.fillRect(left, top, width, bottom - top);
      }
    });
  }

  drawOver(plot) {
    const { line, marks = [] } = this.spec;
    const pixels = devicePixelRatio;
    this.clipped(plot, (pen, bbox) => {
      const stroke = (color, width, dash, ...points) => {
        pen.strokeStyle = color;
        pen.lineWidth = width * pixels;
        pen.setLineDash(dash.map((length) => length * pixels));
        pen.beginPath();
        pen.moveTo(points[0], points[1]);
        pen.lineTo(points[2], points[3]);
        pen.stroke();
      };
      for (const { left, width, top, bottom } of this.bandBoxes(plot)) {
        for (const y of [top, bottom]) stroke(style('text'), 1, [], left, y, left + width, y);
      }
      if (line) {
        const y = plot.valToPos(line.value, 'y', true);
        stroke(style('bad'), 2, [8, 4], bbox.left, y, bbox.left + bbox.width, y);
      }
      pen.font = `${11 * pixels}px system-ui, sans-serif`;
      pen.textAlign = 'center';
      marks.forEach(({ at, kind }) => {
        const x = plot.valToPos(at, 'x', true);
        stroke(
          markColor(kind),
          1.5,
          kind === 'spike' ? [] : [3, 3],
          x,
          bbox.top + 16 * pixels,
          x,
          bbox.top + bbox.height,
        );
      });
      // Numbers that would hide each other become one: 1–3.
      const groups = [];
      marks.forEach(({ at, kind }, i) => {
        const x = plot.valToPos(at, 'x', true);
        const group = groups.at(-1);
        if (group && x - group.x < 24 * pixels) Object.assign(group, { last: i + 1, x: (group.x + x) / 2 });
        else groups.push({ x, kind, first: i + 1, last: i + 1 });
      });
      for (const { x, kind, first, last } of groups) {
        const text = first === last ? String(first) : `${first}\u2013${last}`;
        const half = Math.max(8 * pixels, pen.measureText(text).width / 2 + 4 * pixels);
        const center = Math.min(Math.max(x, bbox.left + half), bbox.left + bbox.width - half);
        pen.fillStyle = markColor(kind);
        pen.beginPath();
        pen.roundRect(center - half, bbox.top + pixels, 2 * half, 16 * pixels, 8 * pixels);
        pen.fill();
        pen.fillStyle = style('card');
        pen.fillText(text, center, bbox.top + 13 * pixels);
      }
    });
  }

  // What is at one place, or at the last one that is known.
  read(index) {
    const { xs, names, layers, kind, unit } = this.spec;
    let at = index;
    if (at === null || at === undefined) {
      for (at = xs.length - 1; at > 0 && layers.every(({ values }) => values[at] === null); --at);
    }
    const values = layers.map((layer) => layer.values[at]);
    this.legend.querySelectorAll('.value').forEach((place, i) => {
      place.textContent = values[i] === null ? '\u2013' : amount(values[i]);
    });
    const known = values.filter((value) => value !== null);
    const what =
      known.length === 0
        ? unknown
        : amount(kind === 'stack' ? known.reduce((a, b) => a + b, 0) : Math.max(...known), unit);
    const when = names ? names[at] : time(xs[at]);
    this.readout.textContent = `${when}: ${this.spec.text ? this.spec.text(at, what) : what}`;
  }

  step(event) {
    const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (!by || !this.plot) return;
    event.preventDefault();
    const { xs } = this.spec;
    const idx = this.plot.cursor.idx ?? xs.length - 1;
    const next = Math.min(Math.max(idx + by, 0), xs.length - 1);
    this.plot.setCursor({ left: this.plot.valToPos(xs[next], 'x'), top: 20 });
  }

  zoom(plot) {
    const { left, width } = plot.select;
    if (width < 8) return;
    const from = plot.posToVal(left, 'x');
    const to = plot.posToVal(left + width, 'x');
    plot.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
    this.onzoom(Math.floor(from), Math.ceil(to));
  }

  showTwin() {
    if (!this.twin.open || !this.spec) return;
    const { columns, rows } = this.spec.twin || timeTwin(this.spec);
    fill(
      this.twin.lastElementChild,
      table(`${this.title}, as a table`, columns, rows.slice(0, kMostTwinRows)),
      rows.length > kMostTwinRows
        ? h('p', { class: 'quiet' }, `The first ${kMostTwinRows} of ${rows.length} rows; the CSV has all.`)
        : null,
    );
  }
}
