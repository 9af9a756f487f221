// The theme, set before the page is painted so that it does not flash: that of the system, or what
// was chosen here last.
'use strict';
const theme = {
  choices: ['system', 'light', 'dark'],
  dark: matchMedia('(prefers-color-scheme: dark)'),
  chosen: () => localStorage.getItem('theme') || 'system',
  apply() {
    const chosen = theme.chosen();
    document.documentElement.dataset.theme =
      chosen === 'system' ? (theme.dark.matches ? 'dark' : 'light') : chosen;
  },
  next() {
    const { choices } = theme;
    localStorage.setItem('theme', choices[(choices.indexOf(theme.chosen()) + 1) % choices.length]);
    theme.apply();
  },
};
theme.apply();
