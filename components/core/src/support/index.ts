/** What implementations of the contracts share; no contract of its own. */
export * from './configuration-keys.js';
export * from './delay.js';
export * from './expiry.js';
export * from './folders.js';
export * from './like.js';
export * from './settings.js';
export * from './state-query.js';
