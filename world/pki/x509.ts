/**
 * `@peculiar/x509`, loaded so that it works: it refuses to load before a Reflect metadata polyfill is there, and the
 * order of two imports is safe only in a file of its own. Everything in `local/` takes the library from here.
 */
import 'reflect-metadata';

export * from '@peculiar/x509';
