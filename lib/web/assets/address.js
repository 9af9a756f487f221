// The address bar holds the whole view: "#/movers?by=account&window=7d&region=eu-central-1".
// A state is {view, id, params}, where params maps each name to a list of texts.

export const kViews = ['overview', 'movers', 'accounts', 'alerts', 'collection'];

export function parse(hash) {
  const text = hash.replace(/^#\/?/, '');
  const mark = text.indexOf('?');
  const [view, id] = (mark < 0 ? text : text.slice(0, mark)).split('/');
  const params = {};
  for (const [name, value] of new URLSearchParams(mark < 0 ? '' : text.slice(mark + 1))) {
    (params[name] ||= []).push(value);
  }
  return { view: kViews.includes(view) ? view : kViews[0], id: id || '', params };
}

export function format({ view, id, params }) {
  const query = new URLSearchParams();
  for (const name of Object.keys(params).sort()) {
    for (const value of params[name]) query.append(name, value);
  }
  const text = query.toString().replaceAll('%3A', ':').replaceAll('%2C', ',');
  return `#/${view}${id ? `/${id}` : ''}${text ? `?${text}` : ''}`;
}

export const one = (state, name, otherwise) => state.params[name]?.[0] ?? otherwise;

// The state with some parameters replaced; null or [] takes one away.
export function change(state, changes, { view = state.view, id = '' } = {}) {
  const params = { ...state.params };
  for (const [name, value] of Object.entries(changes)) {
    const values = value === null || value === undefined ? [] : [value].flat();
    if (values.length === 0) delete params[name];
    else params[name] = values.map(String);
  }
  return { view, id, params };
}

export const link = (state, changes, place) => format(change(state, changes, place));
export function go(state, changes, place) {
  location.hash = link(state, changes, place);
}

const kFilters = ['account', 'region', 'type', 'provider', 'target'];
export const isFilter = (name) => kFilters.includes(name) || name.startsWith('tag.');

// What the state narrows every question to, as the API's parameters.
export function filters(state) {
  return Object.fromEntries(Object.entries(state.params).filter(([name]) => isFilter(name)));
}

// The parameter that filters by a label of an answer: "account" for "account_id".
export const filterOf = (label) =>
  ({ account_id: 'account', usage_type: 'type', cloud_provider: 'provider' })[label] || label;
export const labelOf = (filter) =>
  ({ account: 'account_id', type: 'usage_type', provider: 'cloud_provider' })[filter] || filter;
