// Talking to the daemon. Addresses are relative to the page, so that it works behind any prefix.

import { h, released } from './dom.js';

export class ApiError extends Error {
  constructor(message, status) {
    super(message);
    this.status = status;
  }
}

// The status of what was not answered at all.
const kUnreached = 0;

// True if the daemon was not reached, rather than that it refused.
export const isOffline = (error) =>
  error instanceof ApiError && [kUnreached, 502, 503, 504].includes(error.status);

const kToken = 'token';
const kBusyTries = 3;
const kBusyPauseMs = 1000;

export function address(path, params = {}) {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(params)) {
    if (value === null || value === undefined) continue;
    for (const one of [value].flat()) query.append(name, one);
  }
  const text = query.toString();
  return new URL(`api/v1/${path}${text ? `?${text}` : ''}`, document.baseURI).href;
}

async function request(url, options) {
  const token = sessionStorage.getItem(kToken);
  const headers = { ...options.headers, ...(token ? { Authorization: `Bearer ${token}` } : {}) };
  let reply;
  for (let left = kBusyTries; ; --left) {
    try {
      reply = await fetch(url, { ...options, headers, cache: 'no-cache' });
    } catch (error) {
      throw new ApiError(error.message, kUnreached);
    }
    // It has too much to do; a moment later it hasn't.
    if (reply.status !== 503 || left === 1) break;
    await new Promise((resolve) => setTimeout(resolve, kBusyPauseMs));
  }
  const text = await reply.text();
  let body;
  try {
    body = JSON.parse(text);
  } catch {
    throw new ApiError(
      `${reply.status} ${reply.statusText}: the answer is not the daemon's`,
      reply.status === 200 ? 502 : reply.status,
    );
  }
  if (!reply.ok) throw new ApiError(body.detail || body.title || reply.statusText, reply.status);
  return body;
}

// One dialog at a time, whoever asks.
let asking = null;

function askForToken(refused) {
  asking ||= new Promise((resolve) => {
    const input = h('input', { type: 'password', autocomplete: 'current-password', id: 'token' });
    const dialog = h(
      'dialog',
      { 'aria-labelledby': 'token-title' },
      h('h2', { id: 'token-title' }, 'Token'),
      h(
        'p',
        null,
        refused
          ? 'The daemon does not take this token, or it may not do that.'
          : 'The daemon asks for a token; whoever runs it has one.',
      ),
      h(
        'form',
        { method: 'dialog' },
        h('label', { for: 'token' }, 'Token '),
        input,
        ' ',
        h('button', { value: 'ok' }, 'Go on'),
        ' ',
        h('button', { value: '', formnovalidate: true }, 'Cancel'),
      ),
    );
    dialog.addEventListener('close', () => {
      dialog.remove();
      asking = null;
      const given = dialog.returnValue === 'ok' && input.value;
      if (given) sessionStorage.setItem(kToken, input.value);
      resolve(Boolean(given));
    });
    document.body.append(dialog);
    dialog.showModal();
  });
  return asking;
}

// Asks again once there is a token, if that is what is missing. It is kept until the tab is closed.
async function authorized(url, options = {}) {
  for (;;) {
    try {
      return await request(url, options);
    } catch (error) {
      if (error.status !== 401) throw error;
      if (!(await askForToken(sessionStorage.getItem(kToken) !== null))) throw error;
    }
  }
}

// GET: returns {data, completeness, next_cursor, ...}. Throws ApiError. What was asked for is about to
// be put on the page, so it is not given while something on it is being clicked.
export async function ask(path, params) {
  const reply = await authorized(address(path, params));
  await released();
  return reply;
}

export const send = (method, path, body) =>
  authorized(address(path), {
    method,
    ...(body ? { body: JSON.stringify(body), headers: { 'Content-Type': 'application/json' } } : {}),
  });

// What accounts are called: read when first needed, by as many as fit into an address.
const known = new Map();
const kAccountsPerRequest = 200;

export async function readNames(ids) {
  const missing = [...new Set(ids)].filter((id) => /^\d{12}$/.test(id) && !known.has(id));
  for (let i = 0; i < missing.length; i += kAccountsPerRequest) {
    const some = missing.slice(i, i + kAccountsPerRequest);
    const reply = await ask('accounts', { account: some, limit: some.length });
    for (const id of some) known.set(id, '');
    learnNames(reply.data);
  }
}

export function learnNames(accounts) {
  for (const account of accounts) known.set(account.account_id, account.name || '');
}

export function accountName(id) {
  if (!id) return '(none)';
  const name = known.get(id);
  return name ? `${name} (${id})` : id;
}

// A label's value for people.
export const labelText = (name, value) => (name === 'account_id' ? accountName(value) : value || '(none)');

export const describe = (labels) =>
  Object.entries(labels)
    .map(([name, value]) => labelText(name, value))
    .join(', ') || 'the whole organization';
