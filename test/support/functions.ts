import { readdirSync } from 'node:fs';

/** The names of the files in functions/, without extension. */
export const functionNames = readdirSync(new URL('../../functions/', import.meta.url)).map((file) =>
  file.replace(/\.ts$/, ''),
);
