// What ./dev lint asks of the dashboard's script and of the tests around it.
import js from '@eslint/js';
import globals from 'globals';

export default [
  js.configs.recommended,
  { files: ['**/*.mjs'], languageOptions: { globals: { ...globals.node, ...globals.browser } } },
  {
    files: ['**/assets/*.js'],
    languageOptions: { globals: { ...globals.browser, theme: 'readonly' } },
    rules: { eqeqeq: 'error', 'no-var': 'error', 'prefer-const': 'error' },
  },
  {
    files: ['**/theme.js'],
    languageOptions: { sourceType: 'script' },
    rules: { 'no-redeclare': 'off', 'no-unused-vars': 'off' },
  },
];
