// Making elements.

const kSvg = 'http://www.w3.org/2000/svg';

function build(element, properties, children) {
  for (const [name, value] of Object.entries(properties || {})) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith('on')) element.addEventListener(name.slice(2), value);
    else if (name === 'value') element.value = value;
    else element.setAttribute(name, value === true ? '' : value);
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return element;
}

// h('a', {href: '#', onclick: f}, 'text', h('b')): texts are never read as markup.
export const h = (tag, properties, ...children) => build(document.createElement(tag), properties, children);
export const svg = (tag, properties, ...children) =>
  build(document.createElementNS(kSvg, tag), properties, children);

const keyOf = (element) => element.dataset?.key || element.getAttribute?.('href');

// Replaces what is in a place, and gives the focus back to the element that had it: the one with
// the same data-key or address.
export function fill(place, ...children) {
  const active = document.activeElement;
  const key = place.contains(active) && active !== place ? keyOf(active) : null;
  const scrolls = [...place.querySelectorAll('.scroll')].map((box) => [box.scrollTop, box.scrollLeft]);
  place.replaceChildren(...children.flat().filter((child) => child !== null && child !== undefined));
  place.querySelectorAll('.scroll').forEach((box, i) => {
    if (scrolls[i]) [box.scrollTop, box.scrollLeft] = scrolls[i];
  });
  if (!key) return;
  for (const element of place.querySelectorAll('a, button, [data-key]')) {
    if (keyOf(element) === key) return element.focus();
  }
}

const kReleases = ['pointerup', 'pointercancel', 'blur'];
let held = null;

// From the press of the pointer's button until its release, released() waits: a click or a drag that
// began on an element is lost if the element is replaced.
export function hold() {
  held ||= new Promise((resolve) => {
    const release = () => {
      for (const name of kReleases) removeEventListener(name, release);
      // The click comes after the release, in the same task.
      setTimeout(() => {
        held = null;
        resolve();
      });
    };
    for (const name of kReleases) addEventListener(name, release);
  });
}

export const released = () => held;

// Columns: {title, number, cell(row), sort}; a cell is a text or an element. With `order`
// ({by, down, href(by)}), columns with a `sort` have links that order the table by them.
export function table(label, columns, rows, { order, rowClass } = {}) {
  const head = columns.map((column) => {
    const ordered = order && column.sort === order.by;
    const title =
      order && column.sort
        ? h(
            'a',
            { href: order.href(column.sort), 'data-key': `sort-${column.sort}` },
            `${column.title}${ordered ? (order.down ? ' ▼' : ' ▲') : ''}`,
          )
        : column.title;
    return h(
      'th',
      {
        scope: 'col',
        class: column.number ? 'number' : null,
        'aria-sort': ordered ? (order.down ? 'descending' : 'ascending') : null,
      },
      title || h('span', { class: 'hidden' }, column.name),
    );
  });
  const lines = rows.map((row) =>
    h(
      'tr',
      { class: rowClass ? rowClass(row) : null },
      columns.map((column) => h('td', { class: column.number ? 'number' : column.class }, column.cell(row))),
    ),
  );
  return h(
    'div',
    { class: 'scroll', tabindex: 0, role: 'group', 'aria-label': label },
    h(
      'table',
      null,
      h('caption', { class: 'hidden' }, label),
      h('thead', null, h('tr', null, head)),
      h('tbody', null, lines),
    ),
  );
}

// A menu; choices are texts or [value, text].
export function select(label, choices, chosen, onchange) {
  const options = choices.map((choice) => {
    const [value, text] = Array.isArray(choice) ? choice : [choice, choice];
    return h('option', { value, selected: value === chosen }, text);
  });
  return h(
    'label',
    null,
    `${label} `,
    h(
      'select',
      { onchange: (event) => onchange(event.target.value), 'data-key': `select-${label}` },
      options,
    ),
  );
}

// A line without axes. Values that are null are gaps.
export function sparkline(values, label) {
  const known = values.filter((value) => value !== null);
  const width = 110,
    height = 24;
  const root = svg('svg', {
    viewBox: `0 0 ${width} ${height}`,
    width,
    height,
    class: 'spark',
    role: 'img',
    'aria-label': label,
  });
  if (known.length < 2) return root;
  const least = Math.min(...known),
    most = Math.max(...known);
  const y = (value) => height - 2 - ((value - least) / (most - least || 1)) * (height - 4);
  const x = (i) => (i / (values.length - 1)) * (width - 2) + 1;
  let path = '';
  values.forEach((value, i) => {
    if (value === null) return;
    const begins = i === 0 || values[i - 1] === null;
    path += `${begins ? 'M' : 'L'}${x(i).toFixed(1)},${y(value).toFixed(1)}`;
  });
  root.append(svg('path', { d: path }));
  return root;
}

export const note = (kind, ...children) => h('div', { class: `note ${kind}` }, children);
export const quiet = (...children) => h('p', { class: 'quiet' }, children);
